/**
 * A spin lock as Linux's queued ones: who comes first has it first, and each waits on a line of its own, so that handing over takes
 * one transfer of a cache line however many wait.
 *
 * Inaccuracies: what the lock protects is one line that moves with it; interrupts do not come in between.
 */
import { type Engine, ns, type Script, Semaphore } from '../../../../hardware/sim/index.ts';
import type { Share, SimulatedCpu } from './cpu.ts';

/** Nanoseconds. */
export interface LockValues {
  /** A cache line goes from one core to another. */
  readonly transfer: number;
  /** Taking a lock that this core had last. */
  readonly atomic: number;
}

export class SpinLock {
  readonly #values: LockValues;
  readonly #turn: Semaphore;
  /** Whose cache has the line. */
  #last: SimulatedCpu | null = null;

  constructor(engine: Engine, values: LockValues, name: string) {
    this.#values = values;
    this.#turn = new Semaphore(engine, 1, name);
  }

  /** Waiting for others and for the line is of `share`. */
  *acquire(cpu: SimulatedCpu, share: Share): Script {
    cpu.enter(share);
    yield this.#turn.acquire();
    const { atomic, transfer } = this.#values;
    const isHere = this.#last === cpu;
    this.#last = cpu;
    yield ns(isHere ? atomic : transfer);
  }

  release(): void {
    this.#turn.release();
  }
}
