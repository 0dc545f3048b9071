/**
 * An IOMMU in simulated time: the translation agent of a root complex around a unit of either vendor.
 *
 * Needs: the engine, the unit, a memory controller. Offers: `requests` (a channel bounded by credits) and `answers`, as
 * the root complex wants them. A look-up takes a fixed time; a miss waits for a walker, and each of its memory accesses
 * takes the time that memory takes. Hits pass misses. What the unit does by itself (its invalidation queue) runs as a
 * script of its own; its barrier waits for the requests that were accepted before it. Once there is somebody to transmit
 * them, the unit's messages go to devices as TLPs, and an invalidation of a device-TLB lasts until its device has answered.
 *
 * Inaccuracies: one look-up at a time does not delay the next; register accesses are free of charge here.
 */
import { type MemoryController, type MemoryOperation, OperationKind } from '../memory/index.ts';
import { AddressType, ROOT_COMPLEX, type Tlp, type TranslationAgent, type TranslationRequest } from '../pcie/index.ts';
import {
  Channel,
  type Component,
  type Duration,
  type Engine,
  Gate,
  type Handler,
  ns,
  type Script,
  Semaphore,
} from '../sim/index.ts';
import { carryMessage, takeMessage } from './device-traffic.ts';
import { InterruptMessage } from './interrupt-message.ts';
import { Translation } from './translation.ts';
import { serveTranslationRequest } from './translation-requests.ts';
import type { IommuUnit } from './unit.ts';
import type { Walk } from './walk.ts';

/** Not architectural. */
export interface TimedIommuSpec {
  /** Nanoseconds from a request's arrival to the IOTLB's answer. */
  readonly lookup: number;
  /** Requests that may be under way. */
  readonly requests: number;
  /** Walks that may be under way. */
  readonly walkers: number;
  /** Its id in messages to devices, by default the root complex's own: an IOMMU that is a function has that function's. */
  readonly requester?: number;
  /** Nanoseconds that a device has to complete an invalidation of its device-TLB, unless the unit's registers say it. */
  readonly invalidationTimeout?: number;
}

const NOW = ns(0);

/** Plausible for a unit in a root complex. Not architectural. */
export const TIMED_IOMMU: TimedIommuSpec = { lookup: 4, requests: 64, walkers: 8 };
/** Well above the shortest completion time-out of PCI Express, 50 us (VT-d 4.3), and below the patience of drivers. */
const INVALIDATION_TIMEOUT = 5_000_000;

export interface TimedIommuState {
  hits: number;
  /** Requests that the IOTLB alone could not answer. */
  misses: number;
  interrupts: number;
}

/** A place for one request under way. */
interface Slot {
  readonly translation: Translation;
  readonly message: InterruptMessage;
  request: TranslationRequest | null;
  /** Position in the order of acceptance. */
  accepted: number;
}

export class TimedIommu implements TranslationAgent, Handler, Component<TimedIommuSpec, TimedIommuState> {
  readonly name: string;
  readonly spec: TimedIommuSpec;
  readonly state: TimedIommuState = { hits: 0, misses: 0, interrupts: 0 };
  readonly unit: IommuUnit;
  readonly requests: Channel<TranslationRequest>;
  answers: (request: TranslationRequest) => void = () => {
    throw new Error(`${this.name}: an answer is ready and nobody asked`);
  };
  /** Set by the root complex; without one, every interrupt's turn has come. */
  inTurn: (request: TranslationRequest, go: () => void) => void = (_, go) => go();
  readonly #engine: Engine;
  readonly #controller: MemoryController;
  readonly #lookup: Duration;
  readonly #requester: number;
  /** One for all walks: to make each its own would cost more than the name is worth. */
  readonly #walkName: string;
  readonly #slots: Slot[];
  readonly #free: number[];
  #walkers: Semaphore;
  #accepted = 0;
  #answered: Gate;
  #turns: Gate;
  #release: () => void = () => {};

  constructor(engine: Engine, unit: IommuUnit, controller: MemoryController, spec = TIMED_IOMMU, name = 'iommu') {
    this.name = name;
    this.spec = spec;
    this.unit = unit;
    this.#engine = engine;
    this.#controller = controller;
    this.#lookup = ns(spec.lookup);
    this.#requester = spec.requester ?? ROOT_COMPLEX.requester;
    this.#walkName = `${name}: a walk`;
    this.#walkers = new Semaphore(engine, spec.walkers, `${name}: a free walker`);
    this.#answered = new Gate(engine, `${name}: requests under way`);
    this.#turns = new Gate(engine, `${name}: an interrupt's turn`);
    this.#slots = Array.from({ length: spec.requests }, () => ({
      translation: new Translation(),
      message: new InterruptMessage(),
      request: null,
      accepted: 0,
    }));
    this.#free = this.#slots.map((_, i) => i);
    this.requests = new Channel(engine, `${name} requests`, spec.requests, 0 as Duration);
    this.requests.receive = (request, release) => {
      this.#release = release;
      const slot = this.#free.pop()!;
      this.#slots[slot]!.request = request;
      this.#slots[slot]!.accepted = this.#accepted++;
      engine.schedule(this.#lookup, this, slot);
    };
    unit.run = (walk) => {
      engine.spawn(this.#work(walk), `${name}: work of its own`);
    };
    const patience = spec.invalidationTimeout ?? INVALIDATION_TIMEOUT;
    unit.invalidationTimer = (expired, nanoseconds = patience) =>
      engine.schedule(ns(nanoseconds), { handle: expired }, 0);
  }

  /** The look-up of the request in `slot` is over. Called by the engine. */
  handle(slot: number): void {
    const { request, translation: t, message } = this.#slots[slot]!;
    if (request === null) return;
    const { requester, pasid, access, addressHi: hi, addressLo: lo } = request;
    if (request.interrupt) {
      this.state.interrupts++;
      message.ask(requester, hi, lo, request.data);
      this.#engine.spawn(this.#remap(slot, request, message), `${this.name}: interrupt of ${requester}`);
      return;
    }
    t.ask(requester, pasid, access, hi, lo);
    t.addressType = request.addressType;
    if (this.unit.hit(t)) {
      this.state.hits++;
      this.#answer(slot, request, t);
      return;
    }
    this.state.misses++;
    if (request.addressType === AddressType.TRANSLATION) {
      this.#engine.spawn(this.#serve(slot, request, t), this.#walkName);
      return;
    }
    this.#engine.spawn(this.#translate(slot, request, t), this.#walkName);
  }

  /** A message of a device has come; false when it is not for an IOMMU. */
  message(tlp: Tlp): boolean {
    return takeMessage(tlp, this.#requester, this.unit);
  }

  /** Set by the root complex. */
  set transmit(transmit: (fill: (tlp: Tlp) => Tlp) => void) {
    const { devices } = this.unit;
    devices.awaitsCompletions = true;
    devices.taker = (message) => transmit((tlp) => carryMessage(tlp, this.#requester, message));
  }

  reset(): void {
    this.requests.reset();
    this.#walkers = new Semaphore(this.#engine, this.spec.walkers, `${this.name}: a free walker`);
    this.#answered = new Gate(this.#engine, `${this.name}: requests under way`);
    this.#turns = new Gate(this.#engine, `${this.name}: an interrupt's turn`);
    for (const slot of this.#slots) slot.request = null;
    this.#free.splice(0, this.#free.length, ...this.#slots.keys());
    this.#accepted = 0;
    Object.assign(this.state, { hits: 0, misses: 0, interrupts: 0 });
    this.unit.reset();
  }

  *#translate(slot: number, request: TranslationRequest, t: Translation): Script {
    yield this.#walkers.tryAcquire() ? NOW : this.#walkers.acquire();
    yield* this.#timed(this.unit.walk(t));
    this.#walkers.release();
    this.unit.report(t);
    this.#answer(slot, request, t);
  }

  *#serve(slot: number, request: TranslationRequest, t: Translation): Script {
    yield this.#walkers.tryAcquire() ? NOW : this.#walkers.acquire();
    yield* this.#timed(serveTranslationRequest(this.unit, request, t));
    this.#walkers.release();
    this.#finish(slot, request);
  }

  *#remap(slot: number, request: TranslationRequest, message: InterruptMessage): Script {
    yield* this.#timed(this.unit.walkInterrupt(message), request);
    this.unit.reportInterrupt(message);
    request.status = message.status;
    request.hpaHi = message.hi;
    request.hpaLo = message.lo;
    request.data = message.data;
    request.absorbed = !message.delivered;
    this.#finish(slot, request);
  }

  #answer(slot: number, request: TranslationRequest, t: Translation): void {
    request.status = t.status;
    request.hpaHi = t.hpaHi;
    request.hpaLo = t.hpaLo;
    request.snoop = t.snoop;
    this.#finish(slot, request);
  }

  #finish(slot: number, request: TranslationRequest): void {
    this.#slots[slot]!.request = null;
    this.#free.push(slot);
    this.answers(request);
    this.#answered.notify();
    this.#release();
  }

  *#work(walk: Walk): Script {
    yield* this.#timed(walk);
  }

  /** Runs a walk with the time that its accesses take; one of an interrupt waits for its turn, not for all requests. */
  *#timed(walk: Walk, interrupt: TranslationRequest | null = null): Script {
    for (;;) {
      const step = walk.next();
      if (step.done === true) return;
      const { kind, count } = step.value;
      if (kind !== OperationKind.BARRIER) {
        // As `access` of the controller does, without a script of its own for each read.
        yield this.#controller.reserve(count * 4);
        this.#controller.memory.perform(step.value);
      } else if (interrupt === null) yield* this.#drain(step.value);
      else yield* this.#awaitTurn(interrupt, step.value);
    }
  }

  /** Waits until what the device sent before has taken effect (VT-d 5.2.4). */
  *#awaitTurn(request: TranslationRequest, barrier: MemoryOperation): Script {
    let come = false;
    this.inTurn(request, () => {
      come = true;
      this.#turns.notify();
    });
    while (!come) yield this.#turns.wait();
    barrier.ok = true;
  }

  /** Waits until every request that was accepted before has been answered: its access is then in memory's queue. */
  *#drain(barrier: MemoryOperation): Script {
    const mark = this.#accepted;
    while (this.#slots.some((slot) => slot.request !== null && slot.accepted < mark)) yield this.#answered.wait();
    barrier.ok = true;
  }
}
