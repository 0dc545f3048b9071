/** Structures that stand in memory without alignment. */
import { type AnyLayout, decode, wordsOf } from '../../../hardware/bits/index.ts';

/** The fields of a structure that begins at byte `at`. The bytes must be there. */
export function fieldsAt<L extends AnyLayout>(
  of: L,
  bytes: Uint8Array,
  at: number,
): Readonly<Record<Exclude<keyof L, '$'>, bigint>> {
  return decode(of, wordsOf(bytes.subarray(at), of.$.words)) as Readonly<Record<Exclude<keyof L, '$'>, bigint>>;
}

/** True when the bytes sum up to 0. */
export function isSound(bytes: Uint8Array): boolean {
  return (bytes.reduce((sum, byte) => sum + byte, 0) & 0xff) === 0;
}
