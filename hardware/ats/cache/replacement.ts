/**
 * Which entry of a full set gives way. A hit costs the same under every policy: it stamps its entry with the time of its
 * last use, and what a policy makes of the stamps waits until an entry has to go.
 */
import * as entryWords from './iotlb-words.ts';

// Folded into the machine code, which imported constants are not.
const { ENTRY_WORDS, NEVER, USED } = entryWords;

/** `plru` is a tree of bits per set; it wants a power of two of ways. */
export const REPLACEMENT_POLICIES = ['lru', 'fifo', 'random', 'plru'] as const;
export type ReplacementPolicy = (typeof REPLACEMENT_POLICIES)[number];

/** One set-associative array. Not architectural. */
export interface SetsSpec {
  /** Number of sets, a power of two. */
  readonly sets: number;
  readonly ways: number;
  /** Which entry of a full set gives way; least recently used if not said. */
  readonly policy?: ReplacementPolicy | undefined;
}

/** A slot of a set's queue: the entry, and its stamp when it was put there. */
const SLOT_WORDS = 2;
/** Before the slots: where the next to go stands, as its complement when the queue has to be made anew. */
const HAND_WORDS = 1;

/** The words that a set's queue takes. */
const queueWords = ({ ways }: SetsSpec): number => HAND_WORDS + ways * SLOT_WORDS;

/** What an array takes of the words of its cache. */
export function wordsOf(spec: SetsSpec): { readonly entries: number; readonly queues: number } {
  return { entries: spec.sets * spec.ways * ENTRY_WORDS, queues: spec.sets * queueWords(spec) };
}

/**
 * The sets of an array whose entries are those of `words` from `first` on, and its queues those from `queues` on. Each set
 * has a queue: a ring of its entries with the next to go at the hand. Least recently used is first in, first out, but that
 * whoever was used since it was put there goes back to where that use belongs. With 8 ways that
 * makes 26 ns of the 39 in which an entry is entered when all stamps are compared.
 */
export class ReplacementSets {
  readonly spec: SetsSpec;
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #queues: number;
  readonly #queueWords: number;
  readonly #setMask: number;
  readonly #ways: number;
  /** The policy has a line; and nobody goes back in it. */
  readonly #lines: boolean;
  readonly #isFifo: boolean;
  readonly #dice = new Dice();

  constructor(spec: SetsSpec, words: Int32Array, first: number, queues: number) {
    const { sets, ways, policy = 'lru' } = spec;
    if (!(sets * ways > 0 && (sets & (sets - 1)) === 0)) {
      throw new RangeError(`an IOTLB of ${sets} sets and ${ways} ways: sets must be a power of two`);
    }
    this.spec = spec;
    this.#words = words;
    this.#first = first;
    this.#queues = queues;
    this.#queueWords = queueWords(spec);
    this.#setMask = sets - 1;
    this.#ways = ways;
    this.#lines = policy === 'lru' || policy === 'fifo';
    this.#isFifo = policy === 'fifo';
    this.renumbered();
  }

  /** The entry that gives way in the set of `index`: a free one before all others. It is used next, at time `stamp`. */
  victim(index: number, stamp: number): number {
    const set = index & this.#setMask;
    return this.#lines === true ? this.#nextInLine(set, stamp) : this.#chosen(set);
  }

  /** The entry is free. */
  freed(entry: number): void {
    this.#disorder(Math.floor((entry - this.#first) / (this.#ways * ENTRY_WORDS)));
  }

  /** All stamps were given anew. */
  renumbered(): void {
    for (let set = 0; set < this.spec.sets; set++) this.#disorder(set);
  }

  /** All entries are free, and random choices start over. */
  clear(): void {
    this.renumbered();
    this.#dice.reset();
  }

  #chosen(set: number): number {
    const first = this.#entry(set, 0);
    const end = first + this.#ways * ENTRY_WORDS;
    for (let i = first; i < end; i += ENTRY_WORDS) if (this.#words[i + USED] === NEVER) return i;
    if (this.spec.policy === 'random') return first + this.#dice.below(this.#ways) * ENTRY_WORDS;
    return treeVictim(this.#words, first, this.#ways);
  }

  #nextInLine(set: number, stamp: number): number {
    const words = this.#words;
    const queue = this.#queues + set * this.#queueWords;
    if (words[queue]! < 0) this.#order(set, queue);
    for (;;) {
      const at = words[queue]!;
      const entry = words[at]!;
      const used = words[entry + USED]!;
      words[queue] = at + SLOT_WORDS === queue + this.#queueWords ? queue + HAND_WORDS : at + SLOT_WORDS;
      if (used === words[at + 1] || this.#isFifo === true) {
        // Its slot is now the last in line.
        words[at + 1] = stamp;
        return entry;
      }
      this.#lineUp(queue, at, entry, used);
    }
  }

  /** Puts an entry, whose slot `free` has become the end of the line, behind all that were used before it. */
  #lineUp(queue: number, free: number, entry: number, used: number): void {
    const words = this.#words;
    const start = queue + HAND_WORDS;
    const last = queue + this.#queueWords - SLOT_WORDS;
    const head = words[queue]!;
    let at = free;
    while (at !== head) {
      const before = at === start ? last : at - SLOT_WORDS;
      if (words[before + 1]! <= used) break;
      words[at] = words[before]!;
      words[at + 1] = words[before + 1]!;
      at = before;
    }
    words[at] = entry;
    words[at + 1] = used;
  }

  /** The queue of a set has to be made anew. */
  #disorder(set: number): void {
    const queue = this.#queues + set * this.#queueWords;
    const hand = this.#words[queue]!;
    // 0 where there was no queue yet: no hand stands at the first of all words.
    if (hand >= 0) this.#words[queue] = ~(hand === 0 ? queue + HAND_WORDS : hand);
  }

  /** Makes the queue of a set: free entries, then the others by last use, or as they stood in line. */
  #order(set: number, queue: number): void {
    const words = this.#words;
    const start = queue + HAND_WORDS;
    const length = this.#ways * SLOT_WORDS;
    const hand = ~words[queue]!;
    const ages = new Map<number, number>();
    for (let k = 0; k < this.#ways; k++) {
      const entry = words[start + ((hand - start + k * SLOT_WORDS) % length)]!;
      ages.set(entry, k + 1);
    }
    const ageOf = (entry: number): number => {
      const used = words[entry + USED]! >>> 0;
      return used === NEVER || !this.#isFifo ? used : (ages.get(entry) ?? NEVER);
    };
    const entries = Array.from({ length: this.#ways }, (_, way) => this.#entry(set, way));
    entries.sort((a, b) => ageOf(a) - ageOf(b) || a - b);
    entries.forEach((entry, way) => {
      words[start + way * SLOT_WORDS] = entry;
      words[start + way * SLOT_WORDS + 1] = words[entry + USED]!;
    });
    words[queue] = start;
  }

  #entry(set: number, way: number): number {
    return this.#first + (set * this.#ways + way) * ENTRY_WORDS;
  }
}

/**
 * The victim that a tree of bits would name. Each bit of the tree points away from the half that was used last, which is
 * the half with the newer newest stamp.
 */
function treeVictim(words: Int32Array, first: number, ways: number): number {
  let low = 0;
  let high = ways;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    let newestLow = 0;
    let newestHigh = 0;
    for (let way = low; way < middle; way++) newestLow = Math.max(newestLow, words[first + way * ENTRY_WORDS + USED]!);
    for (let way = middle; way < high; way++) {
      newestHigh = Math.max(newestHigh, words[first + way * ENTRY_WORDS + USED]!);
    }
    if (newestLow <= newestHigh) high = middle;
    else low = middle;
  }
  return first + low * ENTRY_WORDS;
}

/** A small generator of its own, because a cache must not depend on who else draws numbers. */
class Dice {
  #state = SEED;

  below(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }

  reset(): void {
    this.#state = SEED;
  }
}

const SEED = 0x2545_f491;
