/**
 * A page-table format as a small object: what one entry means at one level. The algorithms exist once, above it: the
 * hardware walker, the kernel's mapper and the printer know formats only through this.
 *
 * Levels count from 1 (entries that map 4 KiB pages) upwards. Entries are 64-bit words.
 */
import type { Hpa, PageNumber } from '../bits/index.ts';

export interface Protection {
  readonly read: boolean;
  readonly write: boolean;
  /** Accesses through this page snoop the caches whatever the request says. */
  readonly snoop?: boolean;
}

export type DecodedEntry =
  | { readonly kind: 'empty' }
  | { readonly kind: 'table'; readonly address: Hpa }
  | ({ readonly kind: 'leaf'; readonly address: Hpa } & Protection);

export interface PageTableFormat {
  readonly name: string;
  /** Number of levels; the root table is at this level. */
  readonly levels: number;
  readonly entryBytes: 8;
  /** Levels at which an entry may map a page. */
  readonly leafLevels: readonly number[];
  readonly empty: bigint;
  /** The flag of a leaf by which hardware tells that it has written to the page. */
  readonly dirty: bigint;
  /** Which entry of a table at `level` serves `page`. */
  indexOf(page: PageNumber, level: number): number;
  /** log2 of the bytes that one entry at `level` covers. */
  pageShift(level: number): number;
  /** An entry at `level` that points to the next lower table and restricts nothing. */
  table(level: number, address: Hpa): bigint;
  leaf(level: number, address: Hpa, protection: Protection): bigint;
  decode(level: number, entry: bigint): DecodedEntry;
}

/** Every table of the x86 family has 512 entries. */
const BITS_PER_LEVEL = 9;
export const INDEX_BITS = BITS_PER_LEVEL;

export function radixIndex(page: PageNumber, level: number): number {
  return Math.floor(page / 2 ** (INDEX_BITS * (level - 1))) % 512;
}

export function radixShift(level: number): number {
  // The constant of this file, because V8 folds no exported ones.
  return 12 + BITS_PER_LEVEL * (level - 1);
}

/** The level whose entries cover 2^shift bytes. */
export function radixLevel(shift: number): number {
  return (shift - 12) / INDEX_BITS + 1;
}
