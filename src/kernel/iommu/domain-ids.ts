/** The domain ids of a unit, under which its caches keep what they know. Id 0 is never used: hardware has uses of its own for it. */
import { ENOSPC } from '../../uapi/index.ts';
import type { FaultPoints } from '../fault-points.ts';

export class DomainIds {
  /** No id below it is free. */
  #lowest: number;
  /** Number of ids, 0 included. */
  readonly #count: number;
  readonly #used = new Set<number>();
  readonly #faultPoints: FaultPoints;

  /** `first` and those after it are given out, the lowest that is free first. */
  constructor(first: number, count: number, faultPoints: FaultPoints) {
    this.#lowest = first;
    this.#count = count;
    this.#faultPoints = faultPoints;
  }

  get used(): Iterable<number> {
    return this.#used;
  }

  /** An id that nobody uses, or -ENOSPC. */
  take(): number {
    while (this.#used.has(this.#lowest)) this.#lowest++;
    if (this.#lowest >= this.#count || this.#faultPoints.refuses('domain id')) return -ENOSPC;
    this.#used.add(this.#lowest);
    return this.#lowest++;
  }

  /** Only when nothing in the unit's caches carries the id any more. */
  release(did: number): void {
    this.#used.delete(did);
    this.#lowest = Math.min(this.#lowest, did);
  }
}
