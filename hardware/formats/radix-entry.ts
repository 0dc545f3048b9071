/**
 * What Intel's two kinds of paging entries have in common: 9 bits per level, the page-size bit at levels 2 and 3, one
 * layout per level and kind. What no layout declares is reserved; the masks that all walkers test come from here.
 */
import { bit, bits, type Field, type FieldSpec, joinHalves, type Layout, undeclared } from '../bits/index.ts';
import { radixShift } from './format.ts';

export const PAGE_SIZE_BIT = bit(7, 'RW', 'Page size: 1 makes this entry a leaf');

export const TABLE_ADDRESS = bits(
  51,
  12,
  'RW',
  'Address of the next lower table; bits at and above the host address width are reserved',
);

/** Address of a page whose first bit is `lo`. */
export const pageAddress = (lo: number): FieldSpec =>
  bits(51, lo, 'RW', 'Address of the page; bits at and above the host address width are reserved');

export type RadixEntry = Layout<{ readonly ADDR: FieldSpec }>;

/** Index: level. Level 1 has no table entries, levels 4 and 5 no leaves. */
export interface RadixLayouts {
  readonly tables: readonly (RadixEntry | null)[];
  readonly leaves: readonly (RadixEntry | null)[];
  /** Mask of PS in the low word. */
  readonly pageSize: number;
}

/** Level 1 entries are leaves; PS decides at levels 2 and 3; at levels 4 and 5 the bit is reserved. */
export function isRadixLeaf(pageSize: number, level: number, lo: number): boolean {
  return level === 1 || (level <= 3 && (lo & pageSize) !== 0);
}

/** The layout that an entry with this low word has at `level`. */
export function radixLayout({ tables, leaves, pageSize }: RadixLayouts, level: number, lo: number): RadixEntry {
  return ((isRadixLeaf(pageSize, level, lo) ? leaves : tables)[level] ?? leaves[1])!;
}

/** Reserved bits of each kind of entry under given capabilities; index `level` for tables, `8 + level` for leaves. */
export interface ReservedMasks {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
}

export const LEAF_MASKS = 8;
const LEAF_LEVELS = [1, 2, 3];

/**
 * The masks for a hot path. What is reserved at any level is one pair for all entries that lead to tables: with the
 * page-size bit in it, an entry that meets none of it is one. Those of a page stand at its shift, the high half behind
 * the low one; where no page can be, every bit is reserved.
 */
export interface QuickMasks {
  readonly tableLo: number;
  readonly tableHi: number;
  readonly leaves: Int32Array;
}

export function quickMasks({ lo, hi }: ReservedMasks): QuickMasks {
  const leaves = new Int32Array(64).fill(-1);
  for (const level of LEAF_LEVELS) {
    leaves[radixShift(level)] = lo[LEAF_MASKS + level]!;
    leaves[radixShift(level) + 1] = hi[LEAF_MASKS + level]!;
  }
  const ofTables = (masks: Int32Array): number => masks.subarray(0, LEAF_MASKS).reduce((all, mask) => all | mask, 0);
  return { tableLo: ofTables(lo) | (1 << PAGE_SIZE_BIT.lo), tableHi: ofTables(hi), leaves };
}

/** `further` names the bits that are reserved beside those that no layout declares and those beyond the host's addresses. */
export function reservedMasks(
  { tables, leaves }: RadixLayouts,
  hostAddressWidth: number,
  further: (level: number, isLeaf: boolean) => readonly FieldSpec[],
): ReservedMasks {
  const lo = new Int32Array(16);
  const hi = new Int32Array(16);
  const add = (of: RadixEntry | null, level: number, isLeaf: boolean): void => {
    if (of === null) return;
    const mask = undeclared(of);
    const reserve = (first: number, last: number): void => {
      for (let n = first; n <= last; n++) mask[n >>> 5]! |= 1 << (n & 31);
    };
    reserve(hostAddressWidth, TABLE_ADDRESS.hi);
    for (const field of further(level, isLeaf)) reserve(field.lo, field.hi);
    const kind = isLeaf ? LEAF_MASKS + level : level;
    lo[kind] = mask[0]!;
    hi[kind] = mask[1]!;
  };
  tables.forEach((of, level) => {
    add(of, level, false);
  });
  leaves.forEach((of, level) => {
    add(of, level, true);
  });
  return { lo, hi };
}

/** True when an entry with these halves has a reserved bit set. */
export function hasReserved(
  masks: ReservedMasks,
  level: number,
  isLeaf: boolean,
  entryLo: number,
  entryHi: number,
): boolean {
  const { lo, hi } = masks;
  const kind = isLeaf ? LEAF_MASKS + level : level;
  return ((entryLo & lo[kind]!) | (entryHi & hi[kind]!)) !== 0;
}

/** An entry with this address and these flags. */
export function radixEntry(of: { readonly ADDR: Field }, address: number, flags: bigint): bigint {
  const words = new Uint32Array(2);
  of.ADDR.setAddress(words, address);
  return joinHalves(words[1]!, words[0]!) | flags;
}

/** The flag in its place when it is on. */
export function flag({ lo }: FieldSpec, on: boolean | undefined): bigint {
  return on === true ? 1n << BigInt(lo) : 0n;
}

/** Byte offset of the entry for an address in its table at `level`, with the address as halves. */
export function entryOffset(level: number, hi: number, lo: number): number {
  switch (level) {
    case 1:
      return (lo >>> 9) & 0xff8;
    case 2:
      return (lo >>> 18) & 0xff8;
    case 3:
      return ((lo >>> 27) | (hi << 5)) & 0xff8;
    case 4:
      return (hi >>> 4) & 0xff8;
    default:
      return (hi >>> 13) & 0xff8;
  }
}

/**
 * As `entryOffset`, in words, for the level whose entries translate `2^shift` bytes; the index has 9 bits, or what is left.
 * Either way is masked by itself: what might have 32 bits without a sign, V8 would make a number with a fraction.
 */
export const entryWord = (shift: number, hi: number, lo: number): number =>
  shift > 32 ? (hi >>> (shift - 33)) & 0x3fe : ((lo >>> (shift - 1)) | (hi << (33 - shift))) & 0x3fe;

/** True when the bits of an address above the width of 4 or 5 levels repeat its highest bit. */
export function isCanonical(levels: number, hi: number): boolean {
  const sign = levels === 5 ? hi >> 24 : hi >> 15;
  return sign === 0 || sign === -1;
}
