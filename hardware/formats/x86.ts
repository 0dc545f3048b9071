/**
 * x86-64 paging entries as IOMMUs read them: VT-d's first stage (VT-d 9.7, 3.6) and AMD's guest (v2) tables. 4 or 5
 * levels of 9 bits, 4 KiB, 2 MiB and 1 GiB pages.
 *
 * One layout per kind of entry. What no layout declares is reserved; the masks that the walkers test come from here.
 */
import { bit, bits, type FieldSpec, layout, splitWords } from '../bits/index.ts';
import { type DecodedEntry, type PageTableFormat, type Protection, radixIndex, radixShift } from './format.ts';
import {
  flag,
  isRadixLeaf,
  PAGE_SIZE_BIT,
  pageAddress,
  type RadixEntry,
  type RadixLayouts,
  type ReservedMasks,
  radixEntry,
  radixLayout,
  reservedMasks,
  TABLE_ADDRESS,
} from './radix-entry.ts';

/** Of its own, so that it can be switched off without the second stage's. */
const PS = { ...PAGE_SIZE_BIT };
const COMMON = {
  P: bit(0, 'RW', 'Present'),
  RW: bit(1, 'RW', 'Writable'),
  US: bit(2, 'RW', 'User requests are allowed'),
  PWT: bit(3, 'RW', 'Memory type'),
  PCD: bit(4, 'RW', 'Memory type'),
  A: bit(5, 'RW', 'Accessed'),
  EA: bit(10, 'RW', 'Extended-accessed, when the PASID-table entry enables it; else ignored'),
  IGNORED_11: bit(11, 'RW', 'Ignored'),
  IGNORED_62_52: bits(62, 52, 'RW', 'Ignored'),
  XD: bit(63, 'RW', 'Execute disable, when the PASID-table entry enables it (ECAP.ERS); else ignored'),
};
const TABLE = {
  ...COMMON,
  IGNORED_6: bit(6, 'RW', 'Ignored'),
  IGNORED_9_8: bits(9, 8, 'RW', 'Ignored'),
  ADDR: TABLE_ADDRESS,
};
const LEAF = {
  ...COMMON,
  D: bit(6, 'RW', 'Dirty'),
  G: bit(8, 'RW', 'Global; acts as 0'),
  IGNORED_9: bit(9, 'RW', 'Ignored'),
};
const PAT_12 = bit(12, 'RW', 'Memory type');

export const FS_PML5E = layout('FS-PML5E', 64, 'VT-d 9.7', TABLE);
export const FS_PML4E = layout('FS-PML4E', 64, 'VT-d 9.7', TABLE);
export const FS_PDPE = layout('FS-PDPE', 64, 'VT-d 9.7', { ...TABLE, PS });
export const FS_PDPE_1G = layout('FS-PDPE (1 GiB page)', 64, 'VT-d 9.7', {
  ...LEAF,
  PS,
  PAT: PAT_12,
  ADDR: pageAddress(30),
});
export const FS_PDE = layout('FS-PDE', 64, 'VT-d 9.7', { ...TABLE, PS });
export const FS_PDE_2M = layout('FS-PDE (2 MiB page)', 64, 'VT-d 9.7', {
  ...LEAF,
  PS,
  PAT: PAT_12,
  ADDR: pageAddress(21),
});
export const FS_PTE = layout('FS-PTE', 64, 'VT-d 9.7', {
  ...LEAF,
  PAT: bit(7, 'RW', 'Memory type'),
  ADDR: pageAddress(12),
});

/** What an entry is called, by level. */
export const FIRST_STAGE_NAMES = ['', ...[FS_PTE, FS_PDE, FS_PDPE, FS_PML4E, FS_PML5E].map((of) => of.$.name)];

const LAYOUTS: RadixLayouts = {
  tables: [null, null, FS_PDE, FS_PDPE, FS_PML4E, FS_PML5E],
  leaves: [null, FS_PTE, FS_PDE_2M, FS_PDPE_1G, null, null],
  pageSize: FS_PDE.PS.mask,
};
const PS_MASK = LAYOUTS.pageSize;

export function isFirstStageLeaf(level: number, lo: number): boolean {
  return isRadixLeaf(PS_MASK, level, lo);
}

/** The layout that an entry with this low word has at `level`. */
export function firstStageLayout(level: number, lo: number): RadixEntry {
  return radixLayout(LAYOUTS, level, lo);
}

/** What decides which bits are reserved. */
export interface FirstStageRules {
  readonly hostAddressWidth: number;
  /** CAP.FS1GP. */
  readonly gigabytePages: boolean;
  /** XD may not be set: execute requests exist (ECAP.ERS), and the PASID-table entry does not enable it (NXE). */
  readonly reservesXd?: boolean;
}

/** Reserved bits of each kind of entry under given capabilities. */
export function firstStageReserved({ hostAddressWidth, gigabytePages, reservesXd }: FirstStageRules): ReservedMasks {
  return reservedMasks(LAYOUTS, hostAddressWidth, (level, isLeaf) => {
    const further: FieldSpec[] = reservesXd === true ? [COMMON.XD] : [];
    if (isLeaf && level === 3 && !gigabytePages) further.push(PS);
    return further;
  });
}

export interface X86Shape {
  readonly levels: 4 | 5;
  /** Levels above 1 at which leaves are accepted: 2 for 2 MiB, 3 for 1 GiB. */
  readonly superpages: readonly (2 | 3)[];
}

/** The format as software writes it: user pages, whose accessed and dirty flags hardware sets. */
export function x86Paging(shape: X86Shape): PageTableFormat {
  const { P, RW, US } = FS_PTE;
  const user = flag(P.spec, true) | flag(US.spec, true);
  return {
    name: `x86, ${shape.levels} levels`,
    levels: shape.levels,
    entryBytes: 8,
    leafLevels: [1, ...shape.superpages],
    empty: 0n,
    dirty: flag(FS_PTE.D.spec, true),
    indexOf: radixIndex,
    pageShift: radixShift,
    table: (_, address) => radixEntry(FS_PDE, address, user | flag(RW.spec, true)),
    leaf(level: number, address: number, { write }: Protection): bigint {
      return radixEntry(LAYOUTS.leaves[level]!, address, user | flag(RW.spec, write) | flag(PS, level > 1));
    },
    decode(level: number, entry: bigint): DecodedEntry {
      const words = splitWords(entry, 2);
      if (!P.isSet(words)) return { kind: 'empty' };
      const address = firstStageLayout(level, words[0]!).ADDR.address(words);
      if (!isFirstStageLeaf(level, words[0]!)) return { kind: 'table', address };
      return { kind: 'leaf', address, read: true, write: RW.isSet(words) };
    },
  };
}
