/** Commands: 128 bits each, in a ring in memory. Undeclared bits are reserved and must be 0. */
import { type AnyLayout, field, flag, layout, mutants } from '../../bits/index.ts';
import { amdVi, from } from './source.ts';

export const CommandCode = {
  COMPLETION_WAIT: 0x1,
  INVALIDATE_DEVTAB_ENTRY: 0x2,
  INVALIDATE_IOMMU_PAGES: 0x3,
  INVALIDATE_IOTLB_PAGES: 0x4,
  INVALIDATE_INTERRUPT_TABLE: 0x5,
  PREFETCH_IOMMU_PAGES: 0x6,
  COMPLETE_PPR_REQUEST: 0x7,
  INVALIDATE_IOMMU_ALL: 0x8,
  INSERT_GUEST_EVENT: 0x9,
  RESET_VMMIO: 0xa,
} as const;

export type CommandName = keyof typeof CommandCode;

const Opcode = field(63, 60, 'Command', CommandCode);
const DeviceID = field(15, 0, 'Device');
const S = flag(64, 'Address encodes a range: its lowest 0 bit from bit 12 on is half the size');
const GN = flag(66, 'PASID is valid: the address is a guest virtual one');
const Address = field(127, 76, 'Page, or range with S');

/** Every command begins like this. */
export const COMMAND_HEADER = layout('command', 128, amdVi('VB', 'FB', 'XN', 'L72'), { Opcode });

export const COMPLETION_WAIT = layout('COMPLETION_WAIT', 128, amdVi('VB', 'FB', 'XN'), {
  S: flag(0, 'Store StoreData at StoreAddress'),
  I: flag(1, 'Set ComWaitInt'),
  F: flag(2, 'Later commands wait for this one'),
  StoreAddress: field(51, 3, 'Where to store, 8-byte aligned'),
  Opcode,
  StoreData: field(127, 64, 'What to store'),
});

export const INVALIDATE_DEVTAB_ENTRY = layout('INVALIDATE_DEVTAB_ENTRY', 128, amdVi('VB', 'FB', 'L72'), {
  DeviceID,
  Opcode,
});

export const INVALIDATE_IOMMU_PAGES = layout('INVALIDATE_IOMMU_PAGES', 128, amdVi('VB', 'FB'), {
  PASID: field(19, 0, 'PASID, with GN'),
  DomainID: field(47, 32, 'Domain'),
  Opcode,
  S,
  PDE: flag(65, 'Directory entries have changed too'),
  GN,
  Address,
});

export const INVALIDATE_IOTLB_PAGES = layout('INVALIDATE_IOTLB_PAGES', 128, amdVi('L72', 'FB'), {
  DeviceID,
  PASID_15_8: field(23, 16, 'PASID bits 15:8'),
  Maxpend: field(31, 24, 'Invalidations that may be outstanding per queue'),
  QueueID: field(47, 32, 'Queue that Maxpend counts'),
  PASID_7_0: field(55, 48, 'PASID bits 7:0'),
  PASID_19_16: field(59, 56, 'PASID bits 19:16'),
  Opcode,
  S,
  GN,
  Type: from('MEM', field(69, 68, 'Kind of invalidation; with InvIotlbTypeSup')),
  Address,
});

export const INVALIDATE_INTERRUPT_TABLE = layout('INVALIDATE_INTERRUPT_TABLE', 128, amdVi('VB', 'FB', 'L72'), {
  DeviceID,
  Opcode,
});

export const PREFETCH_IOMMU_PAGES = layout('PREFETCH_IOMMU_PAGES', 128, amdVi('FB', 'Q10'), {
  DeviceID,
  PFCount: field(31, 24, 'Pages'),
  PASID: field(51, 32, 'PASID, with GN'),
  Opcode,
  S,
  GN,
  Inval: flag(68, 'Invalidate first'),
  Address,
});

/** COMPLETE_PPR_REQUEST.ResponseCode: PCIe's codes; every other means failure. */
export const PprResponseCode = { SUCCESS: 0x0, INVALID_REQUEST: 0x1, FAILURE: 0xf } as const;

export const COMPLETE_PPR_REQUEST = layout('COMPLETE_PPR_REQUEST', 128, amdVi('VB', 'FB', 'L72'), {
  DeviceID,
  PASID: field(51, 32, 'PASID, with GN'),
  Opcode,
  GN: flag(66, 'The response carries the PASID'),
  PRGIndex: field(104, 96, 'Page request group index'),
  ResponseCode: field(111, 108, 'How the page requests of the group ended', PprResponseCode),
});

export const INVALIDATE_IOMMU_ALL = layout('INVALIDATE_IOMMU_ALL', 128, amdVi('L72', 'VB'), { Opcode });

export interface CommandInfo {
  readonly code: number;
  readonly name: CommandName;
  readonly layout: AnyLayout;
  /** Features without which the command is illegal. */
  readonly needs: readonly ('IotlbSup' | 'PreFSup' | 'PPRSup' | 'IASup')[];
  /** Fields that are reserved while a feature is 0. */
  readonly reservedWithout?: Readonly<Record<string, readonly string[]>>;
}

const DECLARED: readonly CommandInfo[] = [
  { code: CommandCode.COMPLETION_WAIT, name: 'COMPLETION_WAIT', layout: COMPLETION_WAIT, needs: [] },
  {
    code: CommandCode.INVALIDATE_DEVTAB_ENTRY,
    name: 'INVALIDATE_DEVTAB_ENTRY',
    layout: INVALIDATE_DEVTAB_ENTRY,
    needs: [],
  },
  {
    code: CommandCode.INVALIDATE_IOMMU_PAGES,
    name: 'INVALIDATE_IOMMU_PAGES',
    layout: INVALIDATE_IOMMU_PAGES,
    needs: [],
    reservedWithout: { GTSup: ['GN', 'PASID'] },
  },
  {
    code: CommandCode.INVALIDATE_IOTLB_PAGES,
    name: 'INVALIDATE_IOTLB_PAGES',
    layout: INVALIDATE_IOTLB_PAGES,
    needs: ['IotlbSup'],
    reservedWithout: { GTSup: ['GN', 'PASID_7_0', 'PASID_15_8', 'PASID_19_16'], InvIotlbTypeSup: ['Type'] },
  },
  {
    code: CommandCode.INVALIDATE_INTERRUPT_TABLE,
    name: 'INVALIDATE_INTERRUPT_TABLE',
    layout: INVALIDATE_INTERRUPT_TABLE,
    needs: [],
  },
  {
    code: CommandCode.PREFETCH_IOMMU_PAGES,
    name: 'PREFETCH_IOMMU_PAGES',
    layout: PREFETCH_IOMMU_PAGES,
    needs: ['PreFSup'],
    reservedWithout: { GTSup: ['GN', 'PASID'] },
  },
  {
    code: CommandCode.COMPLETE_PPR_REQUEST,
    name: 'COMPLETE_PPR_REQUEST',
    layout: COMPLETE_PPR_REQUEST,
    needs: ['PPRSup'],
  },
  {
    code: CommandCode.INVALIDATE_IOMMU_ALL,
    name: 'INVALIDATE_IOMMU_ALL',
    layout: INVALIDATE_IOMMU_ALL,
    needs: ['IASup'],
  },
];

/** INSERT_GUEST_EVENT and RESET_VMMIO belong to virtual IOMMUs, which no unit here offers: they are illegal. */
export const COMMANDS = DECLARED.filter(({ name }) => !mutants.off.has(name));
