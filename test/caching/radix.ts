/** Addresses and table entries of radix tables of 512 entries per level, as software means them: without their bits. */

/** An entry of a paging table. What the rights stand for is the table format's. */
export interface Entry {
  readonly kind: 'none' | 'bad' | 'table' | 'leaf';
  readonly target: number;
  readonly rights: number;
}

export const NONE: Entry = { kind: 'none', target: 0, rights: 0 };
export const BAD: Entry = { kind: 'bad', target: 0, rights: 0 };

export const PAGE = 4096;

/** Where there is no memory: an entry that leads here makes the next read fail. */
export const HOLE = 0x6000_0000;
export const HOLE_BYTES = 0x1000_0000;
export const isHole = (address: number): boolean => address >= HOLE && address < HOLE + HOLE_BYTES;

export const shiftOf = (level: number): number => 12 + 9 * (level - 1);
export const sizeOf = (level: number): number => 2 ** shiftOf(level);
export const indexOf = (address: number, level: number): number => Math.floor(address / sizeOf(level)) % 512;
export const floorTo = (address: number, size: number): number => address - (address % size);

/** An aligned range of 2^order pages, by any address in it. */
export interface Range {
  readonly address: number;
  readonly order: number;
}

export function inRange({ address, order }: Range, page: number): boolean {
  const size = PAGE * 2 ** order;
  return floorTo(address, size) === floorTo(page, size);
}

/** Two ranges that are aligned to their sizes. */
export function overlaps({ address, order }: Range, base: number, size: number): boolean {
  const larger = Math.max(size, PAGE * 2 ** order);
  return floorTo(address, larger) === floorTo(base, larger);
}
