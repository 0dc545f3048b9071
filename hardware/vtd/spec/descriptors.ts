/**
 * Descriptors of the invalidation queue: VT-d 6.5.2 and 7.6.1.
 *
 * The type has seven bits in two places: TYPE and, above, TYPE_HIGH. Undeclared bits are reserved and must be 0. A
 * descriptor of 128 bits in a queue of 256-bit descriptors is followed by 128 bits of 0.
 */
import { type AnyLayout, field, flag, layout, mutants } from '../../bits/index.ts';
import type { Capability, Needs, ReservedWithout } from './capability.ts';
import { ContextGranularity, FunctionMask, IotlbGranularity } from './registers/invalidation.ts';

/** {TYPE_HIGH, TYPE} of a descriptor. */
export const DescriptorType = {
  CONTEXT_CACHE_INVALIDATE: 0x1,
  IOTLB_INVALIDATE: 0x2,
  DEVICE_TLB_INVALIDATE: 0x3,
  INTERRUPT_ENTRY_CACHE_INVALIDATE: 0x4,
  INVALIDATION_WAIT: 0x5,
  PASID_IOTLB_INVALIDATE: 0x6,
  PASID_CACHE_INVALIDATE: 0x7,
  PASID_DEVICE_TLB_INVALIDATE: 0x8,
  PAGE_GROUP_RESPONSE: 0x9,
  HPT_CACHE_INVALIDATE: 0xa,
} as const;

export type DescriptorName = keyof typeof DescriptorType;

/** G of each descriptor that has one. A descriptor with another value is invalid. */
export const Granularity = {
  CONTEXT_CACHE: ContextGranularity,
  IOTLB: IotlbGranularity,
  INTERRUPT_ENTRY_CACHE: { GLOBAL: 0, INDEX: 1 },
  PASID_IOTLB: { PASID: 0b10, PAGE: 0b11 },
  PASID_CACHE: { DOMAIN: 0b00, PASID: 0b01, GLOBAL: 0b11 },
  HPT_CACHE: { GLOBAL: 0b01, DOMAIN: 0b10, PAGE: 0b11 },
} as const;

export const IOTLB_GRANULARITY_NEEDS = {
  GLOBAL: [],
  DOMAIN: [],
  PAGE: ['PSI'],
} as const satisfies Needs<keyof typeof IotlbGranularity>;

const TYPE = field(3, 0, 'Type, lower part');
const TYPE_HIGH = field(11, 9, 'Type, upper part');

/** Every descriptor begins like this. */
export const DESCRIPTOR_HEADER = layout('descriptor', 32, 'VT-d 6.5.2', { TYPE, TYPE_HIGH });

export const CONTEXT_CACHE_INVALIDATE = layout('cc_inv_dsc', 128, 'VT-d 6.5.2.1', {
  TYPE,
  G: field(5, 4, 'Granularity', Granularity.CONTEXT_CACHE),
  TYPE_HIGH,
  DID: field(31, 16, 'Domain id; not used when global, nor in scalable mode'),
  SID: field(47, 32, 'Source id; used when device-selective'),
  FM: field(49, 48, 'Function mask', FunctionMask),
});

export const IOTLB_INVALIDATE = layout('iotlb_inv_dsc', 128, 'VT-d 6.5.2.3', {
  TYPE,
  G: field(5, 4, 'Granularity', Granularity.IOTLB),
  DW: flag(6, 'Drain writes'),
  DR: flag(7, 'Drain reads'),
  TYPE_HIGH,
  DID: field(31, 16, 'Domain id; not used when global'),
  AM: field(69, 64, 'Address mask: 2 ** AM pages'),
  IH: flag(70, 'Only leaf entries have changed'),
  ADDR: field(127, 76, 'First page; its low AM bits are not used'),
});

export const DEVICE_TLB_INVALIDATE = layout('dev_tlb_inv_dsc', 128, 'VT-d 6.5.2.5', {
  TYPE,
  TYPE_HIGH,
  PFSID_3_0: field(15, 12, 'Source id of the physical function, bits 3:0'),
  MIP: field(20, 16, 'Most invalidations that may be pending; 0 means 32'),
  SID: field(47, 32, 'Source id of the device'),
  PFSID_15_4: field(63, 52, 'Source id of the physical function, bits 15:4'),
  S: flag(64, 'Size: 1 means that the lowest 0 bit of ADDR gives it'),
  ADDR: field(127, 76, 'First page'),
});

export const INTERRUPT_ENTRY_CACHE_INVALIDATE = layout('iec_inv_dsc', 128, 'VT-d 6.5.2.8', {
  TYPE,
  G: field(4, 4, 'Granularity', Granularity.INTERRUPT_ENTRY_CACHE),
  TYPE_HIGH,
  IM: field(31, 27, 'Index mask: 2 ** IM interrupts'),
  IIDX: field(47, 32, 'First interrupt index'),
});

export const INVALIDATION_WAIT = layout('inv_wait_dsc', 128, 'VT-d 6.5.2.9', {
  TYPE,
  IF: flag(4, 'Raise an event when done'),
  SW: flag(5, 'Write STATUS_DATA when done'),
  FN: flag(6, 'Fence: later descriptors wait'),
  PD: flag(7, 'Page requests received before are in the queue first'),
  TYPE_HIGH,
  STATUS_DATA: field(63, 32, 'What is written'),
  STATUS_ADDRESS: field(127, 66, 'Where it is written; bits at or above the host address width are ignored'),
});

export const PASID_IOTLB_INVALIDATE = layout('p_iotlb_inv_dsc', 256, 'VT-d 6.5.2.4', {
  TYPE,
  G: field(5, 4, 'Granularity', Granularity.PASID_IOTLB),
  TYPE_HIGH,
  DID: field(31, 16, 'Domain id'),
  PASID: field(51, 32, 'PASID'),
  AM: field(69, 64, 'Address mask: 2 ** AM pages'),
  IH: flag(70, 'Only leaf entries have changed'),
  ADDR: field(127, 76, 'First page; its low AM bits are not used'),
});

export const PASID_CACHE_INVALIDATE = layout('pc_inv_dsc', 256, 'VT-d 6.5.2.2', {
  TYPE,
  G: field(5, 4, 'Granularity', Granularity.PASID_CACHE),
  TYPE_HIGH,
  DID: field(31, 16, 'Domain id; not used when global'),
  PASID: field(51, 32, 'PASID; used when PASID-selective'),
});

export const PASID_DEVICE_TLB_INVALIDATE = layout('p_dev_tlb_inv_dsc', 256, 'VT-d 6.5.2.6', {
  TYPE,
  MIP: field(8, 4, 'Most invalidations that may be pending; 0 means 32'),
  TYPE_HIGH,
  PFSID_3_0: field(15, 12, 'Source id of the physical function, bits 3:0'),
  SID: field(31, 16, 'Source id of the device'),
  PASID: field(51, 32, 'PASID; not used when GI is 1'),
  PFSID_15_4: field(63, 52, 'Source id of the physical function, bits 15:4'),
  GI: flag(64, 'Global: every PASID'),
  S: flag(75, 'Size: 1 means that the lowest 0 bit of ADDR gives it'),
  ADDR: field(127, 76, 'First page'),
});

/** RC: how a page request was answered. */
export const ResponseCode = { SUCCESS: 0x0, INVALID_REQUEST: 0x1, RESPONSE_FAILURE: 0xf } as const;

export const PAGE_GROUP_RESPONSE = layout('page_grp_resp_dsc', 256, 'VT-d 7.6.1', {
  TYPE,
  PP: flag(4, 'PASID is valid'),
  TYPE_HIGH,
  RC: field(15, 12, 'Response code', ResponseCode),
  RID: field(31, 16, 'Requester id of the device'),
  PASID: field(51, 32, 'PASID'),
  IGNORED_66: flag(66, 'Ignored'),
  PRGI: field(75, 67, 'Page request group index'),
});

/** HPT_CACHE_INVALIDATE.IH: the levels of the tables that have changed. */
export const HptInvalidationHint = { L1: 0b00, L2_L1: 0b01, L3_L1: 0b10, ALL: 0b11 } as const;

export const HPT_CACHE_INVALIDATE = layout('hpt_inv_desc', 256, 'VT-d 6.5.2.7', {
  TYPE,
  G: field(5, 4, 'Granularity', Granularity.HPT_CACHE),
  TYPE_HIGH,
  HPTDID: field(31, 16, 'Domain id of the host permission table; not used when global'),
  AM: field(69, 64, 'Address mask: 2 ** AM pages'),
  IH: field(71, 70, 'Levels that have changed', HptInvalidationHint),
  ADDR: field(127, 76, 'First page; its low AM bits are not used'),
});

/** A translation table mode in which the queue works. */
export type QueueMode = 'legacy' | 'scalable' | 'abort-DMA';

export interface DescriptorInfo {
  readonly type: number;
  readonly name: DescriptorName;
  readonly layout: AnyLayout;
  /** Size of the descriptor itself; one of 256 bits needs IQA_REG.DW = 1. */
  readonly bits: 128 | 256;
  /** Capabilities without which the type is invalid. */
  readonly needs: readonly Capability[];
  /** Modes in which the type is valid (table 26); except in legacy mode only with IQA_REG.DW = 1. */
  readonly modes: readonly QueueMode[];
  /** Fields that are reserved while a capability is 0. */
  readonly reservedWithout: ReservedWithout;
}

export const DEVICE_TLB_INVALIDATE_RESERVED_WITHOUT = {
  DIT: ['PFSID_3_0', 'PFSID_15_4'],
} as const satisfies ReservedWithout<typeof DEVICE_TLB_INVALIDATE>;

export const INVALIDATION_WAIT_RESERVED_WITHOUT = {
  PDS: ['PD'],
} as const satisfies ReservedWithout<typeof INVALIDATION_WAIT>;

export const PASID_DEVICE_TLB_INVALIDATE_RESERVED_WITHOUT = {
  DIT: ['PFSID_3_0', 'PFSID_15_4'],
} as const satisfies ReservedWithout<typeof PASID_DEVICE_TLB_INVALIDATE>;

/** By type, the type with the lowest number first. */
export const DESCRIPTORS: readonly DescriptorInfo[] = [
  narrow('CONTEXT_CACHE_INVALIDATE', CONTEXT_CACHE_INVALIDATE),
  narrow('IOTLB_INVALIDATE', IOTLB_INVALIDATE),
  narrow('DEVICE_TLB_INVALIDATE', DEVICE_TLB_INVALIDATE, ['DT'], DEVICE_TLB_INVALIDATE_RESERVED_WITHOUT),
  narrow('INTERRUPT_ENTRY_CACHE_INVALIDATE', INTERRUPT_ENTRY_CACHE_INVALIDATE),
  narrow('INVALIDATION_WAIT', INVALIDATION_WAIT, [], INVALIDATION_WAIT_RESERVED_WITHOUT),
  wide('PASID_IOTLB_INVALIDATE', PASID_IOTLB_INVALIDATE),
  wide('PASID_CACHE_INVALIDATE', PASID_CACHE_INVALIDATE),
  wide(
    'PASID_DEVICE_TLB_INVALIDATE',
    PASID_DEVICE_TLB_INVALIDATE,
    ['DT'],
    PASID_DEVICE_TLB_INVALIDATE_RESERVED_WITHOUT,
  ),
  wide('PAGE_GROUP_RESPONSE', PAGE_GROUP_RESPONSE, ['PRS']),
  wide('HPT_CACHE_INVALIDATE', HPT_CACHE_INVALIDATE, ['HPTS']),
];

function narrow(
  name: DescriptorName,
  of: AnyLayout,
  needs: readonly Capability[] = [],
  reservedWithout: ReservedWithout = {},
): DescriptorInfo {
  const modes = validIn(of, ['legacy', 'scalable', 'abort-DMA']);
  return { type: DescriptorType[name], name, layout: of, bits: 128, needs, modes, reservedWithout };
}

function wide(
  name: DescriptorName,
  of: AnyLayout,
  needs: readonly Capability[] = [],
  reservedWithout: ReservedWithout = {},
): DescriptorInfo {
  const modes = validIn(of, ['scalable', 'abort-DMA']);
  return { type: DescriptorType[name], name, layout: of, bits: 256, needs, modes, reservedWithout };
}

/** A descriptor that is switched off is valid nowhere. */
function validIn(of: AnyLayout, modes: readonly QueueMode[]): readonly QueueMode[] {
  return mutants.off.has(of.$.name) ? [] : modes;
}
