/**
 * Which entry of a full set gives way. Every policy is read off two stamps that each entry has, so that a hit costs the
 * same under all of them: when it was last used, and when it was entered.
 */

/** `plru` is a tree of bits per set; it wants a power of two of ways. */
export const REPLACEMENT_POLICIES = ['lru', 'fifo', 'random', 'plru'] as const;
export type ReplacementPolicy = (typeof REPLACEMENT_POLICIES)[number];

/** The entries of one set: `ways` of them, `stride` words apart from `first` on, and where in each the stamp of its last use is. */
export interface SetOfEntries {
  readonly words: Int32Array;
  readonly first: number;
  readonly ways: number;
  readonly stride: number;
  readonly used: number;
}

/** The entry with the smallest stamp at `at`; without a branch that would have to be guessed. */
export function oldest(words: Int32Array, first: number, end: number, stride: number, at: number): number {
  let victim = first;
  let least = words[first + at]!;
  for (let i = first + stride; i < end; i += stride) {
    const stamp = words[i + at]!;
    victim += (i - victim) & ((stamp - least) >> 31);
    least = Math.min(least, stamp);
  }
  return victim;
}

/**
 * The victim that a tree of bits would name. Each bit of the tree points away from the half that was used last, which is
 * the half with the newer newest stamp.
 */
export function treeVictim({ words, first, ways, stride, used }: SetOfEntries): number {
  let low = 0;
  let high = ways;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    let newestLow = 0;
    let newestHigh = 0;
    for (let way = low; way < middle; way++) newestLow = Math.max(newestLow, words[first + way * stride + used]!);
    for (let way = middle; way < high; way++) newestHigh = Math.max(newestHigh, words[first + way * stride + used]!);
    if (newestLow <= newestHigh) high = middle;
    else low = middle;
  }
  return first + low * stride;
}

/** A small generator of its own, because a cache must not depend on who else draws numbers. */
export class Dice {
  #state = 0x2545_f491;

  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }

  reset(): void {
    this.#state = 0x2545_f491;
  }
}
