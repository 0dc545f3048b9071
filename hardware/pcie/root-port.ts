/**
 * A root port: the root complex's end of one link, and what has come over it and is not finished.
 *
 * PCIe orders what arrives: a posted request passes no posted one before it, a read or completion passes no posted request
 * before it, and a posted request waits for no read. So posted requests stand in a queue that finishes in order, and each
 * other TLP remembers how many of them came before it.
 */
import { type Engine, Gate, type Script } from '../sim/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { PcieFunction } from './function.ts';
import type { Inbound } from './inbound.ts';
import type { LinkEnd } from './link.ts';
import type { Tlp } from './tlp.ts';

export class RootPort {
  readonly end: LinkEnd;
  readonly functions: readonly PcieFunction[];
  /** Posted requests that are not finished, oldest first; memory has been asked to perform the first `issued` of them. */
  readonly posted: Inbound[] = [];
  issued = 0;
  /** How many posted requests have arrived, and have finished, since the reset. */
  arrived = 0;
  finished = 0;
  /** Reads and completions behind a posted request that has not finished, oldest first. */
  readonly held: Inbound[] = [];
  readonly #engine: Engine;
  readonly #endpoint: Endpoint;
  #free!: Gate;

  constructor(engine: Engine, end: LinkEnd, endpoint: Endpoint) {
    this.end = end;
    this.functions = endpoint.functions;
    this.#engine = engine;
    this.#endpoint = endpoint;
    this.#forgetWaiting();
    end.onFree = () => this.#free.notify();
  }

  /** Sends a TLP as soon as there is a credit for it. */
  *transmit(tlp: Tlp): Script<void> {
    while (!this.end.canSend(tlp)) yield this.#free.wait();
    this.end.send(tlp);
  }

  /** Largest payload that every function of the link may receive, in bytes. */
  get maxPayload(): number {
    let least = 4096;
    for (const { config } of this.functions) least = Math.min(least, config.maxPayload);
    return least;
  }

  reset(): void {
    this.posted.length = 0;
    this.held.length = 0;
    this.issued = 0;
    this.arrived = 0;
    this.finished = 0;
    this.end.link.reset();
    this.#endpoint.reset();
    this.#forgetWaiting();
  }

  /** Who waits holds a TLP of before the reset and must not wake. */
  #forgetWaiting(): void {
    this.#free = new Gate(this.#engine, `a credit of ${this.end.link.name} downstream`);
  }
}
