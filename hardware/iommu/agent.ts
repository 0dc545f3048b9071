/**
 * An IOMMU in simulated time: the translation agent of a root complex around a unit of either vendor.
 *
 * Needs: the engine, the unit, a memory controller. Offers: `requests` (a channel bounded by credits) and `answers`, as
 * the root complex wants them. A look-up takes a fixed time; a miss waits for a walker, and each of its memory accesses
 * takes the time that memory takes. Hits pass misses. What the unit does by itself (its invalidation queue) runs as a
 * script of its own; its barrier waits for the requests that were accepted before it. Once there is somebody to transmit
 * them, the unit's messages go to devices as TLPs, and an invalidation of a device-TLB lasts until its device has answered.
 *
 * Inaccuracies: unless `lookupInterval` says so, no look-up delays another; register accesses are free of charge here.
 */
import type { MemoryController } from '../memory/index.ts';
import { AddressType, ROOT_COMPLEX, type Tlp, type TranslationAgent, type TranslationRequest } from '../pcie/index.ts';
import { Channel, type Component, type Duration, type Engine, type Handler, type Milestone, ns } from '../sim/index.ts';
import { Phase, type Slot, Slots } from './agent-slots.ts';
import { carryMessage, takeMessage } from './device-traffic.ts';
import { serveTranslationRequest } from './translation-requests.ts';
import type { IommuUnit } from './unit.ts';
import { WalkMemory, WalkRun } from './walk-run.ts';
import { ENTRY_BYTES, Step } from './walk-steps.ts';
import { Walkers, type WalkersSpec, type WalkStarter } from './walkers.ts';

/** Not architectural. */
export interface TimedIommuSpec extends WalkersSpec {
  /** Nanoseconds from a request's arrival to the IOTLB's answer. */
  readonly lookup: number;
  /** Requests that may be under way. */
  readonly requests: number;
  /** Nanoseconds from one look-up to the next; 0 by default: no look-up then waits for another. */
  readonly lookupInterval?: number;
  /** Nanoseconds of each read of a walk on its way to memory and back, beside memory's own; 0 by default. */
  readonly fetch?: number;
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

export class TimedIommu
  implements TranslationAgent, Handler, WalkStarter<Slot>, Component<TimedIommuSpec, TimedIommuState>
{
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
  readonly #memory: WalkMemory;
  readonly #lookup: Duration;
  readonly #lookupInterval: Duration;
  readonly #requester: number;
  readonly #slots: Slots;
  readonly #walkers: Walkers<Slot>;
  /** When the next look-up may end. */
  #nextLookup = 0;
  #release: () => void = () => {};

  constructor(engine: Engine, unit: IommuUnit, controller: MemoryController, spec = TIMED_IOMMU, name = 'iommu') {
    this.name = name;
    this.spec = spec;
    this.unit = unit;
    this.#engine = engine;
    this.#memory = new WalkMemory(controller, ns(spec.fetch ?? 0), unit.snoopsTables);
    this.#lookup = ns(spec.lookup);
    this.#requester = spec.requester ?? ROOT_COMPLEX.requester;
    this.#lookupInterval = ns(spec.lookupInterval ?? 0);
    this.#walkers = new Walkers(engine, spec, this);
    this.#slots = new Slots(spec.requests, (slot) => this.#runOf(slot));
    this.requests = new Channel(engine, `${name} requests`, spec.requests, NOW);
    this.requests.receive = (request, release) => {
      this.#release = release;
      this.accept(request, NOW);
    };
    const barrier = (run: WalkRun): void => this.#slots.drain(run);
    unit.run = (walk) => {
      new WalkRun(engine, this.#memory, `${name}: work of its own`, barrier, ignore).spawn(walk);
    };
    const patience = spec.invalidationTimeout ?? INVALIDATION_TIMEOUT;
    unit.invalidationTimer = (expired, nanoseconds = patience) =>
      engine.schedule(ns(nanoseconds), { handle: expired }, 0);
  }

  /** There is a place for another request, for who does without the channel. */
  get hasRoom(): boolean {
    return this.#slots.hasRoom;
  }

  /** Takes a request that arrives after `delay`. */
  accept(request: TranslationRequest, delay: Duration): void {
    const slot = this.#slots.take(request);
    request.walked = false;
    if (request.task !== 0) this.#account(request, 'queue');
    this.#engine.schedule((delay + this.#lookup) as Duration, this, slot.index);
  }

  /** The look-up of the request in a slot is over, or a read of its walk. Called by the engine. */
  handle(index: number): void {
    const slot = this.#slots.at(index);
    if (slot.request === null) return;
    if (slot.phase === Phase.READ) this.#step(slot);
    else if (this.#lookupInterval === 0 || this.#hasTurn(slot)) this.#lookUp(slot, slot.request);
  }

  /** The port for look-ups is free, or was kept for this one; else it is kept for it when those before have had it. */
  #hasTurn(slot: Slot): boolean {
    if (slot.phase === Phase.TURN) return true;
    const { now } = this.#engine;
    const wait = Math.max(this.#nextLookup - now, 0);
    this.#nextLookup = now + wait + this.#lookupInterval;
    if (wait === 0) return true;
    slot.phase = Phase.TURN;
    this.#engine.schedule(wait as Duration, this, slot.index);
    return false;
  }

  #lookUp(slot: Slot, request: TranslationRequest): void {
    const { translation: t, message } = slot;
    const { requester, pasid, access, addressHi: hi, addressLo: lo } = request;
    if (request.task !== 0) this.#account(request, 'lookup');
    if (request.interrupt) {
      this.state.interrupts++;
      message.ask(requester, hi, lo, request.data);
      slot.run.start(this.unit.walkInterrupt(message));
      return;
    }
    t.ask(requester, pasid, access, hi, lo);
    t.addressType = request.addressType;
    if (this.unit.hit(t)) {
      this.state.hits++;
      this.#answer(slot, request);
      return;
    }
    this.state.misses++;
    request.walked = true;
    this.#walkers.ask(slot);
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
    this.#slots.reset();
    this.#walkers.reset();
    this.#nextLookup = 0;
    Object.assign(this.state, { hits: 0, misses: 0, interrupts: 0 });
    this.unit.reset();
  }

  #runOf(slot: Slot): WalkRun {
    const barrier = (run: WalkRun): void => this.#barrierOf(slot, run);
    return new WalkRun(this.#engine, this.#memory, `${this.name}: a walk`, barrier, () => this.#walked(slot));
  }

  /** A walker has taken the request, whose look-up has just found nothing. */
  walk(slot: Slot): void {
    const { translation: t, request } = slot;
    if (request!.addressType === AddressType.TRANSLATION) {
      slot.run.start(serveTranslationRequest(this.unit, request!, t));
    } else if (this.unit.begin(t)) {
      slot.phase = Phase.READ;
      this.#read(slot);
    } else {
      slot.run.start(this.unit.walk(t));
    }
  }

  retry(slot: Slot): boolean {
    if (!this.unit.hit(slot.translation)) return false;
    this.#answer(slot, slot.request!);
    return true;
  }

  /** Asks memory for the next entry. */
  #read({ index, translation: { steps } }: Slot): void {
    this.#engine.schedule(this.#memory.read(steps.tableHi, steps.entryLo, ENTRY_BYTES), this, index);
  }

  /** Memory has come to the next entry of a walk that goes entry by entry. */
  #step(slot: Slot): void {
    const { translation: t } = slot;
    const end = this.unit.step(t);
    if (end === Step.MORE) {
      this.#read(slot);
      return;
    }
    if (end === Step.DONE) {
      this.#walked(slot);
      return;
    }
    const walk = this.unit.resume(t);
    slot.run.continue(walk, t.steps.replay(walk, this.#memory.memory));
  }

  /** What a slot was about has come to its end. */
  #walked(slot: Slot): void {
    const request = slot.request!;
    if (request.interrupt) {
      this.#remapped(slot, request);
      return;
    }
    if (request.addressType === AddressType.TRANSLATION) this.#finish(slot, request);
    else {
      this.unit.report(slot.translation);
      this.#answer(slot, request);
    }
    this.#walkers.end(slot, request);
  }

  #remapped(slot: Slot, request: TranslationRequest): void {
    const { message } = slot;
    this.unit.reportInterrupt(message);
    request.status = message.status;
    request.hpaHi = message.hi;
    request.hpaLo = message.lo;
    request.data = message.data;
    request.absorbed = !message.delivered;
    this.#finish(slot, request);
  }

  #answer(slot: Slot, request: TranslationRequest): void {
    const { translation: t } = slot;
    request.status = t.status;
    request.hpaHi = t.hpaHi;
    request.hpaLo = t.hpaLo;
    request.snoop = t.snoop;
    this.#finish(slot, request);
  }

  #finish(slot: Slot, request: TranslationRequest): void {
    this.#slots.leave(slot);
    this.answers(request);
    this.#slots.endDrains();
    this.#release();
  }

  /** A walk of a request waits for a barrier: one of an interrupt waits for its turn, not for all requests. */
  #barrierOf({ request }: Slot, run: WalkRun): void {
    // What the device sent before has to take effect first (VT-d 5.2.4).
    if (request!.interrupt) this.inTurn(request!, () => run.resume());
    else this.#slots.drain(run);
  }

  /** What the traced task of a request has been waiting for here is over. */
  #account({ task }: TranslationRequest, waited: Milestone): void {
    this.#engine.tasks?.milestone(task, waited, this.#engine.now, this.name);
  }
}

function ignore(): void {}
