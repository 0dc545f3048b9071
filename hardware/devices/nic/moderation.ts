/**
 * Interrupt moderation of one queue: what there is to tell is told after a time or after a number of things, whichever
 * comes first. What happens while interrupts are off is told when they are on again.
 */
import { Alarm, type Engine, type Instant } from '../../sim/index.ts';

export interface ModerationLimits {
  readonly enabled: boolean;
  /** Nanoseconds; 0 for no such limit. */
  readonly time: number;
  /** 0 for no such limit. */
  readonly count: number;
}

const PS_PER_NS = 1000;

export class Moderation {
  readonly #engine: Engine;
  readonly #limits: () => ModerationLimits;
  readonly #interrupt: () => void;
  readonly #alarm: Alarm;
  #pending = 0;

  constructor(engine: Engine, name: string, limits: () => ModerationLimits, interrupt: () => void) {
    this.#engine = engine;
    this.#limits = limits;
    this.#interrupt = interrupt;
    this.#alarm = new Alarm(engine, `interrupt moderation of ${name}`, () => this.#tell());
  }

  /** `count` more things are to be told; none, when it is only the limits that have changed. */
  note(count: number): void {
    const { enabled, time, count: most } = this.#limits();
    this.#pending += count;
    if (!enabled) this.#alarm.off();
    else if (this.#pending === 0) return;
    else if ((most === 0 && time === 0) || (most > 0 && this.#pending >= most)) this.#tell();
    else if (time > 0 && this.#alarm.due === Infinity) {
      this.#alarm.set((this.#engine.now + time * PS_PER_NS) as Instant);
    }
  }

  reset(): void {
    this.#pending = 0;
    this.#alarm.off();
  }

  #tell(): void {
    this.#pending = 0;
    this.#alarm.off();
    this.#interrupt();
  }
}
