/**
 * Completions on their way out at one end of a link. What has no credit waits, and the request that it answers keeps its own
 * credits until the answer is sent: so nobody can ask for more than what fits those.
 */
import type { LinkEnd } from './link.ts';
import { type Egress, TransactionQueue } from './ordering.ts';
import type { Tlp } from './tlp.ts';

export class Answers {
  readonly #end: LinkEnd;
  readonly #egress: Egress;
  readonly #queue = new TransactionQueue((tlp) => this.#sent(tlp));
  /** By the completion that is the last of its request. */
  readonly #requests = new Map<Tlp, Tlp>();

  /** `egress` is what stands before the end, if anything does. */
  constructor(end: LinkEnd, egress: Egress = end) {
    this.#end = end;
    this.#egress = egress;
  }

  /** Sends a completion as soon as there is a credit for it; `request`, which arrived at the same end, is dealt with then. */
  push(completion: Tlp, request: Tlp | null): void {
    if (request !== null) this.#requests.set(completion, request);
    this.#queue.push(completion, this.#egress);
  }

  /** The end has credits again. */
  pump(): void {
    this.#queue.pump();
  }

  /** The fabric takes all TLPs back. */
  reset(): void {
    this.#queue.reset(ignore);
    this.#requests.clear();
  }

  /** The link has gone down: nobody waits for what was not sent, and its TLPs go back. */
  lose(): void {
    this.#queue.reset((tlp) => this.#end.give(tlp));
    for (const request of this.#requests.values()) this.#end.release(request);
    this.#requests.clear();
  }

  #sent(completion: Tlp): void {
    const request = this.#requests.get(completion);
    if (request === undefined) return;
    this.#requests.delete(completion);
    this.#end.release(request);
  }
}

function ignore(): void {}
