/**
 * Where Linux keeps freed I/O virtual addresses of one size: two magazines for each CPU, a depot of full ones behind them.
 *
 * Surface: `take` and `put` at the CPU's own; `takeFull` and `putFull` of the depot, which want a lock around them.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';

/** Addresses of a magazine. */
export const MAGAZINE = 127;

interface Loaded {
  now: PageNumber[];
  before: PageNumber[];
}

export class IovaMagazines {
  readonly #cpus: readonly Loaded[];
  readonly #depot: PageNumber[][] = [];
  readonly #room: number;

  /** `room`: magazines that the depot has room for. */
  constructor(cpus: number, room: number) {
    this.#room = room;
    this.#cpus = Array.from({ length: cpus }, () => ({ now: [], before: [] }));
  }

  /** The newest address that this CPU has; nothing when both of its magazines are empty. */
  take(cpu: number): PageNumber | undefined {
    const own = this.#cpus[cpu]!;
    if (own.now.length === 0 && own.before.length > 0) swap(own);
    return own.now.pop();
  }

  /** False when both magazines are full. */
  put(cpu: number, first: PageNumber): boolean {
    const own = this.#cpus[cpu]!;
    if (own.now.length === MAGAZINE && own.before.length < MAGAZINE) swap(own);
    if (own.now.length === MAGAZINE) return false;
    own.now.push(first);
    return true;
  }

  /** Gives a CPU without addresses a full magazine of the depot. False when there is none. */
  takeFull(cpu: number): boolean {
    const full = this.#depot.pop();
    if (full === undefined) return false;
    this.#cpus[cpu]!.now = full;
    return true;
  }

  /** Takes a full magazine from a CPU, for the depot; what has no room there is returned. */
  putFull(cpu: number): readonly PageNumber[] {
    const own = this.#cpus[cpu]!;
    const full = own.now;
    own.now = [];
    if (this.#depot.length >= this.#room) return full;
    this.#depot.push(full);
    return [];
  }
}

function swap(own: Loaded): void {
  [own.now, own.before] = [own.before, own.now];
}
