/**
 * The port of a device whose requests are translated strictly in order: while one walks, whatever came after it waits, in a buffer of
 * the root complex as long as there is room, and then in the device. What a burst takes is therefore the larger of its time on
 * the link and of its look-ups and walks, and many small misses are a small bandwidth.
 *
 * Surface: `write` bursts while `isFree`; `access` what else the device reads and writes, which is small and goes first; `walks`
 * says what translation has cost. Needs the IOMMU alone: nobody else may use it.
 *
 * Inaccuracies: only the first TLP in a page is asked for, and those behind it in that page take the time of a hit; what is not a
 * burst takes no time on the link; credits of posted writes, which a burst holds while it is buffered and until it is visible, bound
 * nothing beyond the buffer.
 */
import { PAGE_SIZE } from '../bits/index.ts';
import type { TimedIommu } from '../iommu/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { Access, linkRate, type PayloadSize, TranslationRequest, TranslationStatus } from '../pcie/index.ts';
import { type Duration, type Engine, type Handler, LinkClock, ns, Ring } from '../sim/index.ts';
import { chunksOf, requestBytes } from './figures.ts';
import { Milestone, Shares } from './milestones.ts';
import type { PathLinkSpec } from './parameters.ts';

export interface OrderedPortSpec {
  readonly link: PathLinkSpec;
  readonly maxPayload: PayloadSize;
  /** TLPs for which the root complex has room before their translation. */
  readonly waiting: number;
  /** Nanoseconds from translation until everybody sees a write. */
  readonly visible: number;
}

export interface OrderedPortParts {
  readonly controller: MemoryController;
  /** Without one, addresses pass as they are. */
  readonly agent: TimedIommu | null;
  readonly requester: number;
}

/** A part of a burst within one page. */
export interface BurstPiece {
  readonly hi: number;
  readonly lo: number;
  readonly length: number;
}

/** Consecutive writes of a device. */
export interface Burst {
  readonly pieces: readonly BurstPiece[];
  /** Everybody sees all of it. */
  readonly done: () => void;
}

class Pending {
  readonly burst: Burst;
  readonly tlps: number;
  /** The instant up to which its time has an owner. */
  since: number;

  constructor(burst: Burst, tlps: number, now: number) {
    this.burst = burst;
    this.tlps = tlps;
    this.since = now;
  }
}

interface Small {
  readonly hi: number;
  readonly lo: number;
  readonly access: number;
  readonly done: () => void;
}

/** A walk reads one entry of each level of a table at most, and what leads to the table. */
const MOST_READS = 8;
/** What an event says. */
const Phase = { SENT: 0, ARRIVED: 1, LOOKED_UP: 2, PASSED: 3 } as const;
const NOW = ns(0);

export class OrderedPort implements Handler {
  readonly name = 'a port that translates in order';
  readonly shares = new Shares();
  /** Requests by the reads of memory that their walk took; none for a hit. */
  readonly walks = new Float64Array(MOST_READS + 1);
  /** Requests whose translation failed. */
  faults = 0;
  /** Called when another burst may be written. */
  free: () => void = () => {};
  readonly #engine: Engine;
  readonly #spec: OrderedPortSpec;
  readonly #parts: OrderedPortParts;
  readonly #clock: LinkClock;
  readonly #lookup: Duration;
  readonly #request = new TranslationRequest();
  readonly #onWay = new Ring<Pending>();
  readonly #waiting = new Ring<Pending>();
  readonly #small = new Ring<Small>();
  /** Translated, and not yet seen by everybody. */
  readonly #passing = new Ring<Pending>();
  /** TLPs in the buffer, those on the link included. */
  #buffered = 0;
  #isSending = false;
  /** What is being translated, and which piece of it. */
  #current: Pending | null = null;
  #piece = 0;
  #done: () => void = ignore;
  #isBusy = false;
  #readsBefore = 0;

  constructor(engine: Engine, spec: OrderedPortSpec, parts: OrderedPortParts) {
    const { link, maxPayload } = spec;
    this.#engine = engine;
    this.#spec = spec;
    this.#parts = parts;
    this.#clock = new LinkClock(linkRate(link.generation, link.width, link.dllp, maxPayload));
    this.#lookup = ns(parts.agent?.spec.lookup ?? 0);
    this.#request.requester = parts.requester;
    if (parts.agent !== null) parts.agent.answers = (request) => this.#answered(request);
  }

  /** The link is free and the root complex has room for something. */
  get isFree(): boolean {
    return !this.#isSending && this.#buffered < this.#spec.waiting;
  }

  reset(): void {
    for (const queue of [this.#onWay, this.#waiting, this.#small, this.#passing]) queue.clear();
    this.shares.reset();
    this.walks.fill(0);
    this.faults = 0;
    this.#clock.reset();
    this.#buffered = 0;
    this.#isSending = false;
    this.#current = null;
    this.#isBusy = false;
  }

  /** Begins to send a burst, which the device has had since `since`. */
  write(burst: Burst, since: number = this.#engine.now): void {
    const { maxPayload, link } = this.#spec;
    const { now } = this.#engine;
    let [tlps, bytes] = [0, 0];
    for (const { lo, length } of burst.pieces) {
      const count = chunksOf(lo, length, maxPayload);
      tlps += count;
      bytes += (count - 1) * requestBytes(0) + requestBytes(length);
    }
    const pending = new Pending(burst, tlps, since);
    this.#account(pending, Milestone.CREDIT, NOW);
    this.#isSending = true;
    this.#buffered += tlps;
    this.#onWay.push(pending);
    const left = (this.#clock.reserve(now, bytes) - now) as Duration;
    this.#account(pending, Milestone.LINK_UP, (left + ns(link.latency)) as Duration);
    this.#engine.schedule(left, this, Phase.SENT);
    this.#engine.schedule((left + ns(link.latency)) as Duration, this, Phase.ARRIVED);
  }

  /** The device reads or writes something small of its own: a descriptor, a completion, a doorbell record. `done`: it is translated. */
  access(hi: number, lo: number, access: number, done: () => void = ignore): void {
    if (this.#parts.agent === null) {
      done();
      return;
    }
    this.#small.push({ hi, lo, access, done });
    this.#pump();
  }

  /** Called by the engine. */
  handle(phase: number): void {
    if (phase === Phase.SENT) {
      this.#isSending = false;
      this.free();
    } else if (phase === Phase.ARRIVED) {
      this.#waiting.push(this.#onWay.shift());
      this.#pump();
    } else if (phase === Phase.LOOKED_UP) this.#next();
    else this.#passed();
  }

  #account(pending: Pending, milestone: number, delay: Duration): void {
    const at = this.#engine.now + delay;
    this.shares.sums[milestone]! += at - pending.since;
    pending.since = at;
  }

  /** Begins to translate what is first. */
  #pump(): void {
    if (this.#isBusy) return;
    if (this.#small.length > 0) {
      const { hi, lo, access, done } = this.#small.shift();
      this.#isBusy = true;
      this.#done = done;
      this.#ask(hi, lo, access);
      return;
    }
    if (this.#waiting.length === 0) return;
    const first = this.#waiting.shift();
    this.#isBusy = true;
    this.#current = first;
    this.#account(first, Milestone.ORDER, NOW);
    this.#piece = -1;
    this.#next();
  }

  /** The next page of what is being translated. */
  #next(): void {
    const current = this.#current!;
    this.#piece++;
    const piece = current.burst.pieces[this.#piece];
    if (piece === undefined || this.#parts.agent === null) this.#pass(current);
    else this.#ask(piece.hi, piece.lo, Access.WRITE);
  }

  #ask(hi: number, lo: number, access: number): void {
    const { agent, controller } = this.#parts;
    const request = this.#request;
    request.access = access;
    request.addressHi = hi;
    request.addressLo = lo;
    request.length = 1;
    this.#readsBefore = controller.state.accesses;
    agent!.accept(request, NOW);
  }

  #answered(request: TranslationRequest): void {
    const reads = this.#parts.controller.state.accesses - this.#readsBefore;
    this.walks[Math.min(reads, MOST_READS)]!++;
    if (request.status !== TranslationStatus.SUCCESS) this.faults++;
    const current = this.#current;
    if (current === null) {
      this.#isBusy = false;
      this.#done();
      this.#pump();
      return;
    }
    const { now } = this.#engine;
    const { sums } = this.shares;
    sums[Milestone.LOOKUP]! += this.#lookup;
    sums[Milestone.WALK]! += now - current.since - this.#lookup;
    current.since = now;
    const { lo, length } = current.burst.pieces[this.#piece]!;
    const others = ((chunksOf(lo, length, this.#spec.maxPayload) - 1) * this.#lookup) as Duration;
    this.#account(current, Milestone.LOOKUP, others);
    this.#engine.schedule(others, this, Phase.LOOKED_UP);
  }

  /** All of a burst is translated. */
  #pass(pending: Pending): void {
    const visible = ns(this.#spec.visible);
    this.#current = null;
    this.#isBusy = false;
    this.#buffered -= pending.tlps;
    this.#account(pending, Milestone.MEMORY, visible);
    this.#passing.push(pending);
    this.#engine.schedule(visible, this, Phase.PASSED);
    this.#pump();
    this.free();
  }

  #passed(): void {
    this.shares.requests++;
    this.#passing.shift().burst.done();
  }
}

function ignore(): void {}

/** What a write of `length` bytes is, page by page, where `pageOf` says which I/O page holds each page of it, and `offset` where it begins. */
export function burstPieces(offset: number, length: number, pageOf: (index: number) => number): BurstPiece[] {
  const pieces: BurstPiece[] = [];
  for (let at = offset; at < offset + length; ) {
    const end = Math.min(offset + length, (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE);
    const page = pageOf(Math.floor(at / PAGE_SIZE));
    const lo = ((page * PAGE_SIZE) | 0) + (at % PAGE_SIZE);
    pieces.push({ hi: Math.floor(page / 2 ** 20), lo: lo | 0, length: end - at });
    at = end;
  }
  return pieces;
}
