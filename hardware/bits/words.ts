/** Structures as they stand in memory, little-endian, and as words. */
import type { Words } from './layout.ts';

/** The first `count` words of `bytes`; bytes that are missing at the end count as 0. */
export function wordsOf(bytes: Uint8Array, count = Math.ceil(bytes.length / 4)): Uint32Array {
  const words = new Uint32Array(count);
  const present = Math.min(bytes.length, count * 4);
  for (let i = 0; i < present; i++) words[i >> 2]! |= bytes[i]! << ((i & 3) * 8);
  return words;
}

/** `count` words from `at` on as one number, the first word lowest. */
export function joinWords(words: Words, at = 0, count = words.length - at): bigint {
  let value = 0n;
  for (let i = count - 1; i >= 0; i--) value = (value << 32n) | BigInt(words[at + i]! >>> 0);
  return value;
}

/** The words of a number, the lowest first: as many as it needs, and at least `count`. */
export function splitWords(value: bigint, count = 1): Uint32Array {
  const needed = Math.max(count, Math.ceil(value.toString(16).length / 8));
  return Uint32Array.from({ length: needed }, (_, i) => Number(BigInt.asUintN(32, value >> BigInt(32 * i))));
}

/** The bytes of words as they stand in memory. */
export function bytesOf(words: Words): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(i * 4, word, true);
  });
  return bytes;
}

/** The little-endian word of four bytes at `at`, as an unsigned number. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
