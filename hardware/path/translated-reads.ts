/**
 * A device that translates for itself and reads as fast as the path takes its reads. Reads whose translation has come pass those
 * that wait.
 *
 * Surface: `start`, and `run` until a number of reads is done; `translator` counts.
 */
import type { TimedIommu } from '../iommu/index.ts';
import { type Engine, ns, Ring } from '../sim/index.ts';
import { type DeviceTranslations, DeviceTranslator, LookUp } from './device-translator.ts';
import { type Commander, DmaPath, type PathParts } from './dma-path.ts';
import type { PathSpec } from './parameters.ts';
import type { Transfers } from './streams.ts';
import { Command } from './transaction.ts';

export class TranslatedReads implements Commander {
  readonly path: DmaPath;
  readonly translator: DeviceTranslator;
  readonly #engine: Engine;
  readonly #transfers: Transfers;
  readonly #requester: number;
  readonly #idle: Command[] = [];
  readonly #ready = new Ring<Command>();
  /** The next read, for which there was no room among those that ask. */
  #held: Command | null = null;
  readonly #doneOne = (delay: number): void => this.#done(delay);
  #left = 0;
  #reached = -1;

  constructor(
    engine: Engine,
    spec: PathSpec,
    parts: PathParts & { readonly agent: TimedIommu },
    transfers: Transfers,
    translations: DeviceTranslations,
  ) {
    this.#engine = engine;
    this.#transfers = transfers;
    this.#requester = parts.requester;
    this.path = new DmaPath(engine, spec, { ...parts, readsOnly: true }, this);
    this.translator = new DeviceTranslator(engine, parts.agent, ns(spec.link.latency), translations);
    this.translator.ready = (read) => this.#ready.push(read);
    this.translator.room = () => this.path.reads.pump();
  }

  start(): void {
    this.path.reads.pump();
  }

  /** Lets `count` more reads be done: the instant at which they are. */
  run(count: number): number {
    this.#left = count;
    this.#reached = -1;
    while (this.#reached < 0) {
      if (!this.#engine.step()) throw new Error('the path has come to a standstill');
    }
    return this.#reached;
  }

  idle(): void {}

  nextRead(command: Command): boolean {
    while (this.#ready.length === 0) if (!this.#lookUpNext()) return false;
    const read = this.#ready.shift();
    command.hi = read.hi;
    command.lo = read.lo;
    command.length = read.length;
    command.requester = read.requester;
    command.translated = true;
    command.done = this.#doneOne;
    this.#idle.push(read);
    return true;
  }

  /** Looks the next read up; false when it has to wait before even that. */
  #lookUpNext(): boolean {
    const read = this.#held ?? this.#fill();
    const result = this.translator.lookUp(read);
    this.#held = result === LookUp.NO_ROOM ? read : null;
    if (result === LookUp.FOUND) this.#ready.push(read);
    return result !== LookUp.NO_ROOM;
  }

  #fill(): Command {
    const read = this.#idle.pop() ?? new Command();
    this.#transfers.fill(read);
    if (read.requester < 0) read.requester = this.#requester;
    return read;
  }

  #done(delay: number): void {
    if (--this.#left === 0) this.#reached = this.#engine.now + delay;
    this.path.reads.pump(delay);
  }
}
