/** A CPU that runs kernel code: every picosecond of it belongs to one share. */
import { type Engine, ns, type Script } from '../../../../hardware/sim/index.ts';

/**
 * - `work`: what is not the DMA API's;
 * - `iova`: addresses are found and given back; `iova-lock`: somebody else has the lock of the tree or of the depot;
 * - `page-table`: entries are written and cleared; `flush-queue`: what was unmapped is noted for later; `other`: the rest of the API;
 * - `queue`: descriptors are written; `queue-lock`: somebody else has the lock of the invalidation queue, or its line is on its way;
 * - `invalidation`: the unit is waited for;
 * - `idle`: there is nothing to do.
 */
export const SHARES = [
  'work',
  'iova',
  'iova-lock',
  'page-table',
  'flush-queue',
  'other',
  'queue',
  'queue-lock',
  'invalidation',
  'idle',
] as const;
export type Share = (typeof SHARES)[number];
/** Picoseconds of each. */
export type SharesOfTime = Readonly<Record<Share, number>>;

export class SimulatedCpu {
  readonly index: number;
  readonly #engine: Engine;
  readonly #taken = Object.fromEntries(SHARES.map((share) => [share, 0])) as Record<Share, number>;
  #share: Share = 'idle';
  #since: number;

  constructor(engine: Engine, index: number) {
    this.#engine = engine;
    this.index = index;
    this.#since = engine.now;
  }

  /** From now on time is of this share. */
  enter(share: Share): void {
    const { now } = this.#engine;
    this.#taken[this.#share] += now - this.#since;
    this.#share = share;
    this.#since = now;
  }

  *spend(share: Share, nanoseconds: number): Script {
    this.enter(share);
    yield ns(nanoseconds);
  }

  /** What it has done with its time up to now. */
  taken(): SharesOfTime {
    this.enter(this.#share);
    return { ...this.#taken };
  }
}
