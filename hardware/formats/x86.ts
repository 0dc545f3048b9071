/**
 * x86-64 paging entries as IOMMUs read them: VT-d's first stage (VT-d 9.7, 3.6) and AMD's guest (v2) tables. 4 or 5
 * levels of 9 bits, 4 KiB, 2 MiB and 1 GiB pages.
 *
 * One layout per kind of entry. What no layout declares is reserved; the masks that the walkers test come from here.
 */
import { bit, bits, type Layout, layout, undeclared } from '../bits/index.ts';
import { type DecodedEntry, type PageTableFormat, type Protection, radixIndex, radixShift } from './format.ts';
import { LEAF_MASKS, type ReservedMasks } from './vtd-second-stage.ts';

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
  IGNORED_63: bit(63, 'RW', 'Ignored (execute disable before revision 4.1)'),
};
const TABLE = {
  ...COMMON,
  IGNORED_6: bit(6, 'RW', 'Ignored'),
  IGNORED_9_8: bits(9, 8, 'RW', 'Ignored'),
  ADDR: bits(51, 12, 'RW', 'Address of the next lower table; bits at and above the host address width are reserved'),
};
const LEAF = {
  ...COMMON,
  D: bit(6, 'RW', 'Dirty'),
  G: bit(8, 'RW', 'Global; acts as 0'),
  IGNORED_9: bit(9, 'RW', 'Ignored'),
};
const PS = bit(7, 'RW', 'Page size: 1 makes this entry a leaf');
const PAT_12 = bit(12, 'RW', 'Memory type');
const frame = (lo: number) =>
  bits(51, lo, 'RW', 'Address of the page; bits at and above the host address width are reserved');

export const FS_PML5E = layout('FS-PML5E', 64, 'VT-d 9.7', TABLE);
export const FS_PML4E = layout('FS-PML4E', 64, 'VT-d 9.7', TABLE);
export const FS_PDPE = layout('FS-PDPE', 64, 'VT-d 9.7', { ...TABLE, PS });
export const FS_PDPE_1G = layout('FS-PDPE (1 GiB page)', 64, 'VT-d 9.7', { ...LEAF, PS, PAT: PAT_12, ADDR: frame(30) });
export const FS_PDE = layout('FS-PDE', 64, 'VT-d 9.7', { ...TABLE, PS });
export const FS_PDE_2M = layout('FS-PDE (2 MiB page)', 64, 'VT-d 9.7', { ...LEAF, PS, PAT: PAT_12, ADDR: frame(21) });
export const FS_PTE = layout('FS-PTE', 64, 'VT-d 9.7', {
  ...LEAF,
  PAT: bit(7, 'RW', 'Memory type'),
  ADDR: frame(12),
});

type EntryLayout = Layout<{ ADDR: (typeof TABLE)['ADDR'] }>;

/** Index: level. Level 1 has no table entries, levels 4 and 5 no leaves. */
const TABLE_LAYOUTS: readonly (EntryLayout | null)[] = [null, null, FS_PDE, FS_PDPE, FS_PML4E, FS_PML5E];
const LEAF_LAYOUTS: readonly (EntryLayout | null)[] = [null, FS_PTE, FS_PDE_2M, FS_PDPE_1G, null, null];

const PS_MASK = FS_PDE.PS.mask;

/** Level 1 entries are leaves; PS decides at levels 2 and 3; at levels 4 and 5 the bit is reserved. */
export function isFirstStageLeaf(level: number, lo: number): boolean {
  return level === 1 || (level <= 3 && (lo & PS_MASK) !== 0);
}

/** The layout that an entry with this low word has at `level`. */
export function firstStageLayout(level: number, lo: number): EntryLayout {
  return (isFirstStageLeaf(level, lo) ? LEAF_LAYOUTS[level] : TABLE_LAYOUTS[level]) ?? FS_PTE;
}

/** What decides which bits are reserved. */
export interface FirstStageRules {
  readonly hostAddressWidth: number;
  /** CAP.FS1GP. */
  readonly gigabytePages: boolean;
}

/** Reserved bits of each kind of entry, indexed as those of the second stage. */
export function firstStageReserved(rules: FirstStageRules): ReservedMasks {
  const lo = new Int32Array(16);
  const hi = new Int32Array(16);
  const add = (index: number, of: EntryLayout, extra: readonly number[]): void => {
    const mask = undeclared(of);
    for (let n = rules.hostAddressWidth; n <= 51; n++) mask[n >>> 5]! |= 1 << (n & 31);
    for (const n of extra) mask[n >>> 5]! |= 1 << (n & 31);
    lo[index] = mask[0]!;
    hi[index] = mask[1]!;
  };
  TABLE_LAYOUTS.forEach((of, level) => {
    if (of !== null) add(level, of, []);
  });
  LEAF_LAYOUTS.forEach((of, level) => {
    if (of !== null) add(LEAF_MASKS + level, of, level === 3 && !rules.gigabytePages ? [PS.lo] : []);
  });
  return { lo, hi };
}

export interface X86Shape {
  readonly levels: 4 | 5;
  /** Levels above 1 at which leaves are accepted: 2 for 2 MiB, 3 for 1 GiB. */
  readonly superpages: readonly (2 | 3)[];
}

/** The format as software writes it: user pages, whose accessed and dirty flags hardware sets. */
export function x86Paging(shape: X86Shape): PageTableFormat {
  const { P, RW, US } = FS_PTE;
  const one = (n: number, on: boolean): bigint => (on ? 1n << BigInt(n) : 0n);
  const word = (of: EntryLayout, address: number, flags: bigint): bigint => {
    const words = new Uint32Array(2);
    of.ADDR.setAddress(words, address);
    return BigInt(words[0]!) | (BigInt(words[1]!) << 32n) | flags | one(P.spec.lo, true) | one(US.spec.lo, true);
  };
  return {
    name: `x86, ${shape.levels} levels`,
    levels: shape.levels,
    entryBytes: 8,
    leafLevels: [1, ...shape.superpages],
    empty: 0n,
    indexOf: radixIndex,
    pageShift: radixShift,
    table: (address) => word(FS_PDE, address, one(RW.spec.lo, true)),
    leaf(level: number, address: number, { write }: Protection): bigint {
      return word(LEAF_LAYOUTS[level]!, address, one(RW.spec.lo, write) | one(PS.lo, level > 1));
    },
    decode(level: number, entry: bigint): DecodedEntry {
      const words = new Uint32Array([Number(entry & 0xffff_ffffn), Number(entry >> 32n)]);
      if (!P.isSet(words)) return { kind: 'empty' };
      const address = firstStageLayout(level, words[0]!).ADDR.address(words);
      if (!isFirstStageLeaf(level, words[0]!)) return { kind: 'table', address };
      return { kind: 'leaf', address, read: true, write: RW.isSet(words) };
    },
  };
}
