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

/**
 * The sets of an array whose entries are those of `words` from `first` on. Each set has a queue: a ring of its entries with
 * the next to go at the hand. Least recently used is first in, first out, but that whoever was used since it was put
 * there goes back to where that use belongs. With 8 ways that
 * makes 26 ns of the 39 in which an entry is entered when all stamps are compared.
 */
export class ReplacementSets {
  readonly spec: SetsSpec;
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #setMask: number;
  readonly #ways: number;
  readonly #policy: ReplacementPolicy;
  readonly #queues: Int32Array;
  readonly #hands: Int32Array;
  /** 1 for a set whose queue has to be made anew, because stamps became smaller. */
  readonly #disordered: Uint8Array;
  readonly #dice = new Dice();

  constructor(spec: SetsSpec, words: Int32Array, first: number) {
    const { sets, ways, policy } = spec;
    if (!(sets * ways > 0 && (sets & (sets - 1)) === 0)) {
      throw new RangeError(`an IOTLB of ${sets} sets and ${ways} ways: sets must be a power of two`);
    }
    this.spec = spec;
    this.#words = words;
    this.#first = first;
    this.#setMask = sets - 1;
    this.#ways = ways;
    this.#policy = policy ?? 'lru';
    this.#queues = new Int32Array(sets * ways * SLOT_WORDS);
    this.#hands = new Int32Array(sets);
    this.#disordered = new Uint8Array(sets).fill(1);
  }

  /** The entry that gives way in the set of `index`: a free one before all others. It is used next, at time `stamp`. */
  victim(index: number, stamp: number): number {
    const set = index & this.#setMask;
    const policy = this.#policy;
    if (policy === 'lru' || policy === 'fifo') return this.#nextInQueue(set, stamp);
    const first = this.#entry(set, 0);
    const end = first + this.#ways * ENTRY_WORDS;
    for (let i = first; i < end; i += ENTRY_WORDS) if (this.#words[i + USED] === NEVER) return i;
    if (policy === 'random') return first + this.#dice.below(this.#ways) * ENTRY_WORDS;
    return treeVictim(this.#words, first, this.#ways);
  }

  /** The entry is free. */
  freed(entry: number): void {
    this.#disordered[Math.floor((entry - this.#first) / (this.#ways * ENTRY_WORDS))] = 1;
  }

  /** All stamps were given anew. */
  renumbered(): void {
    this.#disordered.fill(1);
  }

  /** All entries are free, and random choices start over. */
  clear(): void {
    this.#disordered.fill(1);
    this.#dice.reset();
  }

  #nextInQueue(set: number, stamp: number): number {
    if (this.#disordered[set] !== 0) this.#order(set);
    const queues = this.#queues;
    const start = set * this.#ways * SLOT_WORDS;
    const last = start + (this.#ways - 1) * SLOT_WORDS;
    for (;;) {
      const at = this.#hands[set]!;
      const entry = queues[at]!;
      const used = this.#words[entry + USED]!;
      this.#hands[set] = at === last ? start : at + SLOT_WORDS;
      if (used === queues[at + 1] || this.#policy === 'fifo') {
        // Its slot is now the last in line.
        queues[at + 1] = stamp;
        return entry;
      }
      this.#lineUp(set, at, entry, used);
    }
  }

  /** Puts an entry, whose slot `free` has become the end of the line, behind all that were used before it. */
  #lineUp(set: number, free: number, entry: number, used: number): void {
    const queues = this.#queues;
    const start = set * this.#ways * SLOT_WORDS;
    const last = start + (this.#ways - 1) * SLOT_WORDS;
    const head = this.#hands[set]!;
    let at = free;
    while (at !== head) {
      const before = at === start ? last : at - SLOT_WORDS;
      if (queues[before + 1]! <= used) break;
      queues[at] = queues[before]!;
      queues[at + 1] = queues[before + 1]!;
      at = before;
    }
    queues[at] = entry;
    queues[at + 1] = used;
  }

  /** Makes the queue of a set: free entries, then the others by last use, or as they stood in line. */
  #order(set: number): void {
    const queues = this.#queues;
    const length = this.#ways * SLOT_WORDS;
    const start = set * length;
    const ages = new Map<number, number>();
    for (let k = 0; k < this.#ways; k++) {
      const entry = queues[start + ((this.#hands[set]! - start + k * SLOT_WORDS) % length)]!;
      ages.set(entry, k + 1);
    }
    const ageOf = (entry: number): number => {
      const used = this.#words[entry + USED]! >>> 0;
      return used === NEVER || this.#policy === 'lru' ? used : (ages.get(entry) ?? NEVER);
    };
    const entries = Array.from({ length: this.#ways }, (_, way) => this.#entry(set, way));
    entries.sort((a, b) => ageOf(a) - ageOf(b) || a - b);
    entries.forEach((entry, way) => {
      queues[start + way * SLOT_WORDS] = entry;
      queues[start + way * SLOT_WORDS + 1] = this.#words[entry + USED]!;
    });
    this.#hands[set] = start;
    this.#disordered[set] = 0;
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
