/**
 * Endless commands for a device: uniformly random transfers within a window, one after the other as fast as the path takes them.
 *
 * Surface: `Streams` commands a path; `run` lets commands pass until a number is done, and tells when.
 */
import { highHalf, lowHalf } from '../bits/index.ts';
import type { Engine } from '../sim/index.ts';
import { type Duration, ns, type Random } from '../sim/index.ts';
import { type Commander, DmaPath, type PathParts } from './dma-path.ts';
import type { PathSpec } from './parameters.ts';
import { Command } from './transaction.ts';

/** Transfers of `length` bytes, each `offset` behind the start of a unit of `unit` bytes, within `bytes` bytes from `start` on. */
export interface Window {
  readonly start: number;
  readonly bytes: number;
  readonly unit: number;
  readonly offset: number;
  readonly length: number;
}

/** Says where the next transfer goes, and how long it is. */
export interface Transfers {
  fill(command: Command): void;
}

/** The next transfer of a window. */
export class RandomTransfers implements Transfers {
  readonly #random: Random;
  readonly #window: Window;
  readonly #units: number;

  constructor(random: Random, window: Window) {
    this.#random = random;
    this.#window = window;
    this.#units = Math.max(Math.floor(window.bytes / window.unit), 1);
  }

  fill(command: Command): void {
    const { start, unit, offset, length } = this.#window;
    const at = start + Math.floor((this.#random.next() * this.#units) / 2 ** 32) * unit + offset;
    command.hi = highHalf(at);
    command.lo = lowHalf(at);
    command.length = length;
  }
}

export type Traffic = 'read' | 'write' | 'readWrite';

/** By how many commands one engine may be ahead of the other where each read goes with a write. */
export const MOST_AHEAD = 8;

export class Streams implements Commander {
  readonly path: DmaPath;
  /** The IOMMU on the path. */
  readonly agent: PathParts['agent'];
  readonly #engine: Engine;
  readonly #transfers: Transfers;
  readonly #hasReads: boolean;
  readonly #hasWrites: boolean;
  readonly #write = new Command();
  readonly #readDone = (delay: number): void => this.#done(delay, 'read');
  #readsBegun = 0;
  #writesBegun = 0;
  #readsDone = 0;
  #writesDone = 0;
  /** When as many commands were done of each kind as `#target`. */
  #target = Infinity;
  #reached = -1;

  constructor(engine: Engine, spec: PathSpec, parts: PathParts, traffic: Traffic, transfers: Transfers) {
    this.#engine = engine;
    this.agent = parts.agent;
    this.#transfers = transfers;
    this.#hasReads = traffic !== 'write';
    this.#hasWrites = traffic !== 'read';
    this.#write.done = (delay) => this.#done(delay, 'write');
    this.path = new DmaPath(engine, spec, { ...parts, readsOnly: traffic === 'read' }, this);
  }

  /** Begins. */
  start(): void {
    this.idle();
    if (this.#hasReads) this.path.reads.pump();
  }

  /** Lets `count` more commands be done, or pairs of a read and a write: the instant at which they are. */
  run(count: number): number {
    this.#target = this.#doneCommands() + count;
    this.#reached = -1;
    while (this.#reached < 0) {
      if (!this.#engine.step()) throw new Error('the path has come to a standstill');
    }
    return this.#reached;
  }

  nextRead(command: Command): boolean {
    if (this.#hasWrites && this.#readsBegun >= this.#writesBegun + MOST_AHEAD) return false;
    this.#readsBegun++;
    this.#transfers.fill(command);
    command.done = this.#readDone;
    if (this.#hasWrites) this.#beginWrite();
    return true;
  }

  idle(): void {
    this.#beginWrite();
    if (this.#hasReads) this.path.reads.pump();
  }

  #doneCommands(): number {
    if (!this.#hasWrites) return this.#readsDone;
    return this.#hasReads ? Math.min(this.#readsDone, this.#writesDone) : this.#writesDone;
  }

  #beginWrite(): void {
    if (!this.#hasWrites || this.path.writes.isBusy) return;
    if (this.#hasReads && this.#writesBegun >= this.#readsBegun + MOST_AHEAD) return;
    this.#writesBegun++;
    const command = this.#write;
    this.#transfers.fill(command);
    this.path.writes.start(command, NOW);
  }

  #done(delay: number, kind: 'read' | 'write'): void {
    if (kind === 'read') this.#readsDone++;
    else this.#writesDone++;
    if (this.#reached < 0 && this.#doneCommands() >= this.#target) this.#reached = this.#engine.now + delay;
    if (kind === 'read') this.path.reads.pump(delay);
  }
}

const NOW: Duration = ns(0);
