/**
 * Intel VT-d second-stage paging entries (VT-d 9.8, 3.7): 3, 4 or 5 levels of 9 bits, 4 KiB, 2 MiB and 1 GiB pages.
 *
 * One layout per kind of entry. What no layout declares is reserved; the masks that both walkers test come from here.
 */
import { bit, bits, type Layout, layout, undeclared } from '../bits/index.ts';
import { type DecodedEntry, type PageTableFormat, type Protection, radixIndex, radixShift } from './format.ts';

const RIGHTS = {
  R: bit(0, 'RW', 'Read permission; with W the test for presence'),
  W: bit(1, 'RW', 'Write permission'),
  IGNORED_2: bit(2, 'RW', 'Ignored (execute permission before revision 4.1)'),
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
  ADDR: bits(51, 12, 'RW', 'Address of the next lower table; bits at and above the host address width are reserved'),
  IGNORED_60_52: SOFTWARE,
  IR,
  IW,
  IGNORED_63,
};
const frame = (lo: number) =>
  bits(51, lo, 'RW', 'Address of the page; bits at and above the host address width are reserved');
const PS = bit(7, 'RW', 'Page size: 1 makes this entry a leaf');

export const SS_PML5E = layout('SS-PML5E', 64, 'VT-d 9.8', TABLE);
export const SS_PML4E = layout('SS-PML4E', 64, 'VT-d 9.8', TABLE);
export const SS_PDPE = layout('SS-PDPE', 64, 'VT-d 9.8', { ...TABLE, PS });
export const SS_PDPE_1G = layout('SS-PDPE (1 GiB page)', 64, 'VT-d 9.8', { ...LEAF, PS, ADDR: frame(30) });
export const SS_PDE = layout('SS-PDE', 64, 'VT-d 9.8', { ...TABLE, PS });
export const SS_PDE_2M = layout('SS-PDE (2 MiB page)', 64, 'VT-d 9.8', { ...LEAF, PS, ADDR: frame(21) });
export const SS_PTE = layout('SS-PTE', 64, 'VT-d 9.8', {
  ...LEAF,
  IGNORED_7: bit(7, 'RW', 'Ignored'),
  ADDR: frame(12),
});

type EntryLayout = Layout<{ ADDR: (typeof TABLE)['ADDR'] }>;

/** Index: level. Level 1 has no table entries, levels 4 and 5 no leaves. */
const TABLE_LAYOUTS: readonly (EntryLayout | null)[] = [null, null, SS_PDE, SS_PDPE, SS_PML4E, SS_PML5E];
const LEAF_LAYOUTS: readonly (EntryLayout | null)[] = [null, SS_PTE, SS_PDE_2M, SS_PDPE_1G, null, null];

/** The layout that an entry with this low word has at `level`; for traces and inspection. */
export function secondStageLayout(level: number, lo: number): EntryLayout {
  return (isSecondStageLeaf(level, lo) ? LEAF_LAYOUTS[level] : TABLE_LAYOUTS[level]) ?? SS_PTE;
}

export const SS_READ = SS_PTE.R.mask;
export const SS_WRITE = SS_PTE.W.mask;
const PS_MASK = SS_PDE.PS.mask;

/** Level 1 entries are leaves; PS decides at levels 2 and 3; at levels 4 and 5 the bit is reserved. */
export function isSecondStageLeaf(level: number, lo: number): boolean {
  return level === 1 || (level <= 3 && (lo & PS_MASK) !== 0);
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

/** Reserved bits of each kind of entry under given capabilities; index `level` for tables, `8 + level` for leaves. */
export interface ReservedMasks {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
}

export const LEAF_MASKS = 8;

export function secondStageReserved(rules: SecondStageRules): ReservedMasks {
  const lo = new Int32Array(16);
  const hi = new Int32Array(16);
  const add = (index: number, of: EntryLayout, extra: readonly number[]): void => {
    const mask = undeclared(of);
    for (let n = rules.hostAddressWidth; n <= 51; n++) mask[n >>> 5]! |= 1 << (n & 31);
    for (const n of extra) mask[n >>> 5]! |= 1 << (n & 31);
    if (rules.ioRights !== true) mask[IW.lo >>> 5]! |= 1 << (IW.lo & 31);
    lo[index] = mask[0]!;
    hi[index] = mask[1]!;
  };
  TABLE_LAYOUTS.forEach((of, level) => {
    if (of !== null) add(level, of, []);
  });
  LEAF_LAYOUTS.forEach((of, level) => {
    if (of === null) return;
    const snoop = rules.snoopControl ? [] : [SS_PTE.SNP.spec.lo];
    const sizeAllowed = level === 1 || (rules.largePages & (1 << (level - 2))) !== 0;
    add(LEAF_MASKS + level, of, sizeAllowed ? snoop : [...snoop, PS.lo]);
  });
  return { lo, hi };
}

export interface SecondStageShape {
  readonly levels: 3 | 4 | 5;
  /** Levels above 1 at which the unit accepts leaves: 2 for 2 MiB, 3 for 1 GiB. */
  readonly superpages: readonly (2 | 3)[];
}

/** The format as software writes it. */
export function vtdSecondStage(shape: SecondStageShape): PageTableFormat {
  const word = (of: EntryLayout, address: number, flags: bigint): bigint => {
    const words = new Uint32Array(2);
    of.ADDR.setAddress(words, address);
    return BigInt(words[0]!) | (BigInt(words[1]!) << 32n) | flags;
  };
  const one = (n: number, on: boolean | undefined): bigint => (on === true ? 1n << BigInt(n) : 0n);
  const { R, W, SNP } = SS_PTE;
  return {
    name: `VT-d second stage, ${shape.levels} levels`,
    levels: shape.levels,
    entryBytes: 8,
    leafLevels: [1, ...shape.superpages],
    empty: 0n,
    indexOf: radixIndex,
    pageShift: radixShift,
    table: (address) => word(SS_PDE, address, one(R.spec.lo, true) | one(W.spec.lo, true)),
    leaf(level: number, address: number, { read, write, snoop }: Protection): bigint {
      const flags = one(R.spec.lo, read) | one(W.spec.lo, write) | one(SNP.spec.lo, snoop) | one(PS.lo, level > 1);
      return word(LEAF_LAYOUTS[level]!, address, flags);
    },
    decode(level: number, entry: bigint): DecodedEntry {
      const words = new Uint32Array([Number(entry & 0xffff_ffffn), Number(entry >> 32n)]);
      const read = R.isSet(words);
      const write = W.isSet(words);
      if (!read && !write) return { kind: 'empty' };
      const address = secondStageLayout(level, words[0]!).ADDR.address(words);
      if (!isSecondStageLeaf(level, words[0]!)) return { kind: 'table', address };
      return { kind: 'leaf', address, read, write, snoop: SNP.isSet(words) };
    },
  };
}
