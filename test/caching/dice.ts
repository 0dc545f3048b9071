/** Random choices that a seed fixes. */
export class Dice {
  #state: number;
  #free: number;

  /** After `free` choices every further one is the first of what there is: so a failing sequence becomes plainer. */
  constructor(seed: number, free = Number.POSITIVE_INFINITY) {
    this.#state = seed >>> 0;
    this.#free = free;
  }

  /** 0 to n - 1 (mulberry32). */
  below(n: number): number {
    if (this.#free-- <= 0) return 0;
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % n;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }
}
