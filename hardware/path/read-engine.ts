/**
 * The device's engine for reads: commands under way up to a number of tags, and one server that puts away what comes, in the
 * order of the commands.
 */
import { pieceLength } from '../pcie/index.ts';
import { type Duration, ns, Ring } from '../sim/index.ts';
import { PathEvent, type PathEvents } from './events.ts';
import { landingTime } from './figures.ts';
import { Milestone, type Shares } from './milestones.ts';
import type { DmaDeviceSpec } from './parameters.ts';
import { Command, type Transaction } from './transaction.ts';

export interface ReadEnds {
  take(command: Command): Transaction;
  give(transaction: Transaction): void;
  send(transaction: Transaction): void;
  /** Sends in `delay`; nothing where a write may come between. */
  readonly sendAhead: ((transaction: Transaction, delay: number) => void) | null;
  /** Fills in what the next command reads; false when there is none for now. */
  next(command: Command): boolean;
}

const ISSUE = 0;
const LANDED = 1;

/** A command with its requests. */
class ReadCommand extends Command {
  readonly parts: Transaction[] = [];
  /** How many of these count: an array that is emptied forgets its room. */
  count = 0;
}

export class ReadEngine {
  readonly #events: PathEvents;
  readonly #shares: Shares;
  readonly #ends: ReadEnds;
  readonly #device: DmaDeviceSpec;
  readonly #issue: Duration;
  readonly #idle: ReadCommand[] = [];
  /** Commands in the order in which they were issued. */
  readonly #order = new Ring<ReadCommand>();
  /** Commands that are about to be issued. */
  readonly #starting = new Ring<ReadCommand>();
  #tags: number;
  /** When the next command may be issued, and when the last one that has come is put away: in an array, so that neither becomes an object. */
  readonly #times = new Float64Array(2);

  constructor(events: PathEvents, device: DmaDeviceSpec, shares: Shares, ends: ReadEnds) {
    this.#events = events;
    this.#shares = shares;
    this.#ends = ends;
    this.#device = device;
    this.#issue = ns(device.readIssue);
    this.#tags = device.tags;
  }

  /** Begins as many commands as there are tags and commands for, from `delay` on. */
  pump(delay = 0): void {
    const { now } = this.#events.engine;
    while (this.#tags > 0) {
      const command = this.#idle.pop() ?? new ReadCommand();
      if (!this.#ends.next(command)) {
        this.#idle.push(command);
        return;
      }
      const from = Math.max(delay, this.#times[ISSUE]! - now);
      this.#begin(command, (from + this.#issue) | 0);
    }
  }

  /** Issues one command in `delay`, without what issuing takes. */
  start(hi: number, lo: number, length: number, delay: Duration, done: (delay: number) => void): void {
    const command = this.#idle.pop() ?? new ReadCommand();
    Object.assign(command, { hi, lo, length, done });
    this.#begin(command, delay);
  }

  /** A command is issued: its requests go out. */
  issued(): void {
    this.#emit(this.#starting.shift(), 0);
  }

  #emit(command: ReadCommand, delay: number): void {
    const { hi, lo, length } = command;
    const { sendAhead } = this.#ends;
    for (let place = 0; place < length; ) {
      const transaction = this.#ends.take(command);
      transaction.isWrite = false;
      transaction.request.addressHi = hi;
      transaction.request.addressLo = (lo + place) | 0;
      transaction.length = pieceLength(lo + place, length - place, this.#device.maxReadRequest);
      place += transaction.length;
      command.parts[command.count++] = transaction;
      if (this.#shares.tasks !== null) {
        const { engine } = this.#events;
        transaction.task = engine.takeId();
        this.#shares.begin(transaction.task, 'DMA read', engine.now + delay);
      }
      if (sendAhead === null) this.#ends.send(transaction);
      else sendAhead(transaction, delay);
    }
  }

  /** So many bytes of a request have come. */
  arrived(transaction: Transaction, bytes: number): void {
    const command = transaction.command as ReadCommand;
    command.left -= bytes;
    const { now } = this.#events.engine;
    for (let first = this.#order.first; first !== undefined && first.left === 0; first = this.#order.first) {
      this.#order.shift();
      const delay = (Math.max(this.#times[LANDED]! - now, 0) + landingTime(this.#device, first.length)) | 0;
      this.#times[LANDED] = now + delay;
      this.#tags++;
      for (let i = 0; i < first.count; i++) {
        const part = first.parts[i]!;
        part.account(this.#shares, Milestone.LANDING, this.#events.engine, delay);
        this.#shares.end(part.task, now + delay);
        this.#ends.give(part);
      }
      first.count = 0;
      this.#idle.push(first);
      first.done(delay);
    }
  }

  reset(): void {
    this.#order.clear();
    this.#starting.clear();
    this.#idle.length = 0;
    this.#tags = this.#device.tags;
    this.#times.fill(0);
  }

  #begin(command: ReadCommand, delay: number): void {
    this.#tags--;
    this.#times[ISSUE] = this.#events.engine.now + delay;
    command.left = command.length;
    this.#order.push(command);
    if (this.#ends.sendAhead !== null) {
      this.#emit(command, delay);
      return;
    }
    this.#starting.push(command);
    this.#events.schedule(delay, PathEvent.ISSUED, 0);
  }
}
