/**
 * A time limit that is hardly ever reached: it is set and called off again and again, and costs no event each time.
 *
 * One event stands for the alarm, however often it is set. While it is off, what is left of that event keeps nobody going:
 * `Engine.run` ends without it, and it is not counted as pending.
 */
import type { Engine, Handler } from './engine.ts';
import { between, type Instant } from './time.ts';

const NEVER = Infinity;

export class Alarm implements Handler {
  readonly name: string;
  readonly #engine: Engine;
  readonly #ring: () => void;
  #due = NEVER;
  /** When the event fires that stands for this alarm; NEVER without one. */
  #event = NEVER;
  /** The event that counts: one that was scheduled for a later instant than is wanted now does not. */
  #number = 0;
  /** The engine was told that the event is of no interest. */
  #idle = false;
  /** An engine that was reset has forgotten the event. */
  #life = 0;

  constructor(engine: Engine, name: string, ring: () => void) {
    this.#engine = engine;
    this.name = name;
    this.#ring = ring;
  }

  /** When it rings, Infinity while it is off. */
  get due(): number {
    return this.#engine.life === this.#life ? this.#due : NEVER;
  }

  /** Rings at `at`, and not at the instant that it was set to before. */
  set(at: Instant): void {
    const engine = this.#engine;
    if (engine.life !== this.#life) this.#forget();
    this.#due = at;
    if (this.#event <= at) {
      this.#heed(true);
      return;
    }
    if (this.#event !== NEVER) this.#heed(false);
    this.#schedule(at);
  }

  off(): void {
    if (this.#engine.life !== this.#life) this.#forget();
    this.#due = NEVER;
    if (this.#event !== NEVER) this.#heed(false);
  }

  /** Called by the engine. */
  handle(number: number): void {
    if (number !== this.#number) {
      this.#engine.disregard(-1);
      return;
    }
    this.#heed(true);
    this.#event = NEVER;
    if (this.#due > this.#engine.now) {
      if (this.#due !== NEVER) this.#schedule(this.#due as Instant);
      return;
    }
    this.#due = NEVER;
    this.#ring();
  }

  #schedule(at: Instant): void {
    this.#event = at;
    this.#idle = false;
    this.#engine.schedule(between(this.#engine.now, at), this, ++this.#number);
  }

  #heed(wanted: boolean): void {
    if (this.#idle !== wanted) return;
    this.#idle = !wanted;
    this.#engine.disregard(wanted ? -1 : 1);
  }

  #forget(): void {
    this.#life = this.#engine.life;
    this.#due = NEVER;
    this.#event = NEVER;
    this.#idle = false;
  }
}
