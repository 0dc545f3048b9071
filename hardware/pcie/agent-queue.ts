/**
 * Requests on their way to the translation agent, in the order in which they came; and what becomes of them where there is no
 * agent, or where none is asked.
 *
 * Tells its owner of each answer, in whatever order they come.
 */
import { hasAddress } from './admission.ts';
import type { Inbound } from './inbound.ts';
import { CompletionStatus } from './spec/index.ts';
import { TlpKind } from './tlp.ts';
import {
  describe,
  inInterruptRange,
  type TranslationAgent,
  type TranslationRequest,
  TranslationStatus,
} from './translation.ts';

export interface AnswerObserver {
  answered(request: TranslationRequest): void;
  /** The agent will record an interrupt in memory when its turn among the posted requests has come. */
  awaitTurn(request: TranslationRequest, go: () => void): void;
  /** Nobody has to be asked about this one. */
  decided(inbound: Inbound): void;
}

export class AgentQueue {
  agent: TranslationAgent | null = null;
  readonly #observer: AnswerObserver;
  /** Transactions for which the agent has no credit. */
  readonly #waiting: Inbound[] = [];

  constructor(observer: AnswerObserver) {
    this.#observer = observer;
  }

  attach(agent: TranslationAgent): void {
    this.agent = agent;
    agent.answers = (request) => this.#observer.answered(request);
    agent.inTurn = (request, go) => this.#observer.awaitTurn(request, go);
    agent.requests.onFree = () => {
      while (this.#waiting.length > 0 && agent.requests.canSend) agent.requests.send(this.#waiting.shift()!.request);
    };
  }

  /** Asks the agent, or decides without one. */
  ask(inbound: Inbound): void {
    const { request, tlp } = inbound;
    if (tlp.isConfigRequest || tlp.kind === TlpKind.DEFERRABLE_WRITE || (tlp.isMemoryRequest && !hasAddress(tlp))) {
      // Nobody configures the host from below, memory puts nothing off, and what asks for no address is not answered with one.
      inbound.refusal ||= CompletionStatus.UNSUPPORTED_REQUEST;
    }
    if (inbound.refusal !== CompletionStatus.SUCCESSFUL || tlp.isMessage) {
      this.#observer.decided(inbound);
      return;
    }
    describe(request, tlp);
    if (this.agent === null) {
      request.passThrough();
      if (!request.interrupt && inInterruptRange(tlp.addressHi, tlp.addressLo)) {
        request.status = TranslationStatus.UNSUPPORTED_REQUEST;
      }
      this.#observer.answered(request);
    } else if (this.#waiting.length === 0 && this.agent.requests.canSend) {
      this.agent.requests.send(request);
    } else {
      this.#waiting.push(inbound);
    }
  }

  reset(): void {
    this.#waiting.length = 0;
  }
}
