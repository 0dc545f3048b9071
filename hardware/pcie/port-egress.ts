/**
 * What a port sends down its link. While the link is down nobody below can answer: a request that wants an answer gets UR
 * from the port itself, and everything else is lost.
 */
import type { LinkEnd } from './link.ts';
import type { Egress } from './ordering.ts';
import { CompletionStatus } from './spec/index.ts';
import { CreditClass, type Tlp } from './tlp.ts';

export class PortEgress implements Egress {
  readonly #end: LinkEnd;
  readonly #answer: (completion: Tlp) => void;

  /** `answer` takes the completions, which go up. */
  constructor(end: LinkEnd, answer: (completion: Tlp) => void) {
    this.#end = end;
    this.#answer = answer;
  }

  canSend(tlp: Tlp): boolean {
    return this.#end.canSend(tlp);
  }

  send(tlp: Tlp): void {
    const end = this.#end;
    const isAsked = tlp.creditClass === CreditClass.NON_POSTED && !end.link.isUp;
    const completion = isAsked ? end.take().completion(tlp, tlp.completer, CompletionStatus.UNSUPPORTED_REQUEST) : null;
    end.send(tlp);
    if (completion !== null) this.#answer(completion);
  }
}
