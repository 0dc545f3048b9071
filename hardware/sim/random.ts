/**
 * Seeded randomness: the same seed gives the same numbers on every host.
 *
 * Surface: `Random` (`next`, `below`, `between`, `chance`, `pick`, `shuffle`, `fork`, `state`) and `Weights` (a table of
 * integer weights to sample from, Zipf's among them). The generator is Chris Doty-Humphrey's sfc32, seeded as in PractRand.
 */

const WORD = 2 ** 32;
const SAFE = 2 ** 53;

/** Everything a generator is, as plain JSON: two words of seed, then the four that change. */
export type RandomState = readonly [number, number, number, number, number, number];

export class Random {
  #seedLow: number;
  #seedHigh: number;
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 0;

  /** `seed` is a whole number from 0 to 2^53 − 1. */
  constructor(seed: number) {
    if (!(seed >= 0 && seed < SAFE && Math.floor(seed) === seed)) {
      throw new RangeError(`seed ${seed}: a whole number from 0 to 2^53 − 1 is accepted`);
    }
    this.#seedLow = seed % WORD;
    this.#seedHigh = Math.floor(seed / WORD);
    this.#start();
  }

  /** A whole number from 0 to 2^32 − 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to `n` − 1, each as likely as any other. `n` is a whole number from 1 to 2^53. */
  below(n: number): number {
    if (!(n >= 1 && n <= SAFE && Math.floor(n) === n)) {
      throw new RangeError(`below(${n}): a whole number from 1 to 2^53 is accepted`);
    }
    const range = n <= WORD ? WORD : SAFE;
    // What lies beyond the last whole multiple of n would favour the small numbers: draw again.
    const fair = range - (range % n);
    for (;;) {
      const drawn = n <= WORD ? this.next() : (this.next() >>> 11) * WORD + this.next();
      if (drawn < fair) return drawn % n;
    }
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True in `numerator` out of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  /** One of the elements. Throws if there is none. */
  pick<T>(array: readonly T[]): T {
    if (array.length === 0) throw new RangeError('cannot pick from an empty array');
    return array[this.below(array.length)] as T;
  }

  /** Puts the array itself into a random order, and returns it. */
  shuffle<T>(array: T[]): T[] {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const moved = array[i] as T;
      array[i] = array[j] as T;
      array[j] = moved;
    }
    return array;
  }

  /** A generator of its own, given by this one's seed and the label alone: not by what either has drawn, nor by other forks. */
  fork(label: string): Random {
    // FNV-1a over the label, once from each half of the seed; sfc32's own seeding mixes the rest.
    let low = this.#seedLow ^ 0x811c9dc5;
    let high = this.#seedHigh ^ 0x9747b28c;
    for (let i = 0; i < label.length; i++) {
      low = Math.imul(low ^ label.charCodeAt(i), 0x01000193);
      high = Math.imul(high ^ label.charCodeAt(i), 0x85ebca6b) ^ (low >>> 15);
    }
    const fork = new Random(0);
    fork.#seedLow = low >>> 0;
    fork.#seedHigh = high >>> 0;
    fork.#start();
    return fork;
  }

  /** Where it stands; assign it to go back there. */
  get state(): RandomState {
    return [this.#seedLow, this.#seedHigh, this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#counter >>> 0];
  }

  set state([seedLow, seedHigh, a, b, c, counter]: RandomState) {
    this.#seedLow = seedLow;
    this.#seedHigh = seedHigh;
    this.#a = a | 0;
    this.#b = b | 0;
    this.#c = c | 0;
    this.#counter = counter | 0;
  }

  #start(): void {
    this.#a = 0;
    this.#b = this.#seedLow | 0;
    this.#c = this.#seedHigh | 0;
    this.#counter = 1;
    for (let i = 0; i < 12; i++) this.next();
  }
}

/** A discrete distribution: position `i` is drawn in proportion to the `i`-th weight. */
export class Weights {
  /** Sum of the weights up to and including each position. */
  readonly #sums: Float64Array;

  /** Weights are whole numbers, zero or more, and not all zero; their sum is at most 2^53. */
  constructor(weights: readonly number[]) {
    this.#sums = new Float64Array(weights.length);
    let sum = 0;
    weights.forEach((weight, position) => {
      sum += weight;
      if (!(weight >= 0 && sum <= SAFE && Math.floor(weight) === weight)) {
        throw new RangeError(
          `weight ${weight} at position ${position}: whole numbers with a sum up to 2^53 are accepted`,
        );
      }
      this.#sums[position] = sum;
    });
    if (sum === 0) throw new RangeError('a table of weights needs one that is not zero');
  }

  /** Zipf's law over `n` positions: position i has a weight of about (i + 1)^−exponent. The exponent counts in steps of 1/1024. */
  static zipf(n: number, exponent: number): Weights {
    if (!(n >= 1 && Math.floor(n) === n && exponent >= 0)) {
      throw new RangeError(
        `zipf(${n}, ${exponent}): a whole number of positions and an exponent from 0 upward are accepted`,
      );
    }
    // 2^53 / n leaves room for n weights.
    const top = Math.floor(SAFE / n);
    const weights = Array.from({ length: n }, (_, i) => Math.floor(top / power(i + 1, exponent)));
    return new Weights(weights.map((weight) => (weight === 0 ? 1 : weight)));
  }

  /** A position. */
  draw(random: Random): number {
    const sums = this.#sums;
    const drawn = random.below(sums[sums.length - 1]!);
    let first = 0;
    let last = sums.length - 1;
    while (first < last) {
      const middle = (first + last) >> 1;
      if (sums[middle]! > drawn) last = middle;
      else first = middle + 1;
    }
    return first;
  }
}

/** base^exponent by multiplications and square roots alone, which every engine rounds alike; powers they do not. */
function power(base: number, exponent: number): number {
  let result = 1;
  let whole = Math.floor(exponent);
  for (; whole > 0; whole--) result *= base;
  let fraction = exponent - Math.floor(exponent);
  let root = base;
  for (let bit = 0; bit < 10; bit++) {
    root = Math.sqrt(root);
    fraction *= 2;
    if (fraction >= 1) {
      result *= root;
      fraction -= 1;
    }
  }
  return result;
}
