/** The device's engine for writes: one command at a time, cut into TLPs that wait in a short queue for the link. */
import { pieceLength } from '../pcie/index.ts';
import { type Duration, ns } from '../sim/index.ts';
import { PathEvent, type PathEvents } from './events.ts';
import { blocksIn, linesOf } from './figures.ts';
import type { Shares } from './milestones.ts';
import type { DmaDeviceSpec } from './parameters.ts';
import type { Command, Transaction } from './transaction.ts';

export interface WriteEnds {
  take(command: Command): Transaction;
  send(transaction: Transaction): void;
  /** The engine has put a command together and can begin another. */
  idle(): void;
}

export class WriteEngine {
  readonly #events: PathEvents;
  readonly #shares: Shares;
  readonly #ends: WriteEnds;
  readonly #command: Duration;
  readonly #block: Duration;
  readonly #fifo: number;
  readonly #maxPayload: number;
  #current: Command | null = null;
  #building: Transaction | null = null;
  #place = 0;
  #slot = 0;
  /** TLPs that are put together, wait, or are on their way onto the link. */
  #inFifo = 0;
  #isStalled = false;

  constructor(events: PathEvents, device: DmaDeviceSpec, shares: Shares, ends: WriteEnds) {
    this.#events = events;
    this.#shares = shares;
    this.#ends = ends;
    this.#command = ns(device.write.command);
    this.#block = ns(device.write.block);
    this.#fifo = device.writeFifo;
    this.#maxPayload = device.maxPayload;
  }

  get isBusy(): boolean {
    return this.#current !== null;
  }

  /** Begins a command in `delay`. Only one that is not busy does. */
  start(command: Command, delay: Duration): void {
    this.#current = command;
    this.#place = 0;
    this.#slot = 0;
    this.#next((delay + this.#command) as Duration);
  }

  /** A TLP has its last byte on the link in `delay`. */
  sent(delay: number): void {
    if (this.#isStalled) this.#events.schedule(delay, PathEvent.ROOM, 0);
    else this.#inFifo--;
  }

  /** There is room for another TLP. */
  room(): void {
    this.#inFifo--;
    this.#isStalled = false;
    this.#next(NOW);
  }

  /** A TLP is put together. */
  built(): void {
    const transaction = this.#building!;
    this.#building = null;
    this.#ends.send(transaction);
    if (this.#place < this.#current!.length) {
      this.#next(NOW);
      return;
    }
    this.#current = null;
    this.#ends.idle();
  }

  reset(): void {
    this.#current = null;
    this.#building = null;
    this.#inFifo = 0;
    this.#isStalled = false;
  }

  /** Puts the next TLP together, from `delay` on. */
  #next(delay: Duration): void {
    if (this.#inFifo >= this.#fifo) {
      this.#isStalled = true;
      return;
    }
    const command = this.#current!;
    const place = this.#place;
    const lo = (command.lo + place) | 0;
    const length = pieceLength(lo, command.length - place, this.#maxPayload);
    const transaction = this.#ends.take(command);
    transaction.isWrite = true;
    transaction.length = length;
    transaction.lines = linesOf(lo, length);
    transaction.slot = this.#slot;
    transaction.request.addressHi = command.hi;
    transaction.request.addressLo = lo;
    this.#slot ^= 1;
    this.#inFifo++;
    this.#place = place + length;
    transaction.isLast = this.#place >= command.length;
    this.#building = transaction;
    if (this.#shares.tasks !== null) {
      const { engine } = this.#events;
      transaction.task = engine.takeId();
      this.#shares.begin(transaction.task, 'DMA write', engine.now);
    }
    const blocks = blocksIn(place, length);
    this.#events.schedule(delay + blocks * this.#block, PathEvent.BUILT, 0);
  }
}

const NOW = ns(0);
