/**
 * The root complex on the path: the order of what arrives, its translation, memory, and the way back.
 *
 * Writes take effect in order, each after its translation; a read waits for the writes that came before it. Hits pass misses.
 *
 * Inaccuracies: a completion does not wait for the credits of the device; a write that allocates in the cache costs no bandwidth.
 */
import { numberOf } from '../bits/index.ts';
import type { TimedIommu } from '../iommu/index.ts';
import type { MemoryController } from '../memory/index.ts';
import { Access, pieceLength, type TranslationRequest, TranslationStatus } from '../pcie/index.ts';
import { type Duration, LinkClock, ns, type Rate, Ring } from '../sim/index.ts';
import { PathEvent, type PathEvents } from './events.ts';
import { completionBytes } from './figures.ts';
import { Milestone, type Shares } from './milestones.ts';
import type { PathSpec } from './parameters.ts';
import type { Transaction, TransactionPool } from './transaction.ts';
import { WriteCache } from './write-cache.ts';

export interface RootEnds {
  /** Posted credits for so many lines are back. */
  returned(lines: number): void;
  /** So many bytes of a read have reached the device. */
  arrived(transaction: Transaction, bytes: number): void;
  give(transaction: Transaction): void;
}

export interface RootParts {
  readonly controller: MemoryController;
  /** Without one, addresses pass as they are. */
  readonly agent: TimedIommu | null;
  readonly shares: Shares;
  readonly pool: TransactionPool;
}

/** A part of a read that comes back as one completion. */
class Piece {
  readonly index: number;
  transaction: Transaction | null = null;
  /** Of the request that it answers. */
  bytes = 0;
  /** Bytes of data that it carries: none when the translation failed. */
  data = 0;

  constructor(index: number) {
    this.index = index;
  }
}

export class Root {
  /** Requests whose translation failed. */
  faults = 0;
  readonly #events: PathEvents;
  readonly #spec: PathSpec;
  readonly #shares: Shares;
  readonly #ends: RootEnds;
  readonly #controller: MemoryController;
  readonly #agent: TimedIommu | null;
  readonly #lookup: Duration;
  readonly #latency: Duration;
  readonly #down: LinkClock;
  readonly #written: WriteCache;
  readonly #transactions: readonly Transaction[];
  readonly #pieces: Piece[] = [];
  readonly #idle: Piece[] = [];
  readonly #posted = new Ring<Transaction>();
  /** Reads behind writes that nobody sees yet. */
  readonly #held = new Ring<Transaction>();
  /** Requests for which the IOMMU has no room. */
  readonly #waiting = new Ring<Transaction>();
  #arrived = 0;
  #visible = 0;
  /** When the next read may be taken: in an array, so that it does not become an object. */
  readonly #nextRead = new Float64Array(1);

  constructor(
    events: PathEvents,
    spec: PathSpec,
    rate: Rate,
    { controller, agent, shares, pool }: RootParts,
    ends: RootEnds,
  ) {
    this.#events = events;
    this.#spec = spec;
    this.#shares = shares;
    this.#ends = ends;
    this.#controller = controller;
    this.#transactions = pool.all;
    this.#agent = agent;
    this.#lookup = ns(agent?.spec.lookup ?? 0);
    this.#latency = ns(spec.link.latency);
    this.#down = new LinkClock(rate);
    this.#written = new WriteCache(spec.root.writeCache);
    if (agent !== null) agent.answers = (request) => this.#answered(request);
  }

  /** A request comes from the link in `delay`, behind all that were announced before it. */
  arrive(transaction: Transaction, delay: number): void {
    if (transaction.isWrite) {
      this.#posted.push(transaction);
      this.#arrived++;
      this.#translate(transaction, delay);
      return;
    }
    const { now } = this.#events.engine;
    const { request, byte } = this.#spec.root.read;
    const from = Math.max(delay, this.#nextRead[0]! - now) | 0;
    this.#nextRead[0] = now + from + Math.floor((request + transaction.length * byte) * 1000);
    transaction.writesBefore = this.#arrived;
    transaction.account(this.#shares, Milestone.ORDER, now, from);
    this.#translate(transaction, from);
  }

  /** What has happened to a request or a piece of one. */
  carry(event: number, index: number): void {
    switch (event) {
      case PathEvent.TRANSLATED:
        this.#translated(this.#transactions[index]!);
        break;
      case PathEvent.VISIBLE:
        this.#becomeVisible(this.#transactions[index]!);
        break;
      case PathEvent.FETCHED:
        this.#fetched(this.#pieces[index]!);
        break;
      default:
        this.#comeDown(this.#pieces[index]!);
    }
  }

  /** The CPU has touched these bytes last, as far as the part holds them into which devices write. */
  warm(start: number, length: number): void {
    this.#written.warm(start, length);
  }

  reset(): void {
    this.faults = 0;
    this.#down.reset();
    this.#written.clear();
    this.#idle.splice(0, this.#idle.length, ...this.#pieces);
    for (const queue of [this.#posted, this.#held, this.#waiting]) queue.clear();
    this.#arrived = 0;
    this.#visible = 0;
    this.#nextRead[0] = 0;
  }

  #translate(transaction: Transaction, delay: number): void {
    const { request, isWrite, length } = transaction;
    if (this.#agent === null) {
      request.passThrough();
      this.#events.schedule(delay, PathEvent.TRANSLATED, transaction.index);
      return;
    }
    request.access = isWrite ? Access.WRITE : Access.READ;
    request.length = length;
    if (this.#agent.hasRoom && this.#waiting.length === 0) this.#agent.accept(request, delay as Duration);
    else this.#waiting.push(transaction);
  }

  #answered(request: TranslationRequest): void {
    const transaction = request.owner as Transaction;
    const { now } = this.#events.engine;
    if (request.walked) {
      transaction.accountFor(this.#shares, Milestone.LOOKUP, this.#lookup);
      transaction.account(this.#shares, Milestone.WALK, now, 0);
    } else {
      transaction.account(this.#shares, Milestone.LOOKUP, now, 0);
    }
    if (this.#waiting.length > 0) this.#agent!.accept(this.#waiting.shift().request, ns(0));
    this.#translated(transaction);
  }

  #translated(transaction: Transaction): void {
    transaction.translated = true;
    if (!transaction.isWrite) {
      if (transaction.writesBefore > this.#visible) this.#held.push(transaction);
      else this.#fetch(transaction);
      return;
    }
    for (let first = this.#posted.first; first?.translated === true; first = this.#posted.first) {
      this.#posted.shift();
      first.account(this.#shares, Milestone.ORDER, this.#events.engine.now, 0);
      this.#events.schedule(this.#writeTime(first), PathEvent.VISIBLE, first.index);
    }
  }

  /** How long it takes until everybody sees a write whose turn has come. */
  #writeTime({ request, lines }: Transaction): Duration {
    if (request.status !== TranslationStatus.SUCCESS) {
      this.faults++;
      return ns(0);
    }
    const { visible, allocate } = this.#spec.root.write;
    const isHere = this.#written.write(numberOf(request.hpaHi, request.hpaLo), lines);
    return ns(isHere ? visible : visible + allocate);
  }

  #becomeVisible(transaction: Transaction): void {
    transaction.account(this.#shares, Milestone.MEMORY, this.#events.engine.now, 0);
    this.#shares.end(transaction.task, this.#events.engine.now);
    this.#visible++;
    const { command, isLast, lines } = transaction;
    this.#ends.give(transaction);
    if (isLast) command!.done(0);
    for (let first = this.#held.first; first !== undefined; first = this.#held.first) {
      if (first.writesBefore > this.#visible) break;
      this.#fetch(this.#held.shift());
    }
    this.#ends.returned(lines);
  }

  /** Reads memory for a request, in parts as large as its completions. */
  #fetch(transaction: Transaction): void {
    transaction.account(this.#shares, Milestone.ORDER, this.#events.engine.now, 0);
    const { request, length } = transaction;
    if (request.status !== TranslationStatus.SUCCESS) {
      this.faults++;
      this.#answer(transaction, length, 0, ns(0));
      return;
    }
    const { hpaHi, hpaLo } = request;
    for (let place = 0; place < length; ) {
      const lo = (hpaLo + place) | 0;
      const bytes = pieceLength(lo, length - place, this.#spec.root.maxPayload);
      // A request stays within 4 KiB, so that the high half is that of all.
      this.#answer(transaction, bytes, bytes, this.#controller.read(hpaHi, lo, bytes));
      place += bytes;
    }
  }

  /** A completion that answers so many bytes of a request is ready in `delay`. */
  #answer(transaction: Transaction, bytes: number, data: number, delay: Duration): void {
    const piece = this.#idle.pop() ?? this.#grow();
    piece.transaction = transaction;
    piece.bytes = bytes;
    piece.data = data;
    transaction.pieces++;
    this.#events.schedule(delay, PathEvent.FETCHED, piece.index);
  }

  #fetched(piece: Piece): void {
    const { now } = this.#events.engine;
    piece.transaction!.account(this.#shares, Milestone.MEMORY, now, 0);
    const end = this.#down.reserve(now, completionBytes(piece.data));
    const delay = ((end - now) | 0) + this.#latency;
    this.#events.schedule(delay, PathEvent.ARRIVED, piece.index);
  }

  #comeDown(piece: Piece): void {
    const transaction = piece.transaction!;
    this.#idle.push(piece);
    if (--transaction.pieces === 0) transaction.account(this.#shares, Milestone.LINK_DOWN, this.#events.engine.now, 0);
    this.#ends.arrived(transaction, piece.bytes);
  }

  #grow(): Piece {
    const piece = new Piece(this.#pieces.length);
    this.#pieces.push(piece);
    return piece;
  }
}
