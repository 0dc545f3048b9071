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
import { type Duration, ns, type Rate, Ring } from '../sim/index.ts';
import { type Arrived, Downstream } from './downstream.ts';
import { PathEvent, type PathEvents } from './events.ts';
import { readGap, writeTime } from './figures.ts';
import { Milestone, type Shares } from './milestones.ts';
import type { PathSpec } from './parameters.ts';
import type { Transaction, TransactionPool } from './transaction.ts';
import { WriteCache } from './write-cache.ts';

export interface RootEnds {
  /** Posted credits for so many lines are back. */
  returned(lines: number): void;
  readonly arrived: Arrived;
  give(transaction: Transaction): void;
}

export interface RootParts {
  readonly controller: MemoryController;
  /** Without one, addresses pass as they are. */
  readonly agent: TimedIommu | null;
  readonly shares: Shares;
  readonly pool: TransactionPool;
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
  readonly #down: Downstream;
  readonly #written: WriteCache;
  readonly #transactions: readonly Transaction[];
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
    this.#down = new Downstream(events, rate, ns(spec.link.latency), shares, ends.arrived);
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
    const { engine } = this.#events;
    const { now } = engine;
    const from = Math.max(delay, this.#nextRead[0]! - now) | 0;
    this.#nextRead[0] = now + from + readGap(this.#spec.root, transaction.length);
    transaction.writesBefore = this.#arrived;
    transaction.account(this.#shares, Milestone.ORDER, engine, from);
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
        this.#down.settle();
        break;
      default:
        this.#down.carry(index);
    }
  }

  /** Accounts for what has happened until now. */
  settle(): void {
    this.#down.settle();
  }

  /** The CPU has touched these bytes last, as far as the part holds them into which devices write. */
  warm(start: number, length: number): void {
    this.#written.warm(start, length);
  }

  reset(): void {
    this.faults = 0;
    this.#down.reset();
    this.#written.clear();
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
    const { engine } = this.#events;
    if (request.walked) {
      transaction.accountFor(this.#shares, Milestone.LOOKUP, this.#lookup);
      transaction.account(this.#shares, Milestone.WALK, engine, 0);
    } else {
      transaction.account(this.#shares, Milestone.LOOKUP, engine, 0);
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
      first.account(this.#shares, Milestone.ORDER, this.#events.engine, 0);
      this.#events.schedule(this.#writeTime(first), PathEvent.VISIBLE, first.index);
    }
  }

  /** How long it takes until everybody sees a write whose turn has come. */
  #writeTime({ request, lines }: Transaction): Duration {
    if (request.status !== TranslationStatus.SUCCESS) {
      this.faults++;
      return ns(0);
    }
    return writeTime(this.#spec.root, this.#written.write(numberOf(request.hpaHi, request.hpaLo), lines));
  }

  #becomeVisible(transaction: Transaction): void {
    transaction.account(this.#shares, Milestone.MEMORY, this.#events.engine, 0);
    this.#shares.end(transaction.task, this.#events.engine.now);
    this.#visible++;
    const { command, isLast, lines } = transaction;
    this.#ends.give(transaction);
    if (isLast) command!.done(0);
    for (let first = this.#held.first; first !== undefined; first = this.#held.first) {
      if (first.writesBefore > this.#visible) break;
      first.account(this.#shares, Milestone.ORDER, this.#events.engine, 0);
      this.#fetch(this.#held.shift());
    }
    this.#ends.returned(lines);
  }

  /** Reads memory for a request, in parts as large as its completions. */
  #fetch(transaction: Transaction): void {
    // Nothing has kept it: only who watches learns that it is there.
    if (this.#shares.tasks !== null) transaction.account(this.#shares, Milestone.ORDER, this.#events.engine, 0);
    const { request, length } = transaction;
    if (request.status !== TranslationStatus.SUCCESS) {
      this.faults++;
      this.#down.answer(transaction, length, 0, ns(0));
      return;
    }
    const { hpaHi, hpaLo } = request;
    for (let place = 0; place < length; ) {
      const lo = (hpaLo + place) | 0;
      const bytes = pieceLength(lo, length - place, this.#spec.root.maxPayload);
      // A request stays within 4 KiB, so that the high half is that of all.
      const isWritten = this.#written.holds(hpaHi, lo);
      this.#down.answer(transaction, bytes, bytes, this.#controller.read(hpaHi, lo, bytes, isWritten));
      place += bytes;
    }
  }
}
