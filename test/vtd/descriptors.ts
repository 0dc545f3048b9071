/** Descriptors of the invalidation queue as two 64-bit words, with literal bit arithmetic (vtd.md section 5.2). */

export type Descriptor = readonly [lo: bigint, hi: bigint];

export const contextGlobal = (): Descriptor => [0x11n, 0n];
export const contextDomain = (did: number): Descriptor => [0x21n | (BigInt(did) << 16n), 0n];
export const contextDevice = (did: number, sid: number, fm = 0): Descriptor => [
  0x31n | (BigInt(did) << 16n) | (BigInt(sid) << 32n) | (BigInt(fm) << 48n),
  0n,
];
export const iotlbGlobal = (): Descriptor => [0x12n, 0n];
export const iotlbDomain = (did: number): Descriptor => [0x22n | (BigInt(did) << 16n), 0n];
/** `am`: 2^am pages. */
export const iotlbPages = (did: number, address: bigint, am = 0, ih = 0): Descriptor => [
  0x32n | (BigInt(did) << 16n),
  address | (BigInt(ih) << 6n) | BigInt(am),
];

export const IF = 0x10n;
export const SW = 0x20n;
export const FN = 0x40n;
export const wait = (flags: bigint, data = 0, address = 0n): Descriptor => [
  5n | flags | (BigInt(data) << 32n),
  address,
];
