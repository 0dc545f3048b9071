/**
 * One random sequence of table edits, invalidations and accesses, held against the twin at every access. What hardware,
 * software and tables are is the vendor's: a `Stand` brings it.
 */
import { Dice } from './dice.ts';

/** Ways to invalidate that are each enough after an edit, the smallest first. What a way takes may grow while it is owed. */
export type Sufficient<Command> = readonly Iterable<Command>[];

/** The brute-force twin: caches without limit that hold at once everything that hardware may hold. */
export interface Twin<Request, Command> {
  /** Everything that the request may end in. */
  outcomes(request: Request): readonly number[];
  /** Software is about to write a table, or hardware to invalidate: what can be cached is. */
  beforeChange(): void;
  /** Tables have changed. */
  afterChange(): void;
  /** An invalidation has been carried out. */
  flush(command: Command): void;
}

export interface Hardware<Request, Command> {
  /** What the request ends in. */
  access(request: Request): number;
  /** As `access`, with `meanwhile` after some steps of the walk. */
  accessAround(request: Request, steps: number, meanwhile: () => void): number;
  invalidate(command: Command): void;
}

/** A unit, the software on it, and the twins that say what it may do. */
export interface Stand<Request, Command> {
  /** Everything that can be asked. Requests of a group are for the same place and differ in what they want there. */
  readonly requests: readonly (readonly Request[])[];
  readonly hardware: Hardware<Request, Command>;
  readonly software: { edit(dice: Dice): Sufficient<Command> };
  readonly twin: Twin<Request, Command>;
  /** The twin without caches: what the tables as they are now say. */
  readonly now: Twin<Request, Command>;
  /** What an access should have left in memory and has not, once nothing is left to invalidate. */
  missing(request: Request, outcome: number): string | null;
  readonly setting: object;
  show(request: Request): string;
  name(outcome: number): string;
}

/** The dice of a step, as numbers. */
export interface Choices {
  readonly seed: number;
  readonly free: number;
}

export interface Ending {
  /** What went wrong, or `null`. */
  readonly failure: string | null;
  /** Accesses that ended otherwise than the tables as they were said. */
  readonly stale: number;
}

type Log = (line: string) => void;
type Step = (dice: Dice) => void;

class Sequence<Request, Command> {
  stale = 0;
  readonly #stand: Stand<Request, Command>;
  readonly #log: Log | undefined;
  /** Invalidations that software still owes. */
  #owed: Sufficient<Command>[] = [];

  constructor(stand: Stand<Request, Command>, log: Log | undefined) {
    this.#stand = stand;
    this.#log = log;
  }

  step(dice: Dice): void {
    const kind = dice.below(100);
    const choices: readonly [upTo: number, step: Step][] = [
      [50, (d) => this.#access(d)],
      [84, (d) => this.#edit(d)],
      [91, (d) => this.#editAmidAccess(d)],
      [98, (d) => this.#pay(d)],
      [100, (d) => this.settle(d)],
    ];
    choices.find(([upTo]) => kind < upTo)![1](dice);
  }

  /** Sends what is owed; then every access ends as the tables as they are say. */
  settle(dice: Dice): void {
    const { requests, twin, now } = this.#stand;
    while (this.#owed.length > 0) this.#pay(dice);
    for (const group of requests) {
      for (const request of group) {
        const allowed = twin.outcomes(request);
        const current = now.outcomes(request);
        if (allowed.length !== current.length || !allowed.every((one) => current.includes(one))) {
          const told = allowed.map((one) => this.#stand.name(one)).join(' ');
          throw new Error(`the twin is not settled: ${this.#stand.show(request)}: ${told}`);
        }
      }
      const request = dice.pick(group);
      const missing = this.#stand.missing(request, this.#check(request));
      if (missing !== null) throw new Error(`${this.#stand.show(request)}: ${missing}`);
    }
  }

  #draw(dice: Dice): Request {
    return dice.pick(dice.pick(this.#stand.requests));
  }

  #access(dice: Dice): void {
    // Bursts, so that the caches fill.
    const count = 1 + dice.below(8);
    for (let i = 0; i < count; i++) this.#check(this.#draw(dice));
  }

  #check(request: Request): number {
    const { twin, hardware, now } = this.#stand;
    const allowed = twin.outcomes(request);
    const answer = hardware.access(request);
    this.#judge(request, answer, allowed, now.outcomes(request));
    return answer;
  }

  #judge(request: Request, answer: number, allowed: readonly number[], now: readonly number[]): void {
    const { show, name } = this.#stand;
    this.#log?.(`${show(request)}: ${name(answer)} of ${allowed.map(name)}, now ${now.map(name)}`);
    if (!now.includes(answer)) this.stale++;
    if (allowed.includes(answer)) return;
    throw new Error(`${show(request)}: ${name(answer)}, allowed ${allowed.map(name).join(' ')}`);
  }

  #edit(dice: Dice): void {
    const sufficient = this.#change(dice);
    if (dice.chance(35)) this.#owed.push(sufficient);
    else this.#send(sufficient, dice);
  }

  #change(dice: Dice): Sufficient<Command> {
    const { twin, now, software } = this.#stand;
    twin.beforeChange();
    const sufficient = software.edit(dice);
    twin.afterChange();
    now.afterChange();
    this.#log?.(`edit, then ${JSON.stringify([...sufficient[0]!])}`);
    return sufficient;
  }

  /** Software changes a table and invalidates while a walk is under way. */
  #editAmidAccess(dice: Dice): void {
    const { twin, now, hardware } = this.#stand;
    const request = this.#draw(dice);
    const allowed = new Set(twin.outcomes(request));
    const note = (): void => {
      for (const outcome of twin.outcomes(request)) allowed.add(outcome);
    };
    const current = new Set(now.outcomes(request));
    const answer = hardware.accessAround(request, dice.below(8), () => {
      const sufficient = this.#change(dice);
      note();
      this.#send(sufficient, dice, false);
      note();
      for (const outcome of now.outcomes(request)) current.add(outcome);
    });
    this.#judge(request, answer, [...allowed], [...current]);
    // What the walk has left in the caches.
    this.#check(request);
  }

  #pay(dice: Dice): void {
    const [owed] = this.#owed.splice(dice.below(Math.max(this.#owed.length, 1)), 1);
    if (owed !== undefined) this.#send(owed, dice);
  }

  #send(sufficient: Sufficient<Command>, dice: Dice, mayAccess = true): void {
    const { twin, hardware } = this.#stand;
    const commands = dice.chance(60) ? sufficient[0]! : dice.pick(sufficient);
    for (const command of commands) {
      twin.beforeChange();
      hardware.invalidate(command);
      twin.flush(command);
      this.#log?.(`invalidate ${JSON.stringify(command)}`);
      if (mayAccess && dice.chance(15)) this.#access(dice);
    }
  }
}

/** Runs the steps, and settles. */
export function run<Request, Command>(
  stand: Stand<Request, Command>,
  steps: readonly Choices[],
  log?: (line: string) => void,
): Ending {
  log?.(JSON.stringify(stand.setting));
  const sequence = new Sequence(stand, log);
  let failure: string | null = null;
  try {
    for (const { seed, free } of steps) sequence.step(new Dice(seed, free));
    sequence.settle(new Dice(steps.length));
  } catch (error) {
    failure = (error as Error).message;
  }
  return { failure, stale: sequence.stale };
}
