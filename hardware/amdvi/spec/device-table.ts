/**
 * The device table entry: 256 bits that say, for one device id, how its accesses to memory and its interrupts are treated.
 *
 * Undeclared bits are reserved: of bits 127:0 they count while V is 1, of bits 255:128 while IV is 1.
 */
import { field, flag, layout } from '../../bits/index.ts';
import { amdVi, from } from './source.ts';

/** DTE.Mode: 0 none, 1 to 6 levels of the host table, 7 reserved. */
export const HostMode = { NONE: 0, DEEPEST: 6 } as const;

/** DTE.HAD. */
export const HostAccessedDirty = { NONE: 0b00, ACCESSED: 0b01, BOTH: 0b11 } as const;

/** DTE.IoCtl: accesses to port I/O. */
export const IoControl = { ABORT: 0b00, FORWARD: 0b01, TRANSLATE: 0b10 } as const;

/** DTE.SysMgt: accesses to the system management range. */
export const SystemManagement = { ABORT: 0b00, FORWARD: 0b01, FORWARD_INTX: 0b10, TRANSLATE: 0b11 } as const;

/** DTE.IntCtl: fixed and arbitrated interrupts. */
export const InterruptControl = { ABORT: 0b00, FORWARD: 0b01, REMAP: 0b10 } as const;

/** DTE.GuestPagingMode. */
export const GuestPagingMode = { FOUR_LEVEL: 0b00, FIVE_LEVEL: 0b01 } as const;

/** One entry per device id, which is the requester id. */
export const DTE = layout('DTE', 256, amdVi('L72', 'VB', 'FB'), {
  V: flag(0, 'Bits 127:1 are valid; without it accesses to memory pass'),
  TV: flag(1, 'The translation fields are valid; without it every access to memory is blocked'),
  HAD: from(['FB', 'L72'], field(8, 7, 'Accessed and dirty flags of the host table', HostAccessedDirty)),
  Mode: field(11, 9, 'Levels of the host table; 7 is reserved', HostMode),
  HostPTRoot: field(51, 12, 'Top table of the host table'),
  PPR: from(['LX', 'VB'], flag(52, 'The device may send page requests')),
  GPRP: from(['VB', 'FB'], flag(53, 'The response to a page request with PASID carries the PASID')),
  GIoV: flag(54, 'Requests without PASID use the guest table of PASID 0'),
  GV: flag(55, 'The guest translation fields are valid'),
  GLX: field(57, 56, 'Levels of the GCR3 table, minus 1; 3 is reserved'),
  GCR3_14_12: field(60, 58, 'GCR3 table, address bits 14:12'),
  IR: flag(61, 'Read permission'),
  IW: flag(62, 'Write permission'),
  DomainID: field(79, 64, 'Tag of what is cached'),
  GCR3_30_15: field(95, 80, 'GCR3 table, address bits 30:15'),
  I: flag(96, 'The device may have a device-TLB: translation and translated requests are allowed'),
  SE: from('VB', flag(97, 'Of the IO_PAGE_FAULTs of this cached entry only the first is logged')),
  SA: from('VB', flag(98, 'No IO_PAGE_FAULT of an access to memory is logged')),
  IoCtl: field(100, 99, 'Accesses to port I/O; 3 is reserved', IoControl),
  Cache: from('MEM', flag(101, 'Translations for device-TLBs need not stay in the IOTLB: a hint')),
  SD: from('MEM', flag(102, 'Accesses do not snoop')),
  EX: from(['VB', 'OV'], flag(103, 'The exclusion range is open to the device')),
  SysMgt: field(105, 104, 'Accesses to the system management range', SystemManagement),
  SATS: from(['FB', 'OV', 'OS'], flag(106, 'Secure ATS')),
  GCR3_51_31: field(127, 107, 'GCR3 table, address bits 51:31'),
  IV: flag(128, 'Bits 191:129 are valid; without it interrupts pass'),
  IntTabLen: field(132, 129, 'The interrupt table has 2 ** IntTabLen entries; 12 and above are reserved'),
  IG: from('VB', flag(133, 'No IO_PAGE_FAULT of an interrupt is logged')),
  IntTabRoot: field(179, 134, 'Interrupt table, 128-byte aligned'),
  GuestPagingMode: from(
    ['L72', 'FB'],
    field(183, 182, 'Levels of the guest tables; 2 and 3 are reserved', GuestPagingMode),
  ),
  InitPass: flag(184, 'INIT passes'),
  EIntPass: flag(185, 'ExtINT passes'),
  NMIPass: flag(186, 'NMI passes'),
  HPTMode: from(['FB', 'OV', 'OS'], flag(187, 'Host page-table mode: a hint for SNP')),
  IntCtl: field(189, 188, 'Fixed and arbitrated interrupts; 3 is reserved', InterruptControl),
  Lint0Pass: flag(190, 'LINT0 passes'),
  Lint1Pass: flag(191, 'LINT1 passes'),
  vImuEn: from(['FB', 'OS'], flag(207, 'The device belongs to a virtual IOMMU')),
  GDeviceID: from(['FB', 'OS'], field(223, 208, 'Device id that the guest sees')),
  GuestID: from(['FB', 'OS'], field(239, 224, 'Guest that owns the device')),
  AttrV: from(['VB', 'FB'], flag(246, 'Mode0FC and SnoopAttribute are valid')),
  Mode0FC: from(['VB', 'FB'], flag(247, 'Force coherent where there is no host table')),
  SnoopAttribute: from(['VB', 'FB'], field(255, 248, 'N bit of translation completions, by memory type')),
});

/** The fields that are reserved while a feature is 0. */
export const DTE_RESERVED_WITHOUT = {
  EPHSup: ['PPR', 'GPRP'],
  GIoSup: ['GIoV'],
  GTSup: ['GV', 'GLX', 'GCR3_14_12', 'GCR3_30_15', 'GCR3_51_31'],
  SATSSup: ['SATS'],
} as const;

/** An entry of a GCR3 table: a further table, or on the last level the guest page table of a PASID. */
export const GCR3_ENTRY = layout('GCR3 entry', 64, amdVi('L72', 'FB'), {
  V: flag(0, 'Valid'),
  Address: field(51, 12, 'Next GCR3 table, or top guest table'),
});
