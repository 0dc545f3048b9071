/**
 * The structures of scalable mode: VT-d 9.2 and 9.4 to 9.6.
 *
 * Undeclared bits are reserved; they count only in an entry (for a root entry: a half) that is present. Address bits at
 * or above the host address width and domain-id bits above the width that CAP.ND gives are reserved too.
 */
import { field, flag, layout } from '../../../bits/index.ts';
import type { FieldName, IgnoredFor, Needs, ReservedWithout } from '../capability.ts';
import { AddressWidth } from './legacy.ts';

/** One of the 256 entries of a root table; the bus number is the index. The halves are checked independently. */
export const SCALABLE_ROOT_ENTRY = layout('scalable-mode root entry', 128, 'VT-d 9.2', {
  LP: flag(0, 'Lower half present'),
  LCTP: field(63, 12, 'Context table of devices 0 to 15, a 4 KiB page'),
  UP: flag(64, 'Upper half present'),
  UCTP: field(127, 76, 'Context table of devices 16 to 31, a 4 KiB page'),
});

/** One of the 128 entries of a context table; the lower 7 bits of device and function number are the index. */
export const SCALABLE_CONTEXT_ENTRY = layout('scalable-mode context entry', 256, 'VT-d 9.4', {
  P: flag(0, 'Present'),
  FPD: flag(1, 'Qualified faults are not recorded; counts even when P is 0'),
  DTE: flag(2, 'Translation requests and translated requests are allowed'),
  PASIDE: flag(3, 'Requests with PASID are allowed'),
  PRE: flag(4, 'Page requests are allowed; needs DTE'),
  HPTE: flag(5, 'Translated requests are checked in the host permission table'),
  EPTR: flag(6, 'Translated requests with PASID are allowed; needs PASIDE'),
  PDTS: field(11, 9, 'The PASID directory has 2 ** (PDTS + 7) entries'),
  PASIDDIRPTR: field(63, 12, 'PASID directory'),
  RID_PASID: field(83, 64, 'PASID that requests without PASID use'),
  RID_PRIV: flag(84, 'Privilege that requests without PASID use'),
});

export const SCALABLE_CONTEXT_ENTRY_RESERVED_WITHOUT = {
  DT: ['DTE'],
  PASID: ['PASIDE'],
  PRS: ['PRE'],
  HPTS: ['HPTE'],
  PTRS: ['EPTR'],
  RPS: ['RID_PASID'],
  RPRIVS: ['RID_PRIV'],
} as const satisfies ReservedWithout<typeof SCALABLE_CONTEXT_ENTRY>;

/** Bits 19:6 of the PASID are the index. */
export const PASID_DIRECTORY_ENTRY = layout('PASID-directory entry', 64, 'VT-d 9.5', {
  P: flag(0, 'Present'),
  FPD: flag(1, 'Qualified faults are not recorded; counts even when P is 0'),
  SMPTBLPTR: field(63, 12, 'PASID table, a 4 KiB page'),
});

/** PASID_ENTRY.PGTT. */
export const PasidTranslationType = {
  FIRST_STAGE: 0b001,
  SECOND_STAGE: 0b010,
  NESTED: 0b011,
  PASS_THROUGH: 0b100,
} as const;

export const PASID_TRANSLATION_TYPE_NEEDS = {
  FIRST_STAGE: ['FSTS'],
  SECOND_STAGE: ['SSTS'],
  NESTED: ['NEST'],
  PASS_THROUGH: ['PT'],
} as const satisfies Needs<keyof typeof PasidTranslationType>;

/** PASID_ENTRY.FSPM. */
export const FirstStagePagingMode = { FOUR_LEVEL: 0b00, FIVE_LEVEL: 0b01 } as const;

export const FIRST_STAGE_PAGING_MODE_NEEDS = {
  FOUR_LEVEL: [],
  FIVE_LEVEL: ['FS5LP'],
} as const satisfies Needs<keyof typeof FirstStagePagingMode>;

/** PASID_ENTRY.HPTSZ: the size of the top table, and through it the widest translated address. */
export const HptSize = { BITS_49: 0b00, BITS_50: 0b01, BITS_51: 0b10, BITS_52: 0b11 } as const;

/** Address bits that the smallest host permission table covers. */
export const SMALLEST_HPT = 49;

/** One of the 64 entries of a PASID table; bits 5:0 of the PASID are the index. */
export const PASID_ENTRY = layout('PASID-table entry', 512, 'VT-d 9.6', {
  P: flag(0, 'Present'),
  FPD: flag(1, 'Qualified faults are not recorded; counts even when P is 0'),
  AW: field(4, 2, 'Address width of the second stage', AddressWidth),
  SSEE: flag(5, 'Second-stage execute permission (X) counts; of revisions up to 4.0'),
  PGTT: field(8, 6, 'Translation type; 000b and 101b to 111b are reserved', PasidTranslationType),
  SSADE: flag(9, 'Second-stage accessed and dirty flags are kept'),
  SSPTPTR: field(63, 12, 'Top table of the second stage'),
  DID: field(79, 64, 'Domain id'),
  PWSNP: flag(87, 'Page walks snoop'),
  PGSNP: flag(88, 'Accesses to the page snoop, whatever the request says'),
  CD: flag(89, 'Cache disable: the page is uncacheable'),
  EMTE: flag(90, 'Second-stage EMT counts'),
  PAT: field(127, 96, 'Page attribute table: PAGE_ATTRIBUTE_TABLE'),
  SRE: flag(128, 'Supervisor requests are allowed'),
  ERE: flag(129, 'Execute requests are allowed; of revisions up to 4.0'),
  FSPM: field(131, 130, 'First-stage paging mode; 10b and 11b are reserved', FirstStagePagingMode),
  WPE: flag(132, 'Write protection holds for supervisor requests too'),
  NXE: flag(133, 'First-stage execute disable (XD) counts; ignored without ERS'),
  SMEP: flag(134, 'Supervisor requests do not execute pages of users; ignored without ERS'),
  EAFE: flag(135, 'First-stage extended-accessed flags are kept'),
  FSPTPTR: field(191, 140, 'Top table of the first stage; a guest physical address when nested'),
  HPTSZ: field(257, 256, 'Size of the top host permission table', HptSize),
  HPTPFD: flag(258, 'Host permissions are not prefetched'),
  HPTPTR: field(319, 268, 'Top host permission table'),
  HPTDID: field(335, 320, 'Domain id of the host permission table'),
});

export const PASID_ENTRY_RESERVED_WITHOUT = {
  SSTS: ['AW', 'SSEE', 'SSADE', 'SSPTPTR'],
  ERS: ['SSEE', 'ERE'],
  SSADS: ['SSADE'],
  SMPWCS: ['PWSNP'],
  SC: ['PGSNP'],
  MTS: ['CD', 'EMTE', 'PAT'],
  SRS: ['SRE'],
  FSTS: ['FSPM', 'WPE', 'FSPTPTR'],
  EAFS: ['EAFE'],
  HPTS: ['HPTSZ', 'HPTPFD', 'HPTPTR', 'HPTDID'],
} as const satisfies ReservedWithout<typeof PASID_ENTRY>;

/** WPE is besides ignored for every request with user privilege. */
export const PASID_ENTRY_IGNORED_FOR = {
  FIRST_STAGE: ['AW', 'SSEE', 'SSADE', 'SSPTPTR', 'EMTE'],
  SECOND_STAGE: ['WPE', 'NXE', 'SMEP', 'EAFE', 'FSPTPTR'],
  PASS_THROUGH: ['AW', 'SSEE', 'SSADE', 'SSPTPTR', 'EMTE', 'WPE', 'NXE', 'SMEP', 'EAFE', 'FSPTPTR'],
} as const satisfies IgnoredFor<typeof PASID_ENTRY, keyof typeof PasidTranslationType>;

/** Ignored while HPTE of the context entry is 0. */
export const PASID_ENTRY_IGNORED_WITHOUT_HPTE = [
  'HPTSZ',
  'HPTPFD',
  'HPTPTR',
  'HPTDID',
] as const satisfies readonly FieldName<typeof PASID_ENTRY>[];

/** A code point of PAGE_ATTRIBUTE_TABLE. */
export const PageAttribute = { UC: 0x0, WC: 0x1, WT: 0x4, WP: 0x5, WB: 0x6, 'UC-': 0x7 } as const;

/** PASID_ENTRY.PAT. */
export const PAGE_ATTRIBUTE_TABLE = layout('page attribute table', 32, 'VT-d 9.6', {
  PA0: field(3, 0, 'Memory type 0', PageAttribute),
  PA1: field(7, 4, 'Memory type 1', PageAttribute),
  PA2: field(11, 8, 'Memory type 2', PageAttribute),
  PA3: field(15, 12, 'Memory type 3', PageAttribute),
  PA4: field(19, 16, 'Memory type 4', PageAttribute),
  PA5: field(23, 20, 'Memory type 5', PageAttribute),
  PA6: field(27, 24, 'Memory type 6', PageAttribute),
  PA7: field(31, 28, 'Memory type 7', PageAttribute),
});
