/** Layouts as bytes in memory. */
import { type AnyLayout, encode, type Values } from '../../../hardware/bits/index.ts';

/** A structure's bytes, little endian. */
export function bytesOf<L extends AnyLayout>(of: L, values: Values<L>): number[] {
  return [...new Uint8Array(encode(of, values).buffer)];
}

/**
 * The same, but a RangeError for a value that its field cannot hold: `encode` drops the bits above, and a table that says
 * something else than was asked for is refused.
 */
export function exactBytesOf<L extends AnyLayout>(of: L, values: Values<L>): number[] {
  for (const { name, width } of of.$.fields) {
    const value = BigInt((values as Readonly<Record<string, number | bigint | undefined>>)[name] ?? 0);
    if (value < 0n || value >> BigInt(width) !== 0n) {
      throw new RangeError(`${of.$.name}.${name}: ${value} does not fit in ${width} bits`);
    }
  }
  return bytesOf(of, values);
}

/** What the byte at a checksum's place, now 0, has to become so that all of them sum up to 0. */
export function checksum(bytes: readonly number[]): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}
