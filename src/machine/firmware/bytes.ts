/** Layouts as bytes in memory. */
import { type AnyLayout, encode, type Values } from '../../../hardware/bits/index.ts';

/** A structure's bytes, little endian. */
export function bytesOf<L extends AnyLayout>(of: L, values: Values<L>): number[] {
  return [...new Uint8Array(encode(of, values).buffer)];
}

/** What the byte at a checksum's place, now 0, has to become so that all of them sum up to 0. */
export function checksum(bytes: readonly number[]): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}
