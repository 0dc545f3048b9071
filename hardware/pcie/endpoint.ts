/**
 * The device's end of a link: gives each TLP that arrives to the function it is for, and answers for nobody.
 *
 * Completions and messages go by requester id, configuration requests by device and function number, memory requests by
 * base address. A request that no function takes is completed with UR; what is posted is dropped. The device learns its bus
 * number from the configuration writes that reach it.
 */
import { type Engine, Gate, type Signal } from '../sim/index.ts';
import type { PcieFunction } from './function.ts';
import type { LinkEnd } from './link.ts';
import type { Below } from './root-port.ts';
import type { Range } from './routes.ts';
import { CompletionStatus, MessageRouting } from './spec/index.ts';
import { CreditClass, type Tlp, TlpKind } from './tlp.ts';

export class Endpoint {
  readonly end: LinkEnd;
  readonly functions: readonly PcieFunction[];
  /** What was written last to any function of it; at first, what firmware gave it. */
  bus: number;
  readonly #engine: Engine;
  readonly #firstBus: number;
  #free!: Gate;

  constructor(engine: Engine, end: LinkEnd, functions: readonly PcieFunction[]) {
    this.#engine = engine;
    this.end = end;
    this.functions = functions;
    this.#firstBus = (functions[0]?.spec.requester ?? 0) >>> 8;
    this.bus = this.#firstBus;
    this.reset();
    end.receive = (tlp) => this.#receive(tlp);
    end.onFree = () => this.#free.notify();
    for (const fn of functions) fn.join(this);
  }

  /** Fires when the link may have a credit that it did not have. */
  credit(): Signal {
    return this.#free.wait();
  }

  /** Who waits for a credit holds a TLP of before the reset and must not wake. */
  reset(): void {
    this.bus = this.#firstBus;
    this.#free = new Gate(this.#engine, `a credit of ${this.end.link.name} upstream`);
  }

  #receive(tlp: Tlp): void {
    if (tlp.kind === TlpKind.CONFIG_WRITE_0) this.bus = tlp.completer >>> 8;
    const fn = this.#target(tlp);
    if (fn !== null) fn.receive(tlp);
    else if (tlp.creditClass === CreditClass.NON_POSTED) {
      this.end.send(this.end.take().completion(tlp, tlp.completer, CompletionStatus.UNSUPPORTED_REQUEST));
    }
    this.end.release(tlp);
  }

  #target(tlp: Tlp): PcieFunction | null {
    for (const fn of this.functions) if (fn.isPresent && isFor(tlp, fn)) return fn;
    return null;
  }
}

function isFor(tlp: Tlp, fn: PcieFunction): boolean {
  if (tlp.isMemoryRequest) return fn.barOf(tlp) !== null;
  if (tlp.isConfigRequest) return (tlp.completer & 0xff) === (fn.requester & 0xff);
  if (tlp.isMessage) return tlp.routing === MessageRouting.ID && tlp.completer === fn.requester;
  return tlp.requester === fn.requester;
}

/** Devices of the root complex itself: their link is private, and no port stands above them. */
export class IntegratedDevice implements Below {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  leadsTo(requester: number): boolean {
    return this.#endpoint.functions.some((fn) => fn.isPresent && fn.requester === requester);
  }

  isBeyond(): boolean {
    return false;
  }

  get ranges(): Range[] {
    return this.#endpoint.functions.flatMap((fn) => (fn.isPresent ? fn.ranges : []));
  }

  /** Largest payload that every function of the link may receive, in bytes. */
  get maxPayload(): number {
    let least = 4096;
    for (const { config } of this.#endpoint.functions) least = Math.min(least, config.maxPayload);
    return least;
  }

  judge(): number {
    return CompletionStatus.SUCCESSFUL;
  }

  note(): void {}

  reset(): void {
    this.#endpoint.reset();
  }
}
