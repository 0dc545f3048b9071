/**
 * The places of an IOMMU's agent for requests under way, and the barriers that wait for some of them to be left.
 */
import type { TranslationRequest } from '../pcie/index.ts';
import { InterruptMessage } from './interrupt-message.ts';
import { Translation } from './translation.ts';
import type { WalkRun } from './walk-run.ts';
import { Walkable } from './walkers.ts';

/** What the event of a slot says: its look-up is over, its turn at the port for look-ups has come, memory has come to a read. */
export const Phase = { LOOK_UP: 0, TURN: 1, READ: 2 } as const;

/** A place for one request under way. */
export class Slot extends Walkable {
  readonly index: number;
  readonly translation = new Translation();
  readonly message = new InterruptMessage();
  /** Its walk, where that goes by the whole procedure. */
  readonly run: WalkRun;
  /** Position in the order of acceptance. */
  accepted = 0;
  phase: number = Phase.LOOK_UP;

  constructor(index: number, makeRun: (slot: Slot) => WalkRun) {
    super();
    this.index = index;
    this.run = makeRun(this);
  }
}

/** A barrier that waits for the requests accepted before `mark`. */
interface Drain {
  readonly mark: number;
  readonly run: WalkRun;
}

export class Slots {
  readonly #slots: readonly Slot[];
  readonly #free: Slot[];
  #drains: Drain[] = [];
  #accepted = 0;

  /** `makeRun` gives each slot what carries its walks out. */
  constructor(count: number, makeRun: (slot: Slot) => WalkRun) {
    this.#slots = Array.from({ length: count }, (_, index) => new Slot(index, makeRun));
    this.#free = [...this.#slots];
  }

  get hasRoom(): boolean {
    return this.#free.length > 0;
  }

  at(index: number): Slot {
    return this.#slots[index]!;
  }

  /** The next request takes a slot; there has to be room. */
  take(request: TranslationRequest): Slot {
    const slot = this.#free.pop()!;
    slot.request = request;
    slot.accepted = this.#accepted++;
    slot.phase = Phase.LOOK_UP;
    return slot;
  }

  /** The request in a slot is answered. */
  leave(slot: Slot): void {
    slot.request = null;
    this.#free.push(slot);
  }

  /** `run` goes on when every request that was accepted before has been answered: its access is then in memory's queue. */
  drain(run: WalkRun): void {
    const drain = { mark: this.#accepted, run };
    if (!this.#ends(drain)) this.#drains.push(drain);
  }

  /** Lets go on what has waited for slots that were left. */
  endDrains(): void {
    if (this.#drains.length > 0) this.#drains = this.#drains.filter((drain) => !this.#ends(drain));
  }

  reset(): void {
    for (const slot of this.#slots) slot.request = null;
    this.#free.splice(0, this.#free.length, ...this.#slots);
    this.#drains = [];
    this.#accepted = 0;
  }

  #ends({ mark, run }: Drain): boolean {
    if (this.#slots.some((slot) => slot.request !== null && slot.accepted < mark)) return false;
    run.resume();
    return true;
  }
}
