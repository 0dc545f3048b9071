/** Structures that stand in memory without alignment. */
import { type AnyLayout, decode } from '../../../hardware/bits/index.ts';

/** The fields of a structure that begins at byte `at`. The bytes must be there. */
export function fieldsAt<L extends AnyLayout>(
  of: L,
  bytes: Uint8Array,
  at: number,
): Readonly<Record<Exclude<keyof L, '$'>, bigint>> {
  const length = of.$.bits / 8;
  const words = new Uint32Array(of.$.words);
  new Uint8Array(words.buffer).set(bytes.subarray(at, at + length));
  return decode(of, words) as Readonly<Record<Exclude<keyof L, '$'>, bigint>>;
}

/** True when the bytes sum up to 0. */
export function isSound(bytes: Uint8Array): boolean {
  return (bytes.reduce((sum, byte) => sum + byte, 0) & 0xff) === 0;
}
