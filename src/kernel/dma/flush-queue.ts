/**
 * What was unmapped and waits for hardware to forget it: one flush for many, when there is no more room or time is up.
 *
 * Linux has such a queue for each CPU, so that an unmap takes no lock that others want; here there is one CPU.
 */
import { Alarm, after, type Duration, type Engine, ms, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import type { Unmapped } from '../iommu/page-table.ts';

/** One place of the ring always stays free: the entry that would take it finds the ring full and has it flushed first. */
const PLACES = 256;
/** From the first entry to the flush of all that wait by then. */
const TIMEOUT: Duration = ms(10);

export interface Waiting {
  readonly unmapped: Unmapped;
  /** Called when hardware has forgotten it. */
  readonly released: () => void;
}

export class FlushQueue {
  readonly #engine: Engine;
  readonly #flush: (waiting: readonly Unmapped[]) => Script<number>;
  readonly #alarm: Alarm;
  /** One flush at a time: who waits for a later one knows that all before have ended. */
  readonly #turn: Semaphore;
  #waiting: Waiting[] = [];

  /** `flush` makes hardware forget the whole domain: 0 or -EIO. */
  constructor(engine: Engine, flush: (waiting: readonly Unmapped[]) => Script<number>) {
    this.#engine = engine;
    this.#flush = flush;
    this.#turn = new Semaphore(engine, 1, 'the flush of a queue');
    this.#alarm = new Alarm(engine, 'flush queue', () => engine.spawn(this.drain(), 'flush queue'));
  }

  /** Entries that no flush has taken yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes time only where the ring is full. */
  *add(entry: Waiting): Script {
    while (this.#waiting.length >= PLACES - 1) yield* this.drain();
    this.#waiting.push(entry);
    if (this.#alarm.due === Infinity) this.#alarm.set(after(this.#engine.now, TIMEOUT));
  }

  /** Flushes what waits, after every flush that is under way: 0, or -EIO and what waited is never released. */
  *drain(): Script<number> {
    yield this.#turn.acquire();
    const batch = this.#waiting;
    this.#waiting = [];
    const result = batch.length === 0 ? 0 : yield* this.#flush(batch.map(({ unmapped }) => unmapped));
    if (result === 0) for (const { released } of batch) released();
    this.#turn.release();
    return result;
  }

  /** The same, for the last time. */
  *close(): Script<number> {
    this.#alarm.off();
    return yield* this.drain();
  }
}
