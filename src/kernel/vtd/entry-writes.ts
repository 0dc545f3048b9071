/**
 * How entries of several words come and go under the eyes of hardware, which may read one at any time, piece by piece:
 * the word with P, the first, is written last, and P alone is taken away first.
 */
import { joinHalves } from '../../../hardware/bits/index.ts';
import type { CpuMemory } from '../bus.ts';

const WORD_BYTES = 8;
/** P of every entry. */
const PRESENT = 1n;

/** Writes an entry that is not present. */
export function writeEntry(memory: CpuMemory, at: number, words: Uint32Array): void {
  for (let i = words.length / 2 - 1; i >= 0; i--) {
    memory.write64(at + i * WORD_BYTES, joinHalves(words[2 * i + 1]!, words[2 * i]!));
  }
}

export function isPresent(memory: CpuMemory, at: number): boolean {
  return (memory.read64(at) & PRESENT) !== 0n;
}

/** Changes flags beside P while hardware may be reading the entry. */
export function rewriteFirst(memory: CpuMemory, at: number, words: Uint32Array): void {
  memory.write64(at, joinHalves(words[1]!, words[0]!));
}

/** Takes P away and nothing else. */
export function blockEntry(memory: CpuMemory, at: number): void {
  memory.write64(at, memory.read64(at) & ~PRESENT);
}

/** Empties an entry that hardware has forgotten. */
export function eraseEntry(memory: CpuMemory, at: number, words: number): void {
  for (let i = 0; i < words / 2; i++) memory.write64(at + i * WORD_BYTES, 0n);
}
