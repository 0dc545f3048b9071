/** The link from the device: two queues take turns, each TLP after those before it, writes as far as there are posted credits. */
import { type Duration, type Instant, LinkClock, ns, type Rate, Ring } from '../sim/index.ts';
import { PathEvent, type PathEvents } from './events.ts';
import { isSlowAfter, NOBODY, READS, requestBytes } from './figures.ts';
import { Milestone, type Shares } from './milestones.ts';
import type { PathSpec } from './parameters.ts';
import type { Transaction } from './transaction.ts';

export interface UpstreamEnds {
  /** What was sent reaches the root complex in `delay`; called in the order of sending. */
  arrive(transaction: Transaction, delay: number): void;
  /** A write has its last byte on the link in `delay`. */
  sent(transaction: Transaction, delay: number): void;
}

export class Upstream {
  readonly reads = new Ring<Transaction>();
  readonly writes = new Ring<Transaction>();
  readonly #events: PathEvents;
  readonly #shares: Shares;
  readonly #ends: UpstreamEnds;
  readonly #clock: LinkClock;
  readonly #latency: Duration;
  readonly #turnaround: Duration;
  readonly #lines: number;
  #freeLines: number;
  /** In an array, where a number with a fraction does not become an object. */
  readonly #busyUntil = new Float64Array(1);
  #isWoken = false;
  /** Who sent last. */
  #last = NOBODY;

  constructor(events: PathEvents, { device, link, root }: PathSpec, rate: Rate, shares: Shares, ends: UpstreamEnds) {
    this.#events = events;
    this.#shares = shares;
    this.#ends = ends;
    this.#clock = new LinkClock(rate);
    this.#latency = ns(link.latency);
    this.#turnaround = ns(device.turnaround);
    this.#lines = root.postedLines;
    this.#freeLines = root.postedLines;
  }

  /** A request is ready to leave. */
  send(transaction: Transaction): void {
    if (transaction.isWrite) this.writes.push(transaction);
    else this.reads.push(transaction);
    this.#pump();
  }

  /** A read leaves in `delay`, behind those that were sent before it: only where nobody ever writes, so that nothing comes between. */
  sendAhead(transaction: Transaction, delay: number): void {
    const { now } = this.#events.engine;
    transaction.begin(this.#events.engine, delay);
    // Nothing is ahead of it: only who watches learns where it is.
    if (this.#shares.tasks !== null) transaction.account(this.#shares, Milestone.CREDIT, this.#events.engine, delay);
    this.#occupy(transaction, now, delay, requestBytes(0));
  }

  /** Posted credits for so many lines are back. */
  returned(lines: number): void {
    this.#freeLines += lines;
    this.#pump();
  }

  /** The link is free. */
  free(): void {
    this.#isWoken = false;
    this.#pump();
  }

  reset(): void {
    this.reads.clear();
    this.writes.clear();
    this.#clock.reset();
    this.#freeLines = this.#lines;
    this.#busyUntil[0] = 0;
    this.#isWoken = false;
    this.#last = NOBODY;
  }

  #pump(): void {
    const { now } = this.#events.engine;
    if (now < this.#busyUntil[0]!) {
      this.#wake(now);
      return;
    }
    const write = this.writes.first;
    const mayWrite = write !== undefined && write.lines <= this.#freeLines;
    if (mayWrite && (this.reads.length === 0 || this.#last === READS || this.#last === NOBODY)) {
      this.#freeLines -= write.lines;
      this.#transmit(this.writes.shift(), now);
    } else if (this.reads.length > 0) {
      this.#transmit(this.reads.shift(), now);
    }
  }

  #transmit(transaction: Transaction, now: Instant): void {
    const { isWrite, length } = transaction;
    const source = isWrite ? transaction.slot : READS;
    const isSlow = isSlowAfter(this.#last, source);
    this.#last = source;
    transaction.account(this.#shares, Milestone.CREDIT, this.#events.engine, 0);
    const bytes = requestBytes(isWrite ? length : 0);
    const left = this.#occupy(transaction, now, isSlow ? this.#turnaround : 0, bytes);
    if (isWrite) this.#ends.sent(transaction, left);
    if (this.reads.length > 0 || this.writes.length > 0) this.#wake(now);
  }

  /** Puts a TLP onto the link in `delay`, or when it is free; how long from now it has left. */
  #occupy(transaction: Transaction, now: Instant, delay: number, bytes: number): number {
    const left = (delay + this.#clock.occupy((now + delay) as Instant, bytes)) | 0;
    this.#busyUntil[0] = now + left;
    transaction.account(this.#shares, Milestone.LINK_UP, this.#events.engine, left + this.#latency);
    this.#ends.arrive(transaction, left + this.#latency);
    return left;
  }

  /** Looks again when the link is free. */
  #wake(now: Instant): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    this.#events.schedule((this.#busyUntil[0]! - now) | 0, PathEvent.LINK_FREE, 0);
  }
}
