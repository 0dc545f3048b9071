/**
 * A translation agent that translates nothing: it takes its time about each request, so that answers come in any order, and
 * answers each page request.
 */
import { pageGroupResponse } from '../../../hardware/ats/index.ts';
import { MessageCode, type Tlp, type TranslationAgent, type TranslationRequest } from '../../../hardware/pcie/index.ts';
import { type Engine, ns, Random, type Script } from '../../../hardware/sim/index.ts';
import { AGENT, writerOfMessage } from './messages.ts';
import type { FabricPlan } from './plans.ts';

export class Agent implements TranslationAgent {
  readonly name = 'agent';
  readonly requests: TranslationAgent['requests'];
  answers: (request: TranslationRequest) => void = () => {};
  transmit: (fill: (tlp: Tlp) => Tlp) => void = () => {};
  /** Called with each message before it is dealt with. */
  onMessage: (tlp: Tlp) => void = () => {};
  readonly #engine: Engine;
  readonly #dice: Random;
  readonly #slowest: number;
  #credits: number;

  constructor(engine: Engine, { seed, agent: { credits, slowest } }: FabricPlan) {
    this.#engine = engine;
    this.#dice = new Random(seed);
    this.#slowest = slowest;
    this.#credits = credits;
    const self = this;
    this.requests = {
      onFree: () => {},
      get canSend() {
        return self.#credits > 0;
      },
      send: (request) => {
        this.#credits--;
        engine.spawn(this.#answer(request));
      },
    };
  }

  message(tlp: Tlp): boolean {
    this.onMessage(tlp);
    const { messageCode, requester } = tlp;
    if (messageCode === MessageCode.PAGE_REQUEST) this.#engine.spawn(this.#respond(requester, writerOfMessage(tlp)));
    return messageCode === MessageCode.PAGE_REQUEST || messageCode === MessageCode.INVALIDATE_COMPLETION;
  }

  *#answer(request: TranslationRequest): Script {
    yield* this.#think();
    request.passThrough();
    this.answers(request);
    this.#credits++;
    this.requests.onFree();
  }

  *#respond(requester: number, group: number): Script {
    yield* this.#think();
    this.transmit((tlp) => pageGroupResponse(tlp, AGENT, { requester, pasid: undefined, group, code: 0 }));
  }

  *#think(): Script {
    yield ns(this.#dice.below(this.#slowest + 1));
  }
}
