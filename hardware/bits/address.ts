/**
 * Addresses and page numbers.
 *
 * A physical address has at most 52 bits and is an exact `number`. An I/O virtual address may have 64 bits: where work
 * is done it is a page number (at most 52 bits, exact) and a 12-bit offset, or two int32 halves on the hot path; as a
 * whole it is a `bigint` at the edges (MMIO, uAPI, command line, tests).
 */

declare const kind: unique symbol;

/** Host physical address. */
export type Hpa = number & { readonly [kind]?: 'hpa' };
/** Guest physical address. */
export type Gpa = number & { readonly [kind]?: 'gpa' };
/** Number of a 4 KiB page: an address divided by 4096. */
export type PageNumber = number & { readonly [kind]?: 'page' };

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;

/** Largest physical address space that the models know. */
export const PHYSICAL_BITS = 52;

const TWO_32 = 2 ** 32;

/** The page of a 64-bit address. */
export function pageOf(address: bigint): PageNumber {
  return Number(BigInt.asUintN(64, address) >> 12n);
}

/** The address at `offset` within a page. */
export function addressOf(page: PageNumber, offset = 0): bigint {
  return (BigInt(page) << 12n) | BigInt(offset);
}

/** Upper half of a 64-bit address as an int32. */
export function highOf(address: bigint): number {
  return Number(BigInt.asIntN(32, address >> 32n));
}

/** Lower half of a 64-bit address as an int32. */
export function lowOf(address: bigint): number {
  return Number(BigInt.asIntN(32, address));
}

/** The 64-bit value of two int32 halves. */
export function joinHalves(hi: number, lo: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** Upper half of an exact number of at most 53 bits. */
export function highHalf(value: number): number {
  return Math.floor(value / TWO_32) | 0;
}

/** Lower half of an exact number of at most 53 bits. */
export function lowHalf(value: number): number {
  return value | 0;
}

/** The number of two halves; exact when they hold at most 53 significant bits. */
export function numberOf(hi: number, lo: number): number {
  return (hi >>> 0) * TWO_32 + (lo >>> 0);
}

/** Lower 32 bits of the number of the page in which the address with these halves lies; the upper ones are `hi >>> 12`. */
export function pageLow(hi: number, lo: number): number {
  return (lo >>> 12) | (hi << 20);
}

/** Hexadecimal with the `0x` prefix, for messages and traces. */
export function hex(value: number | bigint, digits = 0): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** The exponent of the smallest power of two that is not less than a whole number from 1 to 2^53. */
export function ceilingLog2(value: number): number {
  const order = floorLog2(value);
  return 2 ** order === value ? order : order + 1;
}

/** That of the largest power of two that is not greater than such a number. */
export function floorLog2(value: number): number {
  return value < 2 ** 32 ? 31 - Math.clz32(value) : 63 - Math.clz32(value / 2 ** 32);
}
