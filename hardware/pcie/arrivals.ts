/**
 * What devices send to the root complex: memory requests, translated by an agent and done in memory; interrupts; and the
 * completions of the CPU's own requests, which this only keeps in order.
 *
 * A transaction goes: arrival, the root complex's latency, the agent's answer, its turn in the order of its port, memory's
 * time, effect. Agents may answer in any order, and reads of one port overlap.
 */
import { numberOf, PAGE_SIZE, PHYSICAL_BITS } from '../bits/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { type Duration, type Engine, ns } from '../sim/index.ts';
import { Inbound, Step } from './inbound.ts';
import type { RootComplexSpec, RootComplexState } from './root-complex.ts';
import type { RootPort } from './root-port.ts';
import type { Routes } from './routes.ts';
import { AddressType, CompletionStatus } from './spec/index.ts';
import { CreditClass, type Tlp, TlpKind } from './tlp.ts';
import {
  Access,
  completionStatus,
  inInterruptRange,
  isInterrupt,
  type TranslationAgent,
  type TranslationRequest,
  TranslationStatus,
} from './translation.ts';

export class Arrivals {
  agent: TranslationAgent | null = null;
  onInterrupt: (address: number, data: number) => void = ignore;
  /** Takes a completion whose turn has come, and does not keep it. */
  onCompletion: (tlp: Tlp) => void = ignore;
  readonly #engine: Engine;
  readonly #controller: MemoryController;
  readonly #routes: Routes;
  readonly #spec: RootComplexSpec;
  readonly #state: RootComplexState;
  readonly #latency: Duration;
  #idle: Inbound[] = [];
  #all: Inbound[] = [];
  /** Transactions for which the agent has no credit. */
  readonly #waiting: Inbound[] = [];

  constructor(
    engine: Engine,
    controller: MemoryController,
    routes: Routes,
    spec: RootComplexSpec,
    state: RootComplexState,
  ) {
    this.#engine = engine;
    this.#controller = controller;
    this.#routes = routes;
    this.#spec = spec;
    this.#state = state;
    this.#latency = ns(spec.latency);
  }

  attach(agent: TranslationAgent): void {
    this.agent = agent;
    agent.answers = (request) => this.#answered(request);
    agent.inTurn = (request, go) => this.#awaitTurn(request, go);
    agent.requests.onFree = () => {
      while (this.#waiting.length > 0 && agent.requests.canSend) agent.requests.send(this.#waiting.shift()!.request);
    };
  }

  get inFlight(): number {
    return this.#all.length - this.#idle.length;
  }

  /** A TLP arrives at a port. */
  receive(port: RootPort, tlp: Tlp): void {
    if (tlp.creditClass !== CreditClass.COMPLETION && !wellFormed(tlp)) {
      // A malformed TLP is discarded: nobody is told, and a read of it never completes.
      this.#state.malformed++;
      port.end.release(tlp);
      return;
    }
    const inbound = this.#idle.pop() ?? this.#grow();
    inbound.port = port;
    inbound.tlp = tlp;
    inbound.answered = false;
    inbound.finished = false;
    inbound.turn = null;
    inbound.inTurn = false;
    inbound.behind = port.arrived;
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

  /** Asks the agent, or decides without one. */
  ask(inbound: Inbound): void {
    const { request, tlp } = inbound;
    const write = tlp.kind === TlpKind.MEMORY_WRITE;
    request.requester = tlp.requester;
    request.pasid = tlp.pasid;
    request.access =
      (write ? Access.WRITE : Access.READ) |
      (tlp.execute ? Access.EXECUTE : 0) |
      (tlp.privileged ? Access.PRIVILEGED : 0) |
      (tlp.length === 0 ? Access.ZERO_LENGTH : 0);
    request.addressType = tlp.addressType;
    request.addressHi = tlp.addressHi;
    request.addressLo = tlp.addressLo;
    request.length = tlp.length;
    request.interrupt = isInterrupt(tlp);
    request.data = request.interrupt ? tlp.word : 0;
    if (this.agent === null) {
      request.passThrough();
      if (!request.interrupt && inInterruptRange(tlp.addressHi, tlp.addressLo)) {
        request.status = TranslationStatus.UNSUPPORTED_REQUEST;
      }
      this.#answered(request);
    } else if (this.#waiting.length === 0 && this.agent.requests.canSend) {
      this.agent.requests.send(request);
    } else {
      this.#waiting.push(inbound);
    }
  }

  /** Memory has come to this transaction. */
  perform(inbound: Inbound): void {
    const { tlp, request } = inbound;
    const { memory } = this.#controller;
    const address = numberOf(request.hpaHi, request.hpaLo);
    if (tlp.kind === TlpKind.MEMORY_WRITE) {
      const done = tlp.length === 0 || memory.write(address, tlp.data!.subarray(0, tlp.length));
      if (done) this.#state.writes++;
      else this.#state.refused++;
      inbound.finished = true;
      this.#advance(inbound.port);
      return;
    }
    // A zero-length read is answered with one byte of no meaning.
    const bytes = tlp.length === 0 ? NO_MEANING : memory.read(address, tlp.length);
    if (bytes === undefined) {
      this.#refuse(inbound, CompletionStatus.UNSUPPORTED_REQUEST);
      return;
    }
    this.#state.reads++;
    this.#complete(inbound, bytes);
    this.#end(inbound);
  }

  reset(): void {
    for (const inbound of this.#all) inbound.owner = null;
    this.#all = [];
    this.#idle = [];
    this.#waiting.length = 0;
  }

  #answered(request: TranslationRequest): void {
    const inbound = request.owner as Inbound;
    if (inbound.owner === null) return;
    inbound.answered = true;
    if (inbound.inTurn) this.#deliver(inbound);
    if (inbound.tlp.kind === TlpKind.MEMORY_WRITE) this.#advance(inbound.port);
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
    const { port, request, tlp } = inbound;
    if (!inbound.answered || inbound.behind > port.finished) return;
    if (tlp.creditClass === CreditClass.COMPLETION) {
      this.onCompletion(tlp);
      this.#end(inbound);
    } else if (request.status !== TranslationStatus.SUCCESS) {
      this.#refuse(inbound, completionStatus(request.status));
    } else if (!this.#reachesMemory(request) || tlp.addressType === AddressType.TRANSLATION) {
      // Nothing here can carry the answer to a translation request yet.
      this.#refuse(inbound, CompletionStatus.UNSUPPORTED_REQUEST);
    } else {
      this.#engine.schedule(this.#controller.reserve(tlp.length), inbound, Step.PERFORM);
    }
  }

  /** Does what has become possible at a port: issues and finishes posted requests in order, lets held TLPs go. */
  #advance(port: RootPort): void {
    do {
      while (port.issued < port.posted.length && this.#issue(port, port.posted[port.issued]!)) port.issued++;
    } while (this.#finish(port));
  }

  /** Starts the posted request whose turn it is; false when it must wait. */
  #issue(port: RootPort, inbound: Inbound): boolean {
    const { request, tlp } = inbound;
    if (!inbound.answered && inbound.turn === null) return false;
    // Who takes the interrupt looks for the data that was written before it.
    if (port.issued > 0 && (request.interrupt || port.posted[0]!.inTurn)) return false;
    if (inbound.turn !== null) {
      inbound.inTurn = true;
      inbound.turn();
    } else if (request.interrupt) {
      this.#deliver(inbound);
    } else if (request.status !== TranslationStatus.SUCCESS) {
      this.#state.refused++;
      inbound.finished = true;
    } else if (!this.#reachesMemory(request)) {
      this.#state.refused++;
      inbound.finished = true;
    } else {
      this.#engine.schedule(this.#controller.reserve(tlp.length), inbound, Step.PERFORM);
    }
    return true;
  }

  #deliver(inbound: Inbound): void {
    const { request } = inbound;
    const passed = request.status === TranslationStatus.SUCCESS;
    inbound.finished = true;
    this.#state[passed ? 'interrupts' : 'refused']++;
    if (passed && !request.absorbed) this.onInterrupt(numberOf(request.hpaHi, request.hpaLo), request.data);
  }

  /** Takes finished requests off the front of the queue; true when there were any. */
  #finish(port: RootPort): boolean {
    const before = port.finished;
    while (port.posted.length > 0 && port.posted[0]!.finished) {
      const inbound = port.posted.shift()!;
      port.issued--;
      port.finished++;
      this.#end(inbound);
    }
    while (port.held.length > 0 && port.held[0]!.behind <= port.finished) this.#proceed(port.held.shift()!);
    return port.finished !== before;
  }

  /** False for an address that is beyond physical memory or belongs to a device: peer-to-peer is not routed. */
  #reachesMemory(request: TranslationRequest): boolean {
    const { hpaHi, hpaLo, length } = request;
    return hpaHi >>> (PHYSICAL_BITS - 32) === 0 && this.#routes.find(numberOf(hpaHi, hpaLo), length) === null;
  }

  #refuse(inbound: Inbound, status: number): void {
    const { port, tlp } = inbound;
    this.#state.refused++;
    port.end.send(port.end.take().completion(tlp, this.#spec.requester, status));
    this.#end(inbound);
  }

  /** Sends the data in as few completions as payload size and read completion boundary allow. */
  #complete(inbound: Inbound, bytes: Uint8Array): void {
    const { port, tlp } = inbound;
    const { readCompletionBoundary, requester } = this.#spec;
    const payload = Math.min(this.#spec.maxPayload, port.maxPayload);
    for (let from = 0; from < bytes.length; ) {
      const offset = (tlp.addressLo & (PAGE_SIZE - 1)) + from;
      const end = offset + payload;
      const length = Math.min(bytes.length - from, end - (end % readCompletionBoundary) - offset);
      const completion = port.end.take().completionData(tlp, requester, from, length);
      // Most reads fit one completion, and then no view of a part is needed.
      completion.data!.set(length === bytes.length ? bytes : bytes.subarray(from, from + length));
      port.end.send(completion);
      from += length;
    }
  }

  /** The transaction is over: its TLP and credit go back. */
  #end(inbound: Inbound): void {
    inbound.port.end.release(inbound.tlp);
    this.#idle.push(inbound);
  }

  #grow(): Inbound {
    const inbound = new Inbound(this);
    this.#all.push(inbound);
    return inbound;
  }
}

const NO_MEANING = new Uint8Array(1);

/** A memory request that crosses no 4 KiB boundary. */
function wellFormed(tlp: Tlp): boolean {
  return tlp.isMemoryRequest && (tlp.addressLo & (PAGE_SIZE - 1)) + tlp.length <= PAGE_SIZE;
}

function ignore(): void {}
