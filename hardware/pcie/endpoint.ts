/**
 * The device's end of a link: gives each TLP that arrives to the function it is for, and answers for nobody.
 *
 * Completions go by requester id, configuration requests by target, memory requests by base address. A read or a
 * configuration request that no function takes is completed with UR; a write is dropped.
 */
import { type Engine, Gate, type Signal } from '../sim/index.ts';
import type { PcieFunction } from './function.ts';
import type { LinkEnd } from './link.ts';
import { CompletionStatus } from './spec/index.ts';
import { CreditClass, type Tlp } from './tlp.ts';

export class Endpoint {
  readonly end: LinkEnd;
  readonly functions: readonly PcieFunction[];
  readonly #engine: Engine;
  #free!: Gate;

  constructor(engine: Engine, end: LinkEnd, functions: readonly PcieFunction[]) {
    this.#engine = engine;
    this.end = end;
    this.functions = functions;
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
    this.#free = new Gate(this.#engine, `a credit of ${this.end.link.name} upstream`);
  }

  #receive(tlp: Tlp): void {
    const fn = this.#target(tlp);
    if (fn !== null) fn.receive(tlp);
    else if (tlp.creditClass === CreditClass.NON_POSTED) {
      const answer = this.end.take().completion(tlp, tlp.completer, CompletionStatus.UNSUPPORTED_REQUEST);
      this.end.send(answer);
    }
    this.end.release(tlp);
  }

  #target(tlp: Tlp): PcieFunction | null {
    for (const fn of this.functions) {
      if (tlp.isMemoryRequest) {
        if (fn.barOf(tlp) !== null) return fn;
      } else if (fn.spec.requester === (tlp.creditClass === CreditClass.COMPLETION ? tlp.requester : tlp.completer)) {
        return fn;
      }
    }
    return null;
  }
}
