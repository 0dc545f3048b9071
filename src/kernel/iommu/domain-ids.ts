/** The domain ids of a unit, under which its caches keep what they know. Id 0 is never used: hardware has uses of its own for it. */
import { ENOSPC } from '../../uapi/index.ts';

export class DomainIds {
  readonly #first: number;
  /** Number of ids, 0 included. */
  readonly #count: number;
  readonly #used = new Set<number>();

  /** `first` and those after it are given out. */
  constructor(first: number, count: number) {
    this.#first = first;
    this.#count = count;
  }

  get used(): Iterable<number> {
    return this.#used;
  }

  /** An id that nobody uses, or -ENOSPC. */
  take(): number {
    for (let did = this.#first; did < this.#count; did++) {
      if (this.#used.has(did)) continue;
      this.#used.add(did);
      return did;
    }
    return -ENOSPC;
  }

  /** Only when nothing in the unit's caches carries the id any more. */
  release(did: number): void {
    this.#used.delete(did);
  }
}
