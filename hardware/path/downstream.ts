/**
 * The link to the device: what memory has answered comes down as completions, in the order in which memory has them.
 *
 * Each completion is one event: when it arrives as far as is known when memory is asked. If memory has another before it after all,
 * it arrives later, and has another event.
 */
import type { Duration, Rate } from '../sim/index.ts';
import { PathEvent, type PathEvents } from './events.ts';
import { completionBytes } from './figures.ts';
import { Milestone, type Shares } from './milestones.ts';
import type { Transaction } from './transaction.ts';

/** Instants of a piece: memory has it; it has left the link, in whole picoseconds and units of the rate beyond these. */
const FETCHED = 0;
const LEFT = 1;
const REST = 2;

/** A part of a read that comes back as one completion. */
class Piece {
  readonly index: number;
  transaction: Transaction | null = null;
  /** Of the request that it answers. */
  bytes = 0;
  /** What it takes on the link, in units of the rate. */
  units = 0;
  /** Its time in memory has an owner. */
  isSettled = false;
  /** Its neighbours in the order in which memory has them. */
  before: Piece | null = null;
  after: Piece | null = null;
  /** In an array, where none of them becomes an object. */
  readonly times = new Float64Array(3);

  constructor(index: number) {
    this.index = index;
  }
}

/** So many bytes of a read have reached the device. */
export type Arrived = (transaction: Transaction, bytes: number) => void;

export class Downstream {
  readonly #events: PathEvents;
  readonly #rate: Rate;
  readonly #latency: Duration;
  readonly #shares: Shares;
  readonly #arrived: Arrived;
  readonly #pieces: Piece[] = [];
  readonly #idle: Piece[] = [];
  #first: Piece | null = null;
  #last: Piece | null = null;
  /** Of what has arrived last. */
  readonly #free = new Float64Array(3);

  constructor(events: PathEvents, rate: Rate, latency: Duration, shares: Shares, arrived: Arrived) {
    this.#events = events;
    this.#rate = rate;
    this.#latency = latency;
    this.#shares = shares;
    this.#arrived = arrived;
  }

  /** A completion that answers so many bytes of a request, and carries `data`, is ready in `delay`. */
  answer(transaction: Transaction, bytes: number, data: number, delay: Duration): void {
    const { now } = this.#events.engine;
    const piece = this.#idle.pop() ?? this.#grow();
    piece.transaction = transaction;
    piece.bytes = bytes;
    piece.units = this.#rate.units(completionBytes(data));
    piece.isSettled = false;
    piece.times[FETCHED] = now + delay;
    transaction.pieces++;
    this.#line(piece);
    for (let behind: Piece | null = piece; behind !== null; behind = behind.after) this.#reckon(behind);
    // Who watches wants to hear of it at its time.
    if (this.#shares.tasks !== null) this.#events.schedule(delay, PathEvent.FETCHED, 0);
    this.#events.schedule(this.#wait(piece, now), PathEvent.ARRIVED, piece.index);
  }

  /** A completion arrives, unless others have come before it. */
  carry(index: number): void {
    const piece = this.#pieces[index]!;
    const { now } = this.#events.engine;
    const wait = this.#wait(piece, now);
    if (wait > 0) {
      this.#events.schedule(wait, PathEvent.ARRIVED, index);
      return;
    }
    const { times, after, bytes } = piece;
    const transaction = piece.transaction!;
    this.#free[LEFT] = times[LEFT]!;
    this.#free[REST] = times[REST]!;
    this.#first = after;
    if (after === null) this.#last = null;
    else after.before = null;
    if (!piece.isSettled) this.#settle(piece);
    this.#idle.push(piece);
    if (--transaction.pieces === 0) transaction.account(this.#shares, Milestone.LINK_DOWN, this.#events.engine, 0);
    this.#arrived(transaction, bytes);
  }

  /** Accounts for what memory has by now. */
  settle(): void {
    const { now } = this.#events.engine;
    for (let piece = this.#first; piece !== null && piece.times[FETCHED]! <= now; piece = piece.after) {
      if (!piece.isSettled) this.#settle(piece);
    }
  }

  #settle(piece: Piece): void {
    const { engine } = this.#events;
    piece.isSettled = true;
    piece.transaction!.account(this.#shares, Milestone.MEMORY, engine, piece.times[FETCHED]! - engine.now);
  }

  reset(): void {
    this.#idle.splice(0, this.#idle.length, ...this.#pieces);
    this.#first = null;
    this.#last = null;
    this.#free.fill(0);
  }

  /** Puts it behind all that memory has no later. */
  #line(piece: Piece): void {
    const fetched = piece.times[FETCHED]!;
    let before = this.#last;
    while (before !== null && before.times[FETCHED]! > fetched) before = before.before;
    const after = before === null ? this.#first : before.after;
    piece.before = before;
    piece.after = after;
    if (before === null) this.#first = piece;
    else before.after = piece;
    if (after === null) this.#last = piece;
    else after.before = piece;
  }

  /** When it has left the link, behind who is before it: an exact fraction, as `LinkClock` has it. */
  #reckon({ before, times, units }: Piece): void {
    const free = before === null ? this.#free : before.times;
    const { denominator } = this.#rate;
    const waits = free[LEFT]! >= times[FETCHED]!;
    const rest = (waits ? free[REST]! : 0) + units;
    const passed = Math.floor(rest / denominator);
    times[LEFT] = (waits ? free[LEFT]! : times[FETCHED]!) + passed;
    times[REST] = rest - passed * denominator;
  }

  /** How long until it arrives. */
  #wait({ times }: Piece, now: number): number {
    return ((times[LEFT]! + (times[REST] === 0 ? 0 : 1) - now) | 0) + this.#latency;
  }

  #grow(): Piece {
    const piece = new Piece(this.#pieces.length);
    this.#pieces.push(piece);
    return piece;
  }
}
