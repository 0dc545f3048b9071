/**
 * A switch: an upstream port, a bus that nobody sees, and downstream ports on it, each of them a bridge. It forwards by
 * address, by id and implicitly, keeps the order that PCIe asks for, and applies ACS where a downstream port has it.
 *
 * Needs: the lower end of a link above it, the upper ends of the links below. Everything else goes through configuration
 * space and TLPs.
 *
 * Inaccuracies: a TLP is stored, waits `latency`, and goes on; it is not cut through. No multicast.
 */
import { Channel, type Component, type Engine, ns } from '../sim/index.ts';
import { redirect } from './acs.ts';
import { Answers } from './answers.ts';
import { type Bridge, controlsLink, sensesSlot, tellsErrors } from './bridge.ts';
import { answerConfig } from './config-answer.ts';
import type { LinkEnd } from './link.ts';
import { TransactionQueue } from './ordering.ts';
import { PortEgress } from './port-egress.ts';
import { CompletionStatus, MessageRouting } from './spec/index.ts';
import { CreditClass, type Tlp, TlpKind } from './tlp.ts';

export interface SwitchSpec {
  /** Nanoseconds from the last byte of a TLP arriving to its first leaving. */
  readonly latency: number;
}

/** Not architectural: a published range for one hop is 100 to 150 ns. */
export const SWITCH: SwitchSpec = { latency: 120 };

export interface SwitchState {
  /** TLPs that went on, and those that ended here. */
  forwarded: number;
  refused: number;
}

export interface SwitchPort {
  readonly bridge: Bridge;
  readonly end: LinkEnd;
}

/** A port with what has come into it and not left, and what the switch itself answers there. */
class Port {
  readonly bridge: Bridge;
  readonly end: LinkEnd;
  /** Device number on the bus inside, and number for egress control. */
  readonly number: number;
  readonly ingress: TransactionQueue;
  readonly answers: Answers;
  /** Error messages of its own, on their way up. */
  readonly errors = new TransactionQueue(ignore);
  /** The message of its own interrupt, likewise: one that waits stands for those after it. */
  readonly interrupts = new TransactionQueue(ignore);
  readonly delay: Channel<Tlp>;
  readonly egress: PortEgress;
  /** TLPs that wait out the latency, and how many of the first of them a reset has made void. */
  #delayed = 0;
  #void = 0;

  constructor(engine: Engine, { bridge, end }: SwitchPort, place: PortPlace, answer: (completion: Tlp) => void) {
    const { name, number, latency } = place;
    this.bridge = bridge;
    this.end = end;
    end.owner = name;
    this.number = number;
    this.ingress = new TransactionQueue((tlp) => end.forward(tlp));
    this.egress = new PortEgress(end, answer);
    this.answers = new Answers(end, this.egress);
    this.delay = new Channel(engine, `${name} port ${number}`, Infinity, ns(latency));
  }

  /** Passes on what arrives when its time has come. */
  connect(arrive: (tlp: Tlp) => void): void {
    this.end.receive = (tlp) => {
      this.#delayed++;
      this.delay.send(tlp);
    };
    this.delay.receive = (tlp, release) => {
      release();
      this.#delayed--;
      if (this.#void === 0) arrive(tlp);
      else {
        this.#void--;
        this.end.release(tlp);
      }
    };
  }

  /** The link above the switch was reset: what is here is lost. */
  clear(): void {
    this.bridge.conventionalReset();
    this.ingress.reset((tlp) => this.end.release(tlp));
    this.answers.lose();
    for (const own of [this.errors, this.interrupts]) own.reset((tlp) => this.end.give(tlp));
    this.#void = this.#delayed;
  }

  reset(): void {
    this.bridge.reset();
    this.ingress.reset(ignore);
    this.answers.reset();
    this.errors.reset(ignore);
    this.interrupts.reset(ignore);
    this.delay.reset();
    this.#delayed = 0;
    this.#void = 0;
  }
}

interface PortPlace {
  /** Of the switch. */
  readonly name: string;
  readonly number: number;
  readonly latency: number;
}

export class Switch implements Component<SwitchSpec, SwitchState> {
  readonly name: string;
  readonly spec: SwitchSpec;
  readonly state: SwitchState = { forwarded: 0, refused: 0 };
  readonly #upstream: Port;
  readonly #downstream: readonly Port[];
  readonly #all: readonly Port[];
  /** Where the next round begins, so that no port starves another. */
  #first = 0;

  constructor(engine: Engine, name: string, upstream: SwitchPort, downstream: readonly SwitchPort[], spec = SWITCH) {
    this.name = name;
    this.spec = spec;
    const { latency } = spec;
    const answer = (completion: Tlp) => {
      const to = this.#below(completion) ?? this.#upstream;
      to.answers.push(completion, null);
    };
    this.#upstream = new Port(engine, upstream, { name, number: -1, latency }, answer);
    this.#downstream = downstream.map((port, number) => new Port(engine, port, { name, number, latency }, answer));
    this.#all = [this.#upstream, ...this.#downstream];
    for (const { bridge, end, interrupts } of this.#downstream) {
      controlsLink(bridge, end.link);
      sensesSlot(bridge, end, (fill) => {
        if (interrupts.length === 0) interrupts.push(fill(end.take()), this.#upstream.egress);
      });
    }
    this.#upstream.end.onChange = (isUp) => this.#changed(isUp);
    for (const port of this.#all) {
      port.connect((tlp) => this.#arrive(port, tlp));
      port.end.onFree = () => this.#pump();
      tellsErrors(port.bridge, port.end, port.errors, this.#upstream.egress);
    }
  }

  reset(): void {
    for (const port of this.#all) port.reset();
    this.#first = 0;
    Object.assign(this.state, { forwarded: 0, refused: 0 });
  }

  /** A reset of the link above is one of everything below. */
  #changed(isUp: boolean): void {
    if (!isUp) for (const port of this.#all) port.clear();
    for (const { end } of this.#downstream) {
      if (isUp) end.link.goUp();
      else end.link.goDown();
    }
  }

  #pump(): void {
    const all = this.#all;
    this.#first = (this.#first + 1) % all.length;
    for (let i = 0; i < all.length; i++) {
      const port = all[(this.#first + i) % all.length]!;
      port.answers.pump();
      port.errors.pump();
      port.interrupts.pump();
      port.ingress.pump();
    }
  }

  #arrive(from: Port, tlp: Tlp): void {
    if (from.bridge.isOversize(tlp)) {
      this.state.refused++;
      from.bridge.malformed(tlp);
      from.end.release(tlp);
      return;
    }
    if (tlp.isConfigRequest) {
      this.#configure(from, tlp);
      return;
    }
    const status = from === this.#upstream ? CompletionStatus.SUCCESSFUL : from.bridge.judge(tlp);
    const to = status === CompletionStatus.SUCCESSFUL ? this.#route(from, tlp) : status;
    if (typeof to === 'number') this.#refuse(from, tlp, to);
    else this.#forward(from, tlp, to);
  }

  /** The port where a TLP goes on, or the status with which it ends here. */
  #route(from: Port, tlp: Tlp): Port | number {
    if (tlp.isMessage && tlp.routing !== MessageRouting.ID) return this.#routeImplicitly(from, tlp);
    const below = this.#below(tlp);
    if (from === this.#upstream) return below ?? from.bridge.unsupported(tlp);
    if (below === null) {
      // What is within the range of the whole switch and leads to none of its ports is nobody's.
      const isOurs = tlp.isMemoryRequest && this.#upstream.bridge.contains(tlp);
      return isOurs ? from.bridge.unsupported(tlp) : this.#upstream;
    }
    const way = redirect(from.bridge.config.acs, tlp, below.number, below === from);
    if (way === 'blocked') return from.bridge.violated(tlp);
    if (way === 'nobody') return from.bridge.unsupported(tlp);
    return way === 'up' ? this.#upstream : below;
  }

  #routeImplicitly(from: Port, { routing }: Tlp): Port | number {
    const goesUp = routing === MessageRouting.ROOT_COMPLEX || routing === MessageRouting.GATHER;
    return goesUp && from !== this.#upstream ? this.#upstream : CompletionStatus.UNSUPPORTED_REQUEST;
  }

  /** The downstream port that leads to where a TLP wants to go. */
  #below(tlp: Tlp): Port | null {
    const byAddress = tlp.isMemoryRequest;
    const id = tlp.creditClass === CreditClass.COMPLETION ? tlp.requester : tlp.completer;
    for (const port of this.#downstream) {
      if (byAddress ? port.bridge.contains(tlp) : port.bridge.leadsTo(id)) return port;
    }
    return null;
  }

  /** Configuration requests come from above: type 0 is for the upstream port, type 1 for what lies behind it. */
  #configure(from: Port, tlp: Tlp): void {
    if (from !== this.#upstream) {
      this.#refuse(from, tlp, from.bridge.unsupported(tlp));
      return;
    }
    const { bridge } = from;
    const isType0 = tlp.kind === TlpKind.CONFIG_READ_0 || tlp.kind === TlpKind.CONFIG_WRITE_0;
    if (isType0) {
      this.#answer(from, tlp, (tlp.completer & 0xff) === 0 ? bridge : null);
      return;
    }
    if (!bridge.leadsTo(tlp.completer)) {
      this.#refuse(from, tlp, bridge.unsupported(tlp));
    } else if (!bridge.isBeyond(tlp.completer)) {
      const isFunction0 = (tlp.completer & 7) === 0;
      this.#answer(from, tlp, isFunction0 ? (this.#downstream[(tlp.completer >>> 3) & 31]?.bridge ?? null) : null);
    } else {
      const to = this.#downstream.find((port) => port.bridge.leadsTo(tlp.completer));
      if (to === undefined) this.#refuse(from, tlp, bridge.unsupported(tlp));
      else if (!to.bridge.reaches(tlp.completer)) this.#refuse(from, tlp, to.bridge.unsupported(tlp));
      else this.#forward(from, tlp.ofType1(to.bridge.isBeyond(tlp.completer)), to);
    }
  }

  #forward(from: Port, tlp: Tlp, to: Port): void {
    this.state.forwarded++;
    from.ingress.push(tlp, to.egress);
  }

  /** Answers a configuration request for one of the switch's own functions. */
  #answer(from: Port, tlp: Tlp, bridge: Bridge | null): void {
    if (bridge === null) {
      this.#refuse(from, tlp, from.bridge.unsupported(tlp));
      return;
    }
    from.answers.push(answerConfig(bridge, tlp, from.end.take()), tlp);
  }

  /** Ends a TLP here: what wants an answer gets the status. */
  #refuse(from: Port, tlp: Tlp, status: number): void {
    this.state.refused++;
    if (tlp.creditClass === CreditClass.NON_POSTED) {
      from.answers.push(from.end.take().completion(tlp, tlp.completer, status), tlp);
    } else from.end.release(tlp);
  }
}

function ignore(): void {}
