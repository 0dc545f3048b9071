/**
 * Invalidate Requests that a device has accepted, until it may answer them (PCIe 10.3.3): when nothing that uses what they
 * name is under way any more.
 *
 * Needs: the function, to send. Offers: `begin` and `end` of each translated access; `accept` an Invalidate Request when what
 * it names is not used for anything new.
 *
 * A translation of which a part is named is dropped whole, so accesses elsewhere in its range count too. An access is under
 * way until its last completion has come, or its last write is on the link: what is posted is before the answer then, and
 * stays there. Devices use one traffic class, so the completion count is 1. Answers that are ready
 * together go in one message. Accepting never waits for anything.
 *
 * Choices: an Invalidate Request beyond the 32 that a translation agent may have outstanding is carried out and not answered.
 */
import type { PcieFunction } from '../pcie/index.ts';
import type { Engine, Script } from '../sim/index.ts';
import { concerns, type Invalidation, invalidateCompletion } from './messages.ts';
import type { Halves } from './ranges.ts';
import { ITAGS } from './spec.ts';

/** A translated access, and the range of the translation that it uses. */
export interface Use {
  readonly pasid: number;
  readonly byte: Halves;
  /** The translation is about the 2^shift bytes around it. */
  readonly shift: number;
  /** What must not be answered before it ends. */
  readonly holds: Owed[];
}

/** An Invalidate Request without its answer. */
interface Owed {
  readonly invalidation: Invalidation;
  /** Accesses that it waits for. */
  waitsFor: number;
}

export class Invalidations {
  accepted = 0;
  /** Those beyond what may be outstanding. */
  unanswered = 0;
  readonly #engine: Engine;
  readonly #function: PcieFunction;
  readonly #uses = new Set<Use>();
  readonly #owed = new Set<Owed>();
  #ready: Owed[] = [];
  #isAnswering = false;
  /** Changes with each reset: what an earlier life owes is not answered. */
  #life = 0;

  constructor(engine: Engine, fn: PcieFunction) {
    this.#engine = engine;
    this.#function = fn;
  }

  /** An access begins with the translation of the 2^shift bytes around a byte. */
  begin(pasid: number, byte: Halves, shift: number): Use {
    const use: Use = { pasid, byte, shift, holds: [] };
    this.#uses.add(use);
    return use;
  }

  end(use: Use): void {
    this.#uses.delete(use);
    for (const owed of use.holds) if (--owed.waitsFor === 0) this.#isReady(owed);
    this.#answer();
  }

  /** What the request names is dropped, and not used for anything new: it will be answered. */
  accept(invalidation: Invalidation): void {
    this.accepted++;
    if (this.#owed.size === ITAGS) {
      this.unanswered++;
      return;
    }
    const owed: Owed = { invalidation, waitsFor: 0 };
    this.#owed.add(owed);
    for (const use of this.#uses) {
      if (!concerns(invalidation, use.pasid, use.byte, use.shift)) continue;
      use.holds.push(owed);
      owed.waitsFor++;
    }
    if (owed.waitsFor === 0) this.#isReady(owed);
    this.#answer();
  }

  /** Requests that have not been answered. */
  get outstanding(): number {
    return this.#owed.size;
  }

  reset(): void {
    this.#life++;
    this.accepted = 0;
    this.unanswered = 0;
    this.#uses.clear();
    this.#owed.clear();
    this.#ready = [];
    this.#isAnswering = false;
  }

  #isReady(owed: Owed): void {
    if (this.#owed.has(owed)) this.#ready.push(owed);
  }

  #answer(): void {
    if (this.#isAnswering || this.#ready.length === 0) return;
    this.#isAnswering = true;
    this.#engine.spawn(this.#send(this.#life), `${this.#function.name}: invalidate completions`);
  }

  *#send(life: number): Script {
    while (life === this.#life && this.#ready.length > 0) {
      const fn = this.#function;
      const { agent, tags } = this.#takeTogether();
      yield* fn.transmit(invalidateCompletion(fn.take(), agent, { requester: fn.requester, tags, count: 1 }));
    }
    if (life === this.#life) this.#isAnswering = false;
  }

  /** Of what is ready, all that one message can answer: of the agent that has waited longest, each ITag once. */
  #takeTogether(): { readonly agent: number; readonly tags: number } {
    const { agent } = this.#ready[0]!.invalidation;
    let tags = 0;
    this.#ready = this.#ready.filter((owed) => {
      const { invalidation } = owed;
      const bit = 1 << invalidation.tag;
      if (invalidation.agent !== agent || (tags & bit) !== 0) return true;
      tags |= bit;
      this.#owed.delete(owed);
      return false;
    });
    return { agent, tags };
  }
}
