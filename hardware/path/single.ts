/**
 * One transfer at a time, and how long each takes by the device's own clock: a read, or a write and then a read of the same bytes.
 */
import { type Duration, type Engine, type Handler, ns, type Random } from '../sim/index.ts';
import { type Commander, DmaPath, type PathParts } from './dma-path.ts';
import type { PathSpec } from './parameters.ts';
import type { Transfers } from './streams.ts';
import { Command } from './transaction.ts';

export interface SingleSpec {
  readonly kind: 'read' | 'writeRead';
  /** By the DMA engine, or from the command path. */
  readonly engine: 'dma' | 'command';
  /** Nanoseconds of a tick of the clock that measures; its phase is random. */
  readonly tick: number;
  /** Nanoseconds between two transfers: at least, and at random up to so many more. */
  readonly pause: number;
  readonly randomPause: number;
}

/** Ticks that are told apart; whatever takes longer counts as this long. */
const MOST_TICKS = 65_536;
const WAKE = 0;
const READ = 1;

export class SingleTransfers implements Commander, Handler {
  readonly name = 'a device that measures';
  readonly path: DmaPath;
  /** How many transfers took so many ticks. */
  readonly ticks = new Int32Array(MOST_TICKS);
  readonly #engine: Engine;
  readonly #spec: SingleSpec;
  readonly #transfers: Transfers;
  readonly #random: Random;
  readonly #before: Duration;
  readonly #after: Duration;
  readonly #issue: Duration;
  readonly #command = new Command();
  #begun = 0;
  #left = 0;

  constructor(
    engine: Engine,
    pathSpec: PathSpec,
    parts: PathParts,
    spec: SingleSpec,
    transfers: Transfers,
    random: Random,
  ) {
    const { overhead, readIssue } = pathSpec.device;
    const isCommand = spec.engine === 'command';
    const whole = ns(isCommand ? overhead.command : overhead.dma);
    this.#engine = engine;
    this.#spec = spec;
    this.#transfers = transfers;
    this.#random = random;
    this.#before = Math.floor(whole / 2) as Duration;
    this.#after = (whole - this.#before) as Duration;
    this.#issue = ns(isCommand ? 0 : readIssue);
    this.#command.done = () => {};
    this.path = new DmaPath(engine, pathSpec, parts, this);
  }

  /** Lets `count` transfers pass. */
  run(count: number): void {
    this.#left = count;
    this.#engine.schedule(ns(0), this, WAKE);
    while (this.#left > 0) {
      if (!this.#engine.step()) throw new Error('the path has come to a standstill');
    }
  }

  /** Called by the engine. */
  handle(what: number): void {
    const command = this.#command;
    if (what === READ) {
      this.#read(ns(0));
      return;
    }
    this.#begun = this.#engine.now;
    this.#transfers.fill(command);
    if (this.#spec.kind === 'writeRead') this.path.writes.start(command, this.#before);
    else this.#read((this.#before + this.#issue) as Duration);
  }

  nextRead(): boolean {
    return false;
  }

  idle(): void {}

  /** The read follows when the write has left: at once from the command path, by a command of its own from the DMA engine. */
  sent(_: Command, isLast: boolean, delay: number): void {
    if (!isLast) return;
    const more = this.#spec.engine === 'command' ? 0 : this.#before + this.#issue;
    this.#engine.schedule((delay + more) as Duration, this, READ);
  }

  #read(delay: Duration): void {
    const { hi, lo, length } = this.#command;
    this.path.reads.start(hi, lo, length, delay, (wait) => this.#landed(wait));
  }

  #landed(wait: number): void {
    const { tick, pause, randomPause } = this.#spec;
    const picoseconds = Math.floor(tick * 1000);
    const took = this.#engine.now + wait + this.#after - this.#begun;
    const ticks = Math.floor((this.#random.below(picoseconds) + took) / picoseconds);
    this.ticks[Math.min(ticks, MOST_TICKS - 1)]!++;
    this.#left--;
    const rest = wait + this.#after + pause * 1000 + this.#random.below(randomPause * 1000);
    if (this.#left > 0) this.#engine.schedule(rest as Duration, this, WAKE);
  }
}

/** Of a histogram of ticks, in nanoseconds: the mean. */
export function meanOf(ticks: Int32Array, tick: number): number {
  let [count, sum] = [0, 0];
  ticks.forEach((times, i) => {
    count += times;
    sum += times * i;
  });
  return (sum / count) * tick;
}

/** The value below which `percent` per cent of them lie. */
export function percentileOf(ticks: Int32Array, tick: number, percent: number): number {
  const count = ticks.reduce((sum, times) => sum + times, 0);
  let below = Math.floor((count * percent) / 100);
  for (let i = 0; i < ticks.length; i++) {
    below -= ticks[i]!;
    if (below < 0) return i * tick;
  }
  return (ticks.length - 1) * tick;
}
