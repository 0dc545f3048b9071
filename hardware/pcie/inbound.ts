/** What the root complex remembers of a TLP that has arrived and is not finished. */
import type { Handler } from '../sim/index.ts';
import type { Arrivals } from './arrivals.ts';
import type { RootPort } from './root-port.ts';
import { CompletionStatus } from './spec/index.ts';
import type { Tlp } from './tlp.ts';
import { TranslationRequest } from './translation.ts';

/** Next step of a transaction when its time has come. */
export const Step = { ASK: 0, PERFORM: 1 } as const;

/** One TLP on its way. Reused. */
export class Inbound implements Handler {
  readonly name = 'root complex';
  readonly request: TranslationRequest = new TranslationRequest(this);
  port!: RootPort;
  tlp!: Tlp;
  /** How many posted requests of the port must have finished before this may take effect. */
  behind = 0;
  answered = false;
  finished = false;
  /** What its port or the root complex answers without asking the agent; SUCCESSFUL while there is nothing to refuse. */
  refusal: number = CompletionStatus.SUCCESSFUL;
  /** An interrupt that the agent will record in memory when its turn comes; then its answer is all that is missing. */
  turn: (() => void) | null = null;
  inTurn = false;
  /** It is on its way to another device, and so no longer here. */
  gone = false;
  /** Null after a reset, when what is still scheduled for it means nothing. */
  owner: Arrivals | null;

  constructor(owner: Arrivals) {
    this.owner = owner;
  }

  /** A TLP has arrived at a port. */
  begin(port: RootPort, tlp: Tlp): this {
    this.port = port;
    this.tlp = tlp;
    this.behind = port.arrived;
    this.answered = false;
    this.finished = false;
    this.refusal = CompletionStatus.SUCCESSFUL;
    this.turn = null;
    this.inTurn = false;
    this.gone = false;
    return this;
  }

  handle(step: number): void {
    if (this.owner === null) return;
    if (step === Step.ASK) this.owner.ask(this);
    else this.owner.perform(this);
  }
}
