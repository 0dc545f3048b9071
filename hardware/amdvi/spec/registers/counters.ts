/** Performance counters: banks of counters with a source and match filters each. */
import { bit, bits, layout, register } from '../../../bits/index.ts';
import { amdVi, from } from '../source.ts';

export const COUNTER_CONFIGURATION = register('Counter Configuration', 0x4000, 64, amdVi('L72', 'CB'), {
  NCounter: bits(10, 7, 'RO', 'Counters of one bank'),
  NCounterBanks: bits(17, 12, 'RO', 'Banks'),
});

export const COUNTER_PASID_LOCK = register('Counter PASID Bank Lock', 0x4008, 64, amdVi('MEM'), {
  Lock: bits(63, 0, 'RW', 'A bit per bank: its PASID matches cannot be changed'),
});

export const COUNTER_DOMAIN_LOCK = register('Counter Domain Bank Lock', 0x4010, 64, amdVi('MEM'), {
  Lock: bits(63, 0, 'RW', 'A bit per bank: its domain matches cannot be changed'),
});

export const COUNTER_DEVICE_LOCK = register('Counter DeviceID Bank Lock', 0x4018, 64, amdVi('MEM'), {
  Lock: bits(63, 0, 'RW', 'A bit per bank: its device matches cannot be changed'),
});

/** Where counter `counter` of bank `bank` stands: COUNTER_BANKS + bank * COUNTER_BANK_BYTES + counter * COUNTER_BYTES. */
export const COUNTER_BANKS = 0x4_0000;
export const COUNTER_BANK_BYTES = 0x1000;
export const COUNTER_BYTES = 0x100;

/** Counter Source.CSource. */
export const CounterSource = {
  OFF: 0x00,
  MEM_PASS_UNTRANS: 0x01,
  MEM_PASS_PRETRANS: 0x02,
  MEM_PASS_EXCL: 0x03,
  MEM_TARGET_ABORT: 0x04,
  MEM_TRANS_TOTAL: 0x05,
  MEM_IOMMU_TLB_PTE_HIT: 0x06,
  MEM_IOMMU_TLB_PTE_MISS: 0x07,
  MEM_IOMMU_TLB_PDE_HIT: 0x08,
  MEM_IOMMU_TLB_PDE_MISS: 0x09,
  MEM_DTE_HIT: 0x0a,
  MEM_DTE_MISS: 0x0b,
  PAGE_TBL_READ_TOT: 0x0c,
  PAGE_TBL_READ_NST: 0x0d,
  PAGE_TBL_READ_GST: 0x0e,
  INT_DTE_HIT: 0x0f,
  INT_DTE_MISS: 0x10,
  CMD_PROCESSED: 0x11,
  CMD_PROCESSED_INV: 0x12,
  TLB_INV: 0x13,
  IGN_RD_WR_MMIO_1FF8H: 0x14,
  VAPIC_INT_NON_GUEST: 0x15,
  VAPIC_INT_GUEST: 0x16,
  SMI_RECV: 0x17,
  SMI_BLK: 0x18,
} as const;

export const COUNTER = layout('Counter', 64, amdVi('L72'), {
  ICounter: bits(47, 0, 'RW', 'The count'),
});

export const COUNTER_SOURCE = layout('Counter Source', 64, amdVi('LX'), {
  CSource: bits(7, 0, 'RW', 'What is counted', CounterSource),
  CountUnits: from('MEM', bit(30, 'RW', 'Unit of the count')),
  CAC: from('MEM', bit(31, 'RW', 'The source is one of the implementation’s own')),
});

const IS_ON = 'Only what matches counts';

export const COUNTER_PASID_MATCH = layout('Counter PASID Match', 64, amdVi('LX'), {
  PasidMatch: bits(19, 0, 'RW', 'PASID'),
  PasMEn: bit(31, 'RW', IS_ON),
  PasidMask: bits(51, 32, 'RW', 'Bits of the PASID that are compared'),
});

export const COUNTER_DOMAIN_MATCH = layout('Counter Domain Match', 64, amdVi('LX'), {
  DomainMatch: bits(15, 0, 'RW', 'Domain'),
  DomMEn: bit(31, 'RW', IS_ON),
  DomainMask: bits(47, 32, 'RW', 'Bits of the domain that are compared'),
});

export const COUNTER_DEVICE_MATCH = layout('Counter DeviceID Match', 64, amdVi('LX'), {
  DeviceIDMatch: bits(15, 0, 'RW', 'Device'),
  DIDMEn: bit(31, 'RW', IS_ON),
  DeviceIDMask: bits(47, 32, 'RW', 'Bits of the device that are compared'),
});

export const COUNTER_REPORT = layout('Counter Report', 64, amdVi('MEM'), {
  EventNote: bits(51, 0, 'RW', 'What EVENT_COUNTER_ZERO says of this counter'),
  CERE: bit(63, 'RW', 'EVENT_COUNTER_ZERO is logged when the counter comes round to 0'),
});

/** The registers of one counter, by their offset. */
export const COUNTER_REGISTERS = [
  [COUNTER, 0x00],
  [COUNTER_SOURCE, 0x08],
  [COUNTER_PASID_MATCH, 0x10],
  [COUNTER_DOMAIN_MATCH, 0x18],
  [COUNTER_DEVICE_MATCH, 0x20],
  [COUNTER_REPORT, 0x28],
] as const;
