/**
 * A PCI Express to PCI bridge: what devices of a conventional bus ask for, it asks for itself. Their requests carry the
 * bridge's alias, function 0 of the bus below, and a tag of the bridge; so nobody above can tell the devices apart.
 *
 * Needs: the lower end of a link above, the upper end of a link that stands for the bus.
 *
 * Inaccuracies: a conventional bus has neither split transactions nor tags; here its devices speak as PCI Express ones do,
 * over a link. What one of them sends to another turns round in the bridge.
 */
import type { Component } from '../sim/index.ts';
import { Answers } from './answers.ts';
import { type Bridge, controlsLink, tellsErrors } from './bridge.ts';
import { answerConfig } from './config-answer.ts';
import type { LinkEnd } from './link.ts';
import { TransactionQueue } from './ordering.ts';
import { PortEgress } from './port-egress.ts';
import { CompletionStatus } from './spec/index.ts';
import type { SwitchPort } from './switch.ts';
import { CreditClass, isLastCompletion, type Tlp, TlpKind } from './tlp.ts';

/** Requests of the bus that may be under way above. */
const TAGS = 32;

export interface PciBridgeState {
  /** Requests that went up under the alias. */
  aliased: number;
  refused: number;
}

/** Whose request a tag stands for. */
interface Taken {
  readonly requester: number;
  readonly tag: number;
}

export class PciBridge implements Component<null, PciBridgeState> {
  readonly name: string;
  readonly spec = null;
  readonly state: PciBridgeState = { aliased: 0, refused: 0 };
  readonly #bridge: Bridge;
  readonly #above: LinkEnd;
  readonly #bus: LinkEnd;
  readonly #up: TransactionQueue;
  readonly #down: TransactionQueue;
  readonly #busEgress: PortEgress;
  /** What the bridge answers itself, to above and to the bus, and its error messages. */
  readonly #upAnswers: Answers;
  readonly #busAnswers: Answers;
  readonly #errors = new TransactionQueue(ignore);
  readonly #taken: (Taken | null)[] = new Array<Taken | null>(TAGS).fill(null);
  /** What goes up takes the bridge's name at the last moment, when there is a tag for it. */
  readonly #egress = {
    canSend: (tlp: Tlp): boolean => {
      const needsTag = tlp.creditClass === CreditClass.NON_POSTED;
      return (!needsTag || this.#taken.includes(null)) && this.#above.canSend(tlp);
    },
    send: (tlp: Tlp): void => this.#above.send(this.#alias(tlp)),
  };

  constructor(name: string, { bridge, end }: SwitchPort, bus: LinkEnd) {
    this.name = name;
    this.#bridge = bridge;
    this.#above = end;
    this.#bus = bus;
    this.#up = new TransactionQueue((tlp) => bus.forward(tlp));
    this.#down = new TransactionQueue((tlp) => end.forward(tlp));
    this.#upAnswers = new Answers(end, end);
    this.#busEgress = new PortEgress(bus, (completion) => this.#upAnswers.push(completion, null));
    this.#busAnswers = new Answers(bus, this.#busEgress);
    controlsLink(bridge, bus.link);
    end.onChange = (isUp) => this.#changed(isUp);
    tellsErrors(bridge, end, this.#errors, end);
    bus.receive = (tlp) => this.#rise(tlp);
    end.receive = (tlp) => this.#descend(tlp);
    for (const one of [bus, end]) {
      one.owner = name;
      one.onFree = () => this.#pump();
    }
  }

  /** The id that everything from the bus has above. */
  get alias(): number {
    return this.#bridge.secondary << 8;
  }

  reset(): void {
    this.#bridge.reset();
    for (const queue of [this.#up, this.#down, this.#errors]) queue.reset(ignore);
    for (const answers of [this.#upAnswers, this.#busAnswers]) answers.reset();
    this.#taken.fill(null);
    Object.assign(this.state, { aliased: 0, refused: 0 });
  }

  /** A reset of the link above is one of the bus, and what is here is lost. */
  #changed(isUp: boolean): void {
    if (isUp) {
      this.#bus.link.goUp();
      return;
    }
    this.#bridge.conventionalReset();
    this.#up.reset((tlp) => this.#bus.release(tlp));
    this.#down.reset((tlp) => this.#above.release(tlp));
    this.#errors.reset((tlp) => this.#above.give(tlp));
    for (const answers of [this.#upAnswers, this.#busAnswers]) answers.lose();
    this.#taken.fill(null);
    this.#bus.link.goDown();
  }

  #pump(): void {
    for (const queue of [this.#upAnswers, this.#busAnswers, this.#errors, this.#down, this.#up]) queue.pump();
  }

  /** From the bus. */
  #rise(tlp: Tlp): void {
    const status = this.#bridge.judge(tlp);
    if (status !== CompletionStatus.SUCCESSFUL) this.#refuse(this.#bus, tlp, status);
    else this.#up.push(tlp, this.#isForBus(tlp) ? this.#busEgress : this.#egress);
  }

  /** What a device asks of another on the bus, or answers it: above, that one has another name. */
  #isForBus(tlp: Tlp): boolean {
    if (tlp.creditClass === CreditClass.COMPLETION) return this.#bridge.leadsTo(tlp.requester);
    return tlp.isMemoryRequest && this.#bridge.contains(tlp);
  }

  /** From above. */
  #descend(tlp: Tlp): void {
    const bridge = this.#bridge;
    if (bridge.isOversize(tlp)) {
      this.state.refused++;
      bridge.malformed(tlp);
      this.#above.release(tlp);
    } else if (tlp.kind === TlpKind.CONFIG_READ_0 || tlp.kind === TlpKind.CONFIG_WRITE_0) {
      if ((tlp.completer & 0xff) === 0) {
        this.#upAnswers.push(answerConfig(bridge, tlp, this.#above.take()), tlp);
      } else this.#refuse(this.#above, tlp, bridge.unsupported(tlp));
    } else if (tlp.isConfigRequest) {
      const isHere = tlp.completer >>> 8 === bridge.secondary;
      if (isHere) this.#down.push(tlp.ofType1(false), this.#busEgress);
      else this.#refuse(this.#above, tlp, bridge.unsupported(tlp));
    } else if (tlp.creditClass === CreditClass.COMPLETION) {
      if (this.#restore(tlp)) this.#down.push(tlp, this.#busEgress);
      else this.#refuse(this.#above, tlp, bridge.unsupported(tlp));
    } else if (tlp.isMemoryRequest && bridge.contains(tlp)) this.#down.push(tlp, this.#busEgress);
    else this.#refuse(this.#above, tlp, bridge.unsupported(tlp));
  }

  /** Puts the bridge's id and a tag of its own on a request that goes up. */
  #alias(tlp: Tlp): Tlp {
    if (tlp.creditClass === CreditClass.COMPLETION) return tlp;
    this.state.aliased++;
    if (tlp.creditClass === CreditClass.NON_POSTED) {
      const tag = this.#taken.indexOf(null);
      this.#taken[tag] = { requester: tlp.requester, tag: tlp.tag };
      tlp.tag = tag;
    }
    tlp.requester = this.alias;
    return tlp;
  }

  /** Gives a completion back to the device that asked; false when it answers nothing. */
  #restore(tlp: Tlp): boolean {
    const taken = tlp.requester === this.alias ? this.#taken[tlp.tag] : undefined;
    if (taken == null) return false;
    const isLast = isLastCompletion(tlp);
    if (isLast) this.#taken[tlp.tag] = null;
    tlp.requester = taken.requester;
    tlp.tag = taken.tag;
    if (isLast) this.#up.pump();
    return true;
  }

  #refuse(from: LinkEnd, tlp: Tlp, status: number): void {
    this.state.refused++;
    if (tlp.creditClass !== CreditClass.NON_POSTED) {
      from.release(tlp);
      return;
    }
    const answers = from === this.#bus ? this.#busAnswers : this.#upAnswers;
    answers.push(from.take().completion(tlp, tlp.completer, status), tlp);
  }
}

function ignore(): void {}
