/**
 * Random reads of 4 KiB from drives, as fio has them: each CPU keeps so many under way, maps a page for each and takes it back when
 * the drive has answered. A drive answers at its rate, in order.
 *
 * Inaccuracies: what Linux does for a read beside the DMA API is one time, its interrupts included; no read has a queue of its own in
 * the drive, and what a drive does with its flash is nothing but its rate and a latency.
 */
import type { PageNumber } from '../../../../hardware/bits/index.ts';
import { type Engine, Gate, type Instant, ns, ps, Ring, type Script } from '../../../../hardware/sim/index.ts';
import type { Parameter } from '../parameter.ts';
import type { SimulatedCpu } from './cpu.ts';
import { DmaApi, type DmaApiResult, measure } from './dma-api.ts';
import type { DmaApiMode, DmaApiValues } from './values.ts';

export interface StorageValues {
  readonly drives: number;
  /** Reads of each drive per second, and nanoseconds of one that waits for no other. */
  readonly rate: number;
  readonly latency: number;
  /** Nanoseconds that a CPU has to do for a read beside the DMA API. */
  readonly work: number;
}

export type StorageParameters = Readonly<Record<keyof StorageValues, Parameter>>;

export interface StorageSetUp {
  readonly cpus: number;
  readonly mode: DmaApiMode;
  /** Reads that each CPU has under way. */
  readonly depth: number;
}

/** Reads of each place under way, before the measurement and within. */
const [WARM_UP, MEASURED] = [2, 4];

/** Reads per second are `perSecond`. */
export function readDrives(values: DmaApiValues, storage: StorageValues, setUp: StorageSetUp): DmaApiResult {
  const { cpus, depth } = setUp;
  const api = new DmaApi(values, { ...setUp, outstanding: depth });
  const drives = Array.from({ length: storage.drives }, () => new Drive(api.engine, storage));
  for (const cpu of api.cpus) {
    const drive = drives[cpu.index % drives.length]!;
    api.engine.spawn(read(api, cpu, { drive, depth, work: storage.work }), `CPU ${cpu.index}`);
  }
  return measure(api, WARM_UP * depth * cpus, MEASURED * depth * cpus);
}

class Drive {
  readonly #engine: Engine;
  readonly #values: StorageValues;
  /** When the last read that it has is answered but for the latency, exactly: reads since `from`. */
  #from: Instant;
  #reads = 0;

  constructor(engine: Engine, values: StorageValues) {
    this.#engine = engine;
    this.#values = values;
    this.#from = engine.now;
  }

  /** Calls `answered` when it has read. */
  read(answered: () => void): void {
    const { now } = this.#engine;
    if (now >= this.#due) [this.#from, this.#reads] = [now, 0];
    this.#reads++;
    this.#engine.schedule(ps(this.#due - now + ns(this.#values.latency)), { handle: answered }, 0);
  }

  get #due(): number {
    return this.#from + (this.#reads * 1e12) / this.#values.rate;
  }
}

interface Job {
  readonly drive: Drive;
  readonly depth: number;
  readonly work: number;
}

function* read(api: DmaApi, cpu: SimulatedCpu, { drive, depth, work }: Job): Script {
  const answered = new Ring<PageNumber>();
  const wake = new Gate(api.engine, 'an answer of a drive');
  const start = function* (): Script {
    yield* cpu.spend('work', work);
    const page = yield* api.map(cpu);
    drive.read(() => {
      answered.push(page);
      wake.notify();
    });
  };
  for (let i = 0; i < depth; i++) yield* start();
  for (;;) {
    while (answered.length === 0) {
      cpu.enter('idle');
      yield wake.wait();
    }
    yield* api.unmap(cpu, answered.shift());
    yield* start();
  }
}
