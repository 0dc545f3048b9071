/**
 * Intel VT-d second-stage paging entries (VT-d 9.8, 3.7): 3, 4 or 5 levels of 9 bits, 4 KiB, 2 MiB and 1 GiB pages.
 *
 * One layout per kind of entry. What no layout declares is reserved; the masks that both walkers test come from here.
 */
import { bit, bits, type FieldSpec, layout, splitWords } from '../bits/index.ts';
import { type DecodedEntry, type PageTableFormat, type Protection, radixIndex, radixShift } from './format.ts';
import {
  flag,
  isRadixLeaf,
  PAGE_SIZE_BIT as PS,
  pageAddress,
  type RadixEntry,
  type RadixLayouts,
  type ReservedMasks,
  radixEntry,
  radixLayout,
  reservedMasks,
  TABLE_ADDRESS,
} from './radix-entry.ts';

const RIGHTS = {
  R: bit(0, 'RW', 'Read permission; with W the test for presence'),
  W: bit(1, 'RW', 'Write permission'),
  X: bit(2, 'RW', 'Execute permission, when the PASID-table entry enables it (ECAP.ERS); else ignored'),
};
const ACCESSED = bit(8, 'RW', 'Accessed, when the PASID-table entry enables accessed and dirty bits; else ignored');
const SOFTWARE = bits(60, 52, 'RW', 'Ignored');
const IR = bit(61, 'RW', 'I/O read permission when SSIRWE is 1; else ignored');
const IW = bit(62, 'RW', 'I/O write permission when SSIRWE is 1; else reserved');
const IGNORED_63 = bit(63, 'RW', 'Ignored');

/** A leaf's fields except its frame. */
const LEAF = {
  ...RIGHTS,
  EMT: bits(5, 3, 'RW', 'Extended memory type'),
  IPAT: bit(6, 'RW', 'Ignore PAT'),
  A: ACCESSED,
  D: bit(9, 'RW', 'Dirty, when enabled; else ignored'),
  IGNORED_10: bit(10, 'RW', 'Ignored'),
  SNP: bit(11, 'RW', 'Snoop; reserved without snoop control'),
  IGNORED_60_52: SOFTWARE,
  IR,
  IW,
  IGNORED_63,
};
const TABLE = {
  ...RIGHTS,
  IGNORED_6_3: bits(6, 3, 'RW', 'Ignored'),
  A: ACCESSED,
  IGNORED_10_9: bits(10, 9, 'RW', 'Ignored'),
  ADDR: TABLE_ADDRESS,
  IGNORED_60_52: SOFTWARE,
  IR,
  IW,
  IGNORED_63,
};

export const SS_PML5E = layout('SS-PML5E', 64, 'VT-d 9.8', TABLE);
export const SS_PML4E = layout('SS-PML4E', 64, 'VT-d 9.8', TABLE);
export const SS_PDPE = layout('SS-PDPE', 64, 'VT-d 9.8', { ...TABLE, PS });
export const SS_PDPE_1G = layout('SS-PDPE (1 GiB page)', 64, 'VT-d 9.8', { ...LEAF, PS, ADDR: pageAddress(30) });
export const SS_PDE = layout('SS-PDE', 64, 'VT-d 9.8', { ...TABLE, PS });
export const SS_PDE_2M = layout('SS-PDE (2 MiB page)', 64, 'VT-d 9.8', { ...LEAF, PS, ADDR: pageAddress(21) });
export const SS_PTE = layout('SS-PTE', 64, 'VT-d 9.8', {
  ...LEAF,
  IGNORED_7: bit(7, 'RW', 'Ignored'),
  ADDR: pageAddress(12),
});

/** What an entry is called, by level. */
export const SECOND_STAGE_NAMES = ['', ...[SS_PTE, SS_PDE, SS_PDPE, SS_PML4E, SS_PML5E].map((of) => of.$.name)];

const LAYOUTS: RadixLayouts = {
  tables: [null, null, SS_PDE, SS_PDPE, SS_PML4E, SS_PML5E],
  leaves: [null, SS_PTE, SS_PDE_2M, SS_PDPE_1G, null, null],
  pageSize: SS_PDE.PS.mask,
};
const PS_MASK = LAYOUTS.pageSize;

export function isSecondStageLeaf(level: number, lo: number): boolean {
  return isRadixLeaf(PS_MASK, level, lo);
}

/** The layout that an entry with this low word has at `level`; for traces and inspection. */
export function secondStageLayout(level: number, lo: number): RadixEntry {
  return radixLayout(LAYOUTS, level, lo);
}

/** What decides which bits are reserved. */
export interface SecondStageRules {
  /** RTADDR.SSIRWE: the I/O rights in bits 61 and 62 count instead of R and W. */
  readonly ioRights?: boolean;
  /** Host address width in bits. */
  readonly hostAddressWidth: number;
  /** CAP.SSLPS: bit 0 allows 2 MiB, bit 1 allows 1 GiB pages. */
  readonly largePages: number;
  /** ECAP.SC. */
  readonly snoopControl: boolean;
}

/** Reserved bits of each kind of entry under given capabilities. */
export function secondStageReserved({
  hostAddressWidth,
  largePages,
  snoopControl,
  ioRights,
}: SecondStageRules): ReservedMasks {
  return reservedMasks(LAYOUTS, hostAddressWidth, (level, isLeaf) => {
    const further: FieldSpec[] = ioRights === true ? [] : [IW];
    if (isLeaf && !snoopControl) further.push(SS_PTE.SNP.spec);
    if (isLeaf && level > 1 && (largePages & (1 << (level - 2))) === 0) further.push(PS);
    return further;
  });
}

export interface SecondStageShape {
  readonly levels: 3 | 4 | 5;
  /** Levels above 1 at which the unit accepts leaves: 2 for 2 MiB, 3 for 1 GiB. */
  readonly superpages: readonly (2 | 3)[];
}

/** The format as software writes it. */
export function vtdSecondStage(shape: SecondStageShape): PageTableFormat {
  const { R, W, SNP } = SS_PTE;
  return {
    name: `VT-d second stage, ${shape.levels} levels`,
    levels: shape.levels,
    entryBytes: 8,
    leafLevels: [1, ...shape.superpages],
    empty: 0n,
    dirty: flag(SS_PTE.D.spec, true),
    indexOf: radixIndex,
    pageShift: radixShift,
    table: (_, address) => radixEntry(SS_PDE, address, flag(R.spec, true) | flag(W.spec, true)),
    leaf(level: number, address: number, { read, write, snoop }: Protection): bigint {
      const rights = flag(R.spec, read) | flag(W.spec, write) | flag(SNP.spec, snoop);
      return radixEntry(LAYOUTS.leaves[level]!, address, rights | flag(PS, level > 1));
    },
    decode(level: number, entry: bigint): DecodedEntry {
      const words = splitWords(entry, 2);
      const read = R.isSet(words);
      const write = W.isSet(words);
      if (!read && !write) return { kind: 'empty' };
      const address = secondStageLayout(level, words[0]!).ADDR.address(words);
      if (!isSecondStageLeaf(level, words[0]!)) return { kind: 'table', address };
      return { kind: 'leaf', address, read, write, snoop: SNP.isSet(words) };
    },
  };
}
