/**
 * Scripts: generators that read top to bottom while simulated time passes.
 *
 * `yield` a Duration to let it pass, or a Signal to wait for it; `yield*` another script to run it in place.
 * Surface: `Script`, `Task` (a running script), `Signal` (happens once), `Gate` (happens again and again), `Semaphore`
 * (counted permits), `waitFor`, `firstOf`, `timer`. Whoever waits is resumed by the engine, at the instant of the cause but
 * after it, in the order of waiting: never from inside a call.
 */
import type { Engine, Handler } from './engine.ts';
import { type Duration, formatTime, ps } from './time.ts';

/** What a script may yield. */
export type Wait = Duration | Signal<unknown>;

/** A generator that runs in simulated time and ends with a `T`. What `yield` gives back is the signal's value. */
// biome-ignore lint/suspicious/noExplicitAny: every yield has the type of its own signal; waitFor() gives it a name.
export type Script<T = void> = Generator<Wait, T, any>;

const NOW = ps(0);

/** Something that happens once, with a value. */
export class Signal<T = void> {
  readonly engine: Engine;
  readonly name: string;
  #fired = false;
  #value: T | undefined;
  /** Made when somebody waits: most signals fire before that. */
  #waiting: Handler[] | null = null;

  /** The name appears when a task waits in vain. */
  constructor(engine: Engine, name = 'a signal') {
    this.engine = engine;
    this.name = name;
  }

  get fired(): boolean {
    return this.#fired;
  }

  /** What it was fired with. Throws before that. */
  get value(): T {
    if (!this.#fired) throw new Error(`${this.name} has not fired: it has no value yet`);
    return this.#value as T;
  }

  /** Lets it happen, now. Throws the second time. */
  fire(value: T): void {
    if (this.#fired) throw new Error(`${this.name} was fired twice: a signal happens once, a Gate again and again`);
    this.#fired = true;
    this.#value = value;
    if (this.#waiting === null) return;
    for (const handler of this.#waiting) this.engine.schedule(NOW, handler, 0);
    this.#waiting = null;
  }

  /** Wakes `handler` when it happens, or at this instant if it has. What a script does by `yield`. */
  wake(handler: Handler): void {
    if (this.#fired) this.engine.schedule(NOW, handler, 0);
    else if (this.#waiting === null) this.#waiting = [handler];
    else this.#waiting.push(handler);
  }
}

/** A script on its way. Made by `Engine.spawn`. */
export class Task<T = void> implements Handler {
  readonly name: string;
  readonly engine: Engine;
  /** The traced task on whose behalf it runs: at first that of whoever started it; 0 for nobody. */
  cause: number;
  /** That task is a part of this script, and was not begun by who started it. */
  isTask = false;
  readonly #script: Script<T>;
  #wait: Wait = NOW;
  #ended = false;
  #result: T | undefined;
  /** Made when somebody asks for it. */
  #done: Signal<T> | null = null;

  constructor(engine: Engine, script: Script<T>, name: string) {
    this.engine = engine;
    this.name = name;
    this.cause = engine.running?.cause ?? engine.cause;
    this.#script = script;
    engine.schedule(NOW, this, 0);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What the script returned. Throws before that. */
  get result(): T {
    return this.#ended ? (this.#result as T) : this.done.value;
  }

  /** Fires with the result when the script has ended. */
  get done(): Signal<T> {
    if (this.#done === null) {
      this.#done = new Signal<T>(this.engine, `the end of ${this.name}`);
      if (this.#ended) this.#done.fire(this.#result as T);
    }
    return this.#done;
  }

  /** What the task is doing, as the end of a sentence. */
  get plight(): string {
    if (this.ended) return `${this.name} has ended`;
    if (this.#wait instanceof Signal) return `${this.name} still waits for ${this.#wait.name}`;
    return `${this.name} never got past its wait of ${formatTime(this.#wait)}`;
  }

  /** Runs the script to its next wait. Called by the engine. */
  handle(): void {
    const { engine } = this;
    const wait = this.#wait;
    engine.running = this;
    const step = this.#script.next(wait instanceof Signal ? wait.value : undefined);
    engine.running = null;
    if (step.done === true) {
      this.#ended = true;
      this.#result = step.value;
      this.#done?.fire(step.value);
      return;
    }
    this.#wait = step.value;
    if (step.value instanceof Signal) step.value.wake(this);
    else if (typeof step.value === 'number') engine.schedule(step.value, this, 0);
    else throw badYield(step.value);
  }
}

/** Something that happens again and again. */
export class Gate<T = void> {
  readonly engine: Engine;
  readonly name: string;
  #next: Signal<T> | null = null;

  constructor(engine: Engine, name = 'a gate') {
    this.engine = engine;
    this.name = name;
  }

  /** The next time it happens. */
  wait(): Signal<T> {
    this.#next ??= new Signal<T>(this.engine, this.name);
    return this.#next;
  }

  /** Lets it happen for everyone who waits by now; who comes later waits for the next time. */
  notify(value: T): void {
    const next = this.#next;
    this.#next = null;
    next?.fire(value);
  }
}

/** A number of permits, given out in the order of asking. */
export class Semaphore {
  readonly engine: Engine;
  readonly name: string;
  #available: number;
  readonly #queue: Signal[] = [];

  /** `permits` is a whole number, zero or more. */
  constructor(engine: Engine, permits: number, name = 'a semaphore') {
    if (!(permits >= 0 && Math.floor(permits) === permits)) {
      throw new RangeError(`${name} cannot have ${permits} permits: a whole number, zero or more, is accepted`);
    }
    this.engine = engine;
    this.name = name;
    this.#available = permits;
  }

  /** Permits that nobody holds. */
  get available(): number {
    return this.#available;
  }

  /** Number of askers that have no permit yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Asks for a permit; it is held from when the signal has fired, which may be at once. */
  acquire(): Signal {
    const granted = new Signal(this.engine, this.name);
    if (this.tryAcquire()) granted.fire();
    else this.#queue.push(granted);
    return granted;
  }

  /** Takes a permit if one is free. */
  tryAcquire(): boolean {
    if (this.#available === 0) return false;
    this.#available--;
    return true;
  }

  /** Gives a permit back, or for the first time: to whoever has waited longest. */
  release(): void {
    const first = this.#queue.shift();
    if (first === undefined) this.#available++;
    else first.fire();
  }
}

/** Waits for a signal and gives its value its type: `const reply = yield* waitFor(signal)`. */
export function* waitFor<T>(signal: Signal<T>): Script<T> {
  yield signal;
  return signal.value;
}

/** A signal that fires after `delay`. */
export function timer(engine: Engine, delay: Duration, name = `a timer of ${formatTime(delay)}`): Signal {
  const over = new Signal(engine, name);
  engine.schedule(delay, { name, handle: () => over.fire() }, 0);
  return over;
}

/** A signal that fires with the position of whichever of `signals` fires first: `firstOf(reply, timer(engine, ms(1)))`. */
export function firstOf(...signals: [Signal<unknown>, ...Signal<unknown>[]]): Signal<number> {
  const name = signals.map((signal) => signal.name).join(' or ');
  const first = new Signal<number>(signals[0].engine, name);
  signals.forEach((signal, position) => {
    signal.wake({ name, handle: () => void (first.fired || first.fire(position)) });
  });
  return first;
}

function badYield(value: unknown): TypeError {
  return new TypeError(`a script yielded ${String(value)}: it may yield a Duration or a Signal, and yield* a script`);
}
