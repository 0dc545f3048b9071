/**
 * AMD-Vi host (v1) page tables: up to 6 levels of 9 bits. An entry says by its NextLevel what it is: a table at that level,
 * which may skip levels, a page of the level's own size (0), or a page whose size its address encodes (7).
 *
 * The sources of each row are those of the layouts; AMD's document was not at hand.
 */
import { bit, bits, field, flag as flagField, layout, splitWords, undeclared } from '../bits/index.ts';
import { type DecodedEntry, type PageTableFormat, type Protection, radixIndex, radixShift } from './format.ts';
import { entryOffset, flag, radixEntry } from './radix-entry.ts';

const RIGHTS = {
  PR: bit(0, 'RW', 'Present'),
  IR: bit(61, 'RW', 'Read permission'),
  IW: bit(62, 'RW', 'Write permission'),
};

/** PTE.NextLevel and PDE.NextLevel. */
export const NextLevel = { PAGE: 0, SIZED_PAGE: 7 } as const;

export const V1_PDE = layout('host PDE', 64, 'AMD-Vi (VB OV L72)', {
  ...RIGHTS,
  IGNORED_4_1: field(4, 1, 'Ignored'),
  A: flagField(5, 'Accessed'),
  IGNORED_8_6: field(8, 6, 'Ignored'),
  NextLevel: field(11, 9, 'Level of the next table, 1 to 6, below this one', NextLevel),
  NextTable: bits(51, 12, 'RW', 'Address of the next table'),
  IGNORED_63: flagField(63, 'Ignored'),
});

export const V1_PTE = layout('host PTE', 64, 'AMD-Vi (VB OV L72)', {
  ...RIGHTS,
  IGNORED_4_1: field(4, 1, 'Ignored'),
  A: flagField(5, 'Accessed'),
  D: flagField(6, 'Dirty'),
  IGNORED_8_7: field(8, 7, 'Ignored'),
  NextLevel: field(11, 9, '0 a page of the level, 7 a page whose size the address encodes', NextLevel),
  PageAddress: bits(51, 12, 'RW', 'Address of the page; with NextLevel 7 its low bits encode the size'),
  // VirtualBox calls these bits reserved; QEMU translates whatever they hold, newer revisions use two of them, and both
  // readings of the recorded cases ignore them.
  IGNORED_58_52: field(58, 52, 'Ignored'),
  U: flagField(59, 'Untranslated requests only: a device-TLB must not keep it'),
  FC: flagField(60, 'Force coherent: accesses to the page snoop'),
  IGNORED_63: flagField(63, 'Ignored'),
});

/** The deepest table; its index has 7 bits, and a page cannot be as large as one of its entries. */
export const V1_LEVELS = 6;

/** Undeclared bits are reserved: low and high half, by whether the entry is a leaf. */
export const V1_RESERVED = { table: undeclared(V1_PDE), leaf: undeclared(V1_PTE) } as const;

/** Byte offset of the entry for an address in its table at `level`, with the address as halves. */
export function v1Offset(level: number, hi: number, lo: number): number {
  return level < V1_LEVELS ? entryOffset(level, hi, lo) : (hi >>> 22) & 0x3f8;
}

/** Width of the addresses that a table at `level` covers. */
export function v1AddressBits(level: number): number {
  return Math.min(64, 12 + 9 * level);
}

/** True when a table at `level` does not cover the address with these halves. */
export function v1Exceeds(level: number, hi: number, lo: number): boolean {
  const bits = v1AddressBits(level);
  if (bits < 32) return hi !== 0 || lo >>> bits !== 0;
  return bits < 64 && hi >>> (bits - 32) !== 0;
}

/** True when the address bits between the tables of `level` and of the lower `next` are not all 0. */
export function v1SkipsBits(level: number, next: number, hi: number, lo: number): boolean {
  const [low, high] = [radixShift(next + 1), radixShift(level)];
  for (let n = low; n < high; n++) if (((n < 32 ? lo >>> n : hi >>> (n - 32)) & 1) !== 0) return true;
  return false;
}

/**
 * log2 of the page size that an address with these halves encodes: its lowest 0 bit from bit 12 on is half the size. 0
 * for an address of `width` bits that encodes none.
 */
export function encodedShift(hi: number, lo: number, width = 52): number {
  for (let n = 12; n < width; n++) if (((n < 32 ? lo >>> n : hi >>> (n - 32)) & 1) === 0) return n + 1;
  return 0;
}

/** The sizes that a leaf at `level` may encode: above its own, below the next level's. */
export function isSizeOf(level: number, shift: number): boolean {
  return level < V1_LEVELS && shift > radixShift(level) && shift < radixShift(level + 1);
}

/** log2 of the bytes of a leaf at `level` with `next` and the address in these halves; 0 when it is none that the level may have. */
export function pageShift(level: number, next: number, hi: number, lo: number): number {
  if (next === NextLevel.PAGE) return level < V1_LEVELS ? radixShift(level) : 0;
  const shift = encodedShift(hi, lo);
  return isSizeOf(level, shift) ? shift : 0;
}

export interface AmdV1Shape {
  /** DTE.Mode: 1 to 6. */
  readonly levels: number;
}

const TABLE = { ADDR: V1_PDE.NextTable };
const LEAF = { ADDR: V1_PTE.PageAddress };

/** The format as software writes it: permissions in the leaves alone, coherent pages, no level skipped. */
export function amdV1({ levels }: AmdV1Shape): PageTableFormat {
  const { PR, IR, IW } = V1_PTE;
  const open = flag(PR.spec, true) | flag(IR.spec, true) | flag(IW.spec, true);
  return {
    name: `AMD-Vi host, ${levels} levels`,
    levels,
    entryBytes: 8,
    // A page of 512 GiB does not work in hardware, and no software uses it.
    leafLevels: [1, 2, 3].filter((level) => level <= levels),
    empty: 0n,
    dirty: flag(V1_PTE.D.spec, true),
    indexOf: radixIndex,
    pageShift: radixShift,
    table: (level, address) =>
      radixEntry(TABLE, address, open | (BigInt(level - 1) << BigInt(V1_PDE.NextLevel.spec.lo))),
    leaf(_level: number, address: number, { read, write, snoop }: Protection): bigint {
      const rights = flag(PR.spec, true) | flag(IR.spec, read) | flag(IW.spec, write);
      return radixEntry(LEAF, address, rights | flag(V1_PTE.FC.spec, snoop));
    },
    decode(_level: number, entry: bigint): DecodedEntry {
      const words = splitWords(entry, 2);
      if (!PR.isSet(words)) return { kind: 'empty' };
      const next = V1_PTE.NextLevel.get(words);
      if (next !== NextLevel.PAGE && next !== NextLevel.SIZED_PAGE) {
        return { kind: 'table', address: V1_PDE.NextTable.address(words) };
      }
      const address = V1_PTE.PageAddress.address(words);
      return { kind: 'leaf', address, read: IR.isSet(words), write: IW.isSet(words), snoop: V1_PTE.FC.isSet(words) };
    },
  };
}
