/**
 * The event engine: the only clock of a simulation, and what makes it move.
 *
 * Surface: `schedule` an event for a handler, `spawn` a script; `step`, `run`, `runUntil`, `runUntilDone` let time pass;
 * `now` and `pending` tell where it stands; `takeId` numbers tasks, which `tasks` watches; `reset` returns to the built state, in another `life`.
 * Order is (time, scheduling): of two events at one instant, the one scheduled first fires first. agenda.ts keeps that order.
 */
import { Agenda, type Handler, NONE } from './agenda.ts';
import { type Script, Task } from './script.ts';
import type { TaskProbe } from './tasks.ts';
import { type Duration, END, formatTime, type Instant } from './time.ts';

export type { Handler } from './agenda.ts';

/** A bug in a model: something threw while simulated time passed. `cause` is what it threw. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
  readonly at: Instant;
  readonly who: string;

  constructor(at: Instant, who: string, cause: unknown) {
    super(`at ${formatTime(at)}, in ${who}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.at = at;
    this.who = who;
  }
}

export class Engine {
  /** Who watches tasks; null while nobody does. */
  tasks: TaskProbe | null = null;
  /** The traced task because of which an event happens that is part of no script; 0 for none. */
  cause = 0;
  /** The script that runs now, if one does. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever it ends with.
  running: Task<any> | null = null;
  readonly #agenda = new Agenda();
  #firing = false;
  #tasks = 0;
  #ids = 0;
  #life = 0;
  /** Pending events that mean nothing any more. */
  #idle = 0;

  /** The current instant. Only the engine moves it. */
  get now(): Instant {
    return this.#agenda.now;
  }

  /** Number of scheduled events that have not fired, without those that mean nothing any more. */
  get pending(): number {
    return this.#agenda.pending - this.#idle;
  }

  /** How often it was reset: who remembers an instant asks whether it is of this life. */
  get life(): number {
    return this.#life;
  }

  /** `change` more pending events mean nothing: nobody waits for them, and `run` ends without them. Used by `Alarm`. */
  disregard(change: number): void {
    this.#idle += change;
  }

  /** Calls `handler.handle(argument)` after `delay`, behind everything already scheduled for that instant. Throws if `delay` is no whole number of picoseconds from zero upward. */
  schedule(delay: Duration, handler: Handler, argument: number): void {
    this.#agenda.put(delay, handler, argument);
  }

  /** Starts a script at this instant, behind everything already scheduled for it. */
  spawn<T>(script: Script<T>, name: string = `task ${this.#tasks + 1}`): Task<T> {
    this.#tasks++;
    return new Task(this, script, name);
  }

  /** A number that this engine has not given out since its reset, from 1 upward: the identity of a traced task. */
  takeId(): number {
    return ++this.#ids;
  }

  /** Fires the earliest event. False if there was none. */
  step(): boolean {
    return this.#fire(Infinity);
  }

  /** Fires events until none is left. */
  run(): void {
    while (this.#fire(Infinity));
  }

  /** Fires everything up to and including instant `t`, which is now afterwards. Throws if `t` is in the past. */
  runUntil(t: Instant): void {
    if (!(t >= this.now && t <= END && Math.floor(t) === t)) {
      throw new RangeError(`cannot run until ${t} ps: it is ${this.now} ps, and time moves on in whole picoseconds`);
    }
    while (this.#fire(t));
    this.#agenda.jump(t);
  }

  /** Fires events until `task` has ended, and returns its result. Throws if nothing is left to happen before that. */
  runUntilDone<T>(task: Task<T>): T {
    while (!task.ended) {
      if (!this.#fire(Infinity)) {
        throw new Error(`deadlock at ${formatTime(this.now)}: nothing is left to happen, and ${task.plight}`);
      }
    }
    return task.result;
  }

  /** Back to the built state: instant zero, nothing scheduled. A task that has not ended never resumes. */
  reset(): void {
    if (this.#firing) throw new Error('reset() was called from inside an event');
    this.#agenda.reset();
    this.#tasks = 0;
    this.#ids = 0;
    this.#idle = 0;
    this.running = null;
    this.cause = 0;
    this.#life++;
  }

  #fire(limit: number): boolean {
    if (this.#firing) throw new Error('time was asked to pass from inside an event: it passes only between events');
    if (limit === Infinity && this.#agenda.pending === this.#idle) return false;
    const event = this.#agenda.take(limit);
    if (event === NONE) return false;
    const handler = this.#agenda.handlerOf(event);
    this.#firing = true;
    try {
      handler.handle(this.#agenda.argumentOf(event));
    } catch (cause) {
      throw new SimulationError(this.now, handler.name ?? 'a handler without a name', cause);
    } finally {
      this.#firing = false;
    }
    return true;
  }
}
