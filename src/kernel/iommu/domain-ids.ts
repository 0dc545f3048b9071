/** The domain ids of a unit, under which its caches keep what they know. Id 0 is never used: hardware has uses of its own for it. */
import { ENOSPC } from '../../uapi/index.ts';

export class DomainIds {
  /** Asked before an id is given out; when it says true, it is as if none were left. */
  refuse: (() => boolean) | null = null;
  /** No id below it is free. */
  #lowest: number;
  /** Number of ids, 0 included. */
  readonly #count: number;
  readonly #used = new Set<number>();

  /** `first` and those after it are given out, the lowest that is free first. */
  constructor(first: number, count: number) {
    this.#lowest = first;
    this.#count = count;
  }

  get used(): Iterable<number> {
    return this.#used;
  }

  /** An id that nobody uses, or -ENOSPC. */
  take(): number {
    while (this.#used.has(this.#lowest)) this.#lowest++;
    if (this.#lowest >= this.#count || this.refuse?.() === true) return -ENOSPC;
    this.#used.add(this.#lowest);
    return this.#lowest++;
  }

  /** Only when nothing in the unit's caches carries the id any more. */
  release(did: number): void {
    this.#used.delete(did);
    this.#lowest = Math.min(this.#lowest, did);
  }
}
