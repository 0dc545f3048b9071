/**
 * What devices send to the root complex: memory requests, translated by an agent and done in memory or by another device;
 * interrupts; messages; and completions, of the CPU's own requests and of those of other devices.
 *
 * A transaction goes: arrival, the root complex's latency, the agent's answer, its turn in the order of its port, memory's
 * time, effect. Agents may answer in any order, and reads of one port overlap.
 */
import { numberOf } from '../bits/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { type Duration, type Engine, type Milestone, ns } from '../sim/index.ts';
import { isOfAgents, isWellFormed } from './admission.ts';
import { AgentQueue } from './agent-queue.ts';
import { Departures } from './departures.ts';
import { Inbound, Step } from './inbound.ts';
import { complete, completeTranslation, fetch, write } from './memory-access.ts';
import type { RootComplexSpec, RootComplexState } from './root-complex.ts';
import { RootPort } from './root-port.ts';
import type { Routes } from './routes.ts';
import { AddressType, CompletionStatus, MessageRouting } from './spec/index.ts';
import { CreditClass, type Tlp, TlpKind } from './tlp.ts';
import { completionStatus, type TranslationAgent, type TranslationRequest, TranslationStatus } from './translation.ts';

/** What the root complex is to what arrives. */
export interface Surroundings {
  readonly name: string;
  readonly spec: RootComplexSpec;
  readonly state: RootComplexState;
  readonly routes: Routes;
  /** The port behind which a function is. */
  readonly portOf: (requester: number) => RootPort | null;
  readonly onInterrupt: (address: number, data: number) => void;
  /** Takes a completion of the CPU's whose turn has come, and the port through which it came; false when nobody waits for it. */
  readonly onCompletion: (tlp: Tlp, port: RootPort) => boolean;
}

export class Arrivals {
  readonly #engine: Engine;
  readonly #controller: MemoryController;
  readonly #root: Surroundings;
  readonly #latency: Duration;
  #idle: Inbound[] = [];
  #all: Inbound[] = [];
  readonly #agents: AgentQueue;
  readonly #departures: Departures;

  constructor(engine: Engine, controller: MemoryController, root: Surroundings) {
    this.#engine = engine;
    this.#controller = controller;
    this.#root = root;
    this.#latency = ns(root.spec.latency);
    this.#agents = new AgentQueue({
      answered: (request) => this.#answered(request),
      awaitTurn: (request, go) => this.#awaitTurn(request, go),
      decided: (inbound) => this.#decide(inbound),
    });
    this.#departures = new Departures({
      ended: (inbound) => this.#end(inbound),
      passedOn: (inbound) => this.#idle.push(inbound),
      finished: (inbound, atOnce) => {
        inbound.finished = true;
        if (!atOnce) this.#advance(inbound.port);
      },
    });
  }

  get agent(): TranslationAgent | null {
    return this.#agents.agent;
  }

  attach(agent: TranslationAgent): void {
    this.#agents.attach(agent);
  }

  get inFlight(): number {
    return this.#all.length - this.#idle.length;
  }

  /** A TLP arrives at a port. */
  receive(port: RootPort, tlp: Tlp): void {
    if (!isWellFormed(tlp) || port.below.isOversize(tlp)) {
      // A malformed TLP is discarded: nobody is told, and a read of it never completes.
      this.#root.state.malformed++;
      port.below.malformed(tlp);
      port.end.release(tlp);
      return;
    }
    const inbound = (this.#idle.pop() ?? this.#grow()).begin(port, tlp);
    inbound.refusal = port.below.judge(tlp);
    if (tlp.creditClass === CreditClass.POSTED) {
      port.arrived++;
      port.posted.push(inbound);
    } else if (port.arrived > port.finished) {
      port.held.push(inbound);
    }
    if (tlp.creditClass !== CreditClass.COMPLETION) this.#engine.schedule(this.#latency, inbound, Step.ASK);
    else {
      inbound.answered = true;
      this.#proceed(inbound);
    }
  }

  /** The root complex's latency is over. */
  ask(inbound: Inbound): void {
    this.#account(inbound, 'route', this.#agents.agent?.name ?? this.#root.name);
    this.#agents.ask(inbound);
  }

  /** Memory has come to this transaction. */
  perform(inbound: Inbound): void {
    this.#account(inbound, 'memory', this.#root.name);
    const { port, tlp, request } = inbound;
    const { state, spec } = this.#root;
    const { memory } = this.#controller;
    const address = numberOf(request.hpaHi, request.hpaLo);
    if (tlp.kind === TlpKind.MEMORY_WRITE) {
      state[write(memory, address, tlp) ? 'writes' : 'refused']++;
      inbound.finished = true;
      this.#advance(port);
      return;
    }
    const bytes = fetch(memory, address, tlp);
    if (bytes === undefined) {
      this.#refuse(inbound, CompletionStatus.UNSUPPORTED_REQUEST);
      return;
    }
    state.reads++;
    this.#departures.endAfter(inbound, complete(port, tlp, bytes, spec));
  }

  /** A TLP of another port, or an answer, has gone down. */
  left(tlp: Tlp): void {
    this.#departures.left(tlp);
  }

  reset(): void {
    for (const inbound of this.#all) inbound.owner = null;
    this.#all = [];
    this.#idle = [];
    this.#agents.reset();
    this.#departures.reset();
  }

  #answered(request: TranslationRequest): void {
    const inbound = request.owner as Inbound;
    if (inbound.owner === null) return;
    this.#account(inbound, 'walk', this.#root.name);
    if (request.status !== TranslationStatus.SUCCESS) inbound.refusal = completionStatus(request.status);
    if (inbound.inTurn) {
      inbound.answered = true;
      this.#deliver(inbound);
    }
    this.#decide(inbound);
  }

  /** It is known what becomes of a request. */
  #decide(inbound: Inbound): void {
    inbound.answered = true;
    if (inbound.tlp.creditClass === CreditClass.POSTED) this.#advance(inbound.port);
    else this.#proceed(inbound);
  }

  #awaitTurn(request: TranslationRequest, go: () => void): void {
    const inbound = request.owner as Inbound;
    if (inbound.owner === null) return;
    inbound.turn = go;
    this.#advance(inbound.port);
  }

  /** Goes on with a read or completion when it is answered and its turn has come. */
  #proceed(inbound: Inbound): void {
    const { port, request, tlp, refusal } = inbound;
    if (!inbound.answered || inbound.behind > port.finished) return;
    if (tlp.creditClass === CreditClass.COMPLETION) {
      this.#passCompletion(inbound);
    } else if (refusal !== CompletionStatus.SUCCESSFUL) {
      this.#refuse(inbound, refusal);
    } else if (tlp.addressType === AddressType.TRANSLATION) {
      this.#completeTranslation(inbound);
    } else {
      const peer = this.#destination(request);
      if (peer === undefined) this.#refuse(inbound, CompletionStatus.UNSUPPORTED_REQUEST);
      else if (peer !== null) this.#forward(inbound, peer);
      else this.#reserve(inbound);
    }
  }

  /** Its turn at memory has come. */
  #reserve(inbound: Inbound): void {
    this.#account(inbound, 'order', this.#controller.name);
    const { hpaHi, hpaLo } = inbound.request;
    const { kind, length } = inbound.tlp;
    const access = kind === TlpKind.MEMORY_WRITE ? 'write' : 'read';
    this.#engine.schedule(this.#controller[access](hpaHi, hpaLo, length), inbound, Step.PERFORM);
  }

  /** Does what has become possible at a port: issues and finishes posted requests in order, lets held TLPs go. */
  #advance(port: RootPort): void {
    do {
      while (port.issued < port.posted.length && this.#issue(port, port.posted[port.issued]!)) port.issued++;
    } while (this.#finish(port));
  }

  /** Starts the posted request whose turn it is; false when it must wait. */
  #issue(port: RootPort, inbound: Inbound): boolean {
    const { request, tlp, refusal, turn } = inbound;
    if (!inbound.answered && turn === null) return false;
    // Who takes an interrupt or a message looks for the data that was written before it.
    const stands = tlp.isMessage || request.interrupt;
    if (port.issued > 0 && (stands || blocks(port.posted[0]!))) return false;
    if (turn !== null) {
      inbound.inTurn = true;
      turn();
    } else if (refusal !== CompletionStatus.SUCCESSFUL) {
      this.#drop(inbound);
    } else if (tlp.isMessage) {
      this.#message(inbound);
    } else if (request.interrupt) {
      this.#deliver(inbound);
    } else {
      const peer = this.#destination(request);
      if (peer === undefined) this.#drop(inbound);
      else if (peer === null) this.#reserve(inbound);
      else if (port.issued > 0) return false;
      else this.#forward(inbound, peer);
    }
    return true;
  }

  #deliver(inbound: Inbound): void {
    const { request, refusal } = inbound;
    if (refusal !== CompletionStatus.SUCCESSFUL) {
      this.#drop(inbound);
      return;
    }
    inbound.finished = true;
    this.#root.state.interrupts++;
    if (!request.absorbed) this.#root.onInterrupt(numberOf(request.hpaHi, request.hpaLo), request.data);
  }

  /** By ID to a device, or to the agent, who alone may tell devices what agents tell them; by ROOT_COMPLEX to the agent, who knows what it takes. */
  #message(inbound: Inbound): void {
    const { port, tlp } = inbound;
    const peer = tlp.routing === MessageRouting.ID && !isOfAgents(tlp) ? this.#root.portOf(tlp.completer) : null;
    if (peer !== null) {
      this.#forward(inbound, peer);
      return;
    }
    if (!this.#agents.agent?.message?.(tlp)) port.below.note(tlp);
    this.#root.state.messages++;
    inbound.finished = true;
  }

  /** Takes finished requests off the front of the queue; true when there were any. */
  #finish(port: RootPort): boolean {
    const before = port.finished;
    while (port.posted.length > 0 && port.posted[0]!.finished) {
      const inbound = port.posted.shift()!;
      port.issued--;
      port.finished++;
      if (inbound.gone) this.#idle.push(inbound);
      else this.#end(inbound);
    }
    while (port.held.length > 0 && port.held[0]!.behind <= port.finished) this.#proceed(port.held.shift()!);
    return port.finished !== before;
  }

  /** The port of the device that has the address, `null` for memory, `undefined` for nobody. */
  #destination({ hpaHi, hpaLo, length }: TranslationRequest): RootPort | null | undefined {
    const to = this.#root.routes.destination(hpaHi, hpaLo, length);
    return to instanceof RootPort && !this.#root.spec.peerToPeer ? undefined : to;
  }

  #forward(inbound: Inbound, peer: RootPort): void {
    this.#root.state.forwarded++;
    this.#departures.forward(inbound, peer);
  }

  #passCompletion(inbound: Inbound): void {
    const { tlp, port } = inbound;
    this.#account(inbound, 'order', this.#root.name);
    const { spec, portOf, onCompletion } = this.#root;
    const isOwn = tlp.requester === spec.requester;
    const peer = isOwn ? null : portOf(tlp.requester);
    // Between ports that pass no requests on there is nothing to answer; a port may get back what was redirected below it.
    if (peer !== null && (spec.peerToPeer || peer === port)) {
      this.#forward(inbound, peer);
      return;
    }
    if (!isOwn || !onCompletion(tlp, port)) port.below.unsupported(tlp);
    this.#end(inbound);
  }

  #completeTranslation(inbound: Inbound): void {
    const { port, request, tlp } = inbound;
    if (request.translated === 0) {
      // Nobody here translates.
      this.#refuse(inbound, CompletionStatus.UNSUPPORTED_REQUEST);
      return;
    }
    this.#departures.endAfter(inbound, completeTranslation(port, tlp, request, this.#root.spec));
  }

  #refuse(inbound: Inbound, status: number): void {
    const { port, tlp } = inbound;
    this.#root.state.refused++;
    const completion = port.end
      .take()
      .completion(tlp, this.#root.spec.requester, status, port.below.ordersCompletionsById);
    port.push(completion);
    this.#departures.endAfter(inbound, completion);
  }

  #drop(inbound: Inbound): void {
    this.#root.state.refused++;
    inbound.finished = true;
  }

  /** The transaction is over: its TLP and credit go back. */
  #end(inbound: Inbound): void {
    inbound.port.end.release(inbound.tlp);
    this.#idle.push(inbound);
  }

  /** What the traced task of a TLP has been waiting for here is over. */
  #account({ tlp: { task } }: Inbound, waited: Milestone, where: string): void {
    const { tasks, now } = this.#engine;
    if (tasks !== null && task !== 0) tasks.milestone(task, waited, now, where);
  }

  #grow(): Inbound {
    const inbound = new Inbound(this);
    this.#all.push(inbound);
    return inbound;
  }
}

/** Nothing is begun behind it: an interrupt that is being recorded, a write on its way to another device. */
function blocks({ inTurn, gone }: Inbound): boolean {
  return inTurn || gone;
}
