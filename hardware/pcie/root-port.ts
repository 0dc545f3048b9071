/**
 * A root port: the root complex's end of one link, and what has come over it and is not finished.
 *
 * PCIe orders what arrives: a posted request passes no posted one before it, a read or completion passes no posted request
 * before it, and a posted request waits for no read. So posted requests stand in a queue that finishes in order, and each
 * other TLP remembers how many of them came before it. What goes down waits in a queue of its own that follows the same table.
 */
import { type Engine, Gate, type Script } from '../sim/index.ts';
import type { Inbound } from './inbound.ts';
import type { LinkEnd } from './link.ts';
import { TransactionQueue } from './ordering.ts';
import { PortEgress } from './port-egress.ts';
import type { Range } from './routes.ts';
import type { Tlp } from './tlp.ts';

/** What lies behind a port, as far as the root complex has to know. */
export interface Below {
  /** True when the function with this requester id is there. */
  leadsTo(requester: number): boolean;
  /** True when configuration requests for it have to pass a bridge: they are of type 1. */
  isBeyond(requester: number): boolean;
  /** True when the port passes configuration requests for it. */
  reaches(requester: number): boolean;
  /** Ranges of addresses that lead there. */
  readonly ranges: readonly Range[];
  /** Largest payload that goes down, in bytes. */
  readonly maxPayload: number;
  /** What the root complex answers through the port has ID-Based Ordering. */
  readonly ordersCompletionsById: boolean;
  /** The completion status with which the port itself answers a TLP from below; SUCCESSFUL lets it pass. */
  judge(tlp: Tlp): number;
  /** An error message of a device. */
  note(tlp: Tlp): void;
  /** True for a TLP from below with more data than the port may take. */
  isOversize(tlp: Tlp): boolean;
  /** A TLP from below that breaks the rules. */
  malformed(tlp: Tlp): void;
  /** A TLP from below that nobody takes; gives the status with which a request ends. */
  unsupported(tlp: Tlp): number;
  reset(): void;
}

export class RootPort {
  readonly end: LinkEnd;
  readonly below: Below;
  /** Posted requests that are not finished, oldest first; memory has been asked to perform the first `issued` of them. */
  readonly posted: Inbound[] = [];
  issued = 0;
  /** How many posted requests have arrived, and have finished, since the reset. */
  arrived = 0;
  finished = 0;
  /** Reads and completions behind a posted request that has not finished, oldest first. */
  readonly held: Inbound[] = [];
  /** Told of each TLP that has gone down here and is not the CPU's. */
  onForwarded: (tlp: Tlp) => void = ignore;
  /** Takes completions of the port itself: of requests for a link that is down. */
  onAnswer: (completion: Tlp) => void = ignore;
  readonly #engine: Engine;
  readonly #waiting = new TransactionQueue((tlp) => this.onForwarded(tlp));
  readonly #egress: PortEgress;
  #free!: Gate;

  constructor(engine: Engine, end: LinkEnd, below: Below) {
    this.end = end;
    this.below = below;
    this.#engine = engine;
    this.#egress = new PortEgress(end, (completion) => this.onAnswer(completion));
    this.#forgetWaiting();
    end.onFree = () => {
      this.#waiting.pump();
      this.#free.notify();
    };
  }

  /** Sends a TLP, or keeps it until its turn and a credit come. */
  push(tlp: Tlp): void {
    this.#waiting.push(tlp, this.#egress);
  }

  /** True while a TLP that was pushed has not gone. */
  holds(tlp: Tlp): boolean {
    return this.#waiting.holds(tlp);
  }

  /** Sends a TLP of the CPU behind everything that waits already, as soon as there is a credit for it. */
  *transmit(tlp: Tlp): Script<void> {
    while (this.#waiting.length > 0 || !this.end.canSend(tlp)) yield this.#free.wait();
    this.#egress.send(tlp);
  }

  reset(): void {
    this.posted.length = 0;
    this.held.length = 0;
    this.issued = 0;
    this.arrived = 0;
    this.finished = 0;
    this.#waiting.reset(ignore);
    this.end.link.reset();
    this.below.reset();
    this.#forgetWaiting();
  }

  /** Who waits holds a TLP of before the reset and must not wake. */
  #forgetWaiting(): void {
    this.#free = new Gate(this.#engine, `a credit of ${this.end.link.name} downstream`);
  }
}

function ignore(): void {}
