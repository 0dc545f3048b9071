/** One random sequence of table edits, invalidations and accesses, held against the twin at every access. */

import { Dice } from './dice.ts';
import { LegacySoftware, ROOT, type Software } from './legacy-software.ts';
import { CACHES, type CacheName, drawCaches, Machine } from './machine.ts';
import { ScalableSoftware } from './scalable-software.ts';
import type { Sufficient } from './second-tables.ts';
import { type Query, Twin } from './twin.ts';
import { drawAddresses, emptyWorld, type Setting, type World } from './world.ts';

export interface Options {
  readonly scalable: boolean;
  /** Caches that are on; a random choice if not given. */
  readonly caches?: readonly CacheName[];
  readonly cm?: boolean;
  readonly psi?: boolean;
  /** Breaks a unit. */
  readonly mutate?: (machine: Machine) => void;
  /** The steps that are run; all if not given. */
  readonly only?: ReadonlySet<number>;
  readonly log?: (line: string) => void;
}

export interface Ending {
  /** What went wrong, or `null`. */
  readonly failure: string | null;
  /** Accesses that ended otherwise than the tables as they were said. */
  readonly stale: number;
  readonly accesses: number;
  /** Times at which nothing was left to invalidate, and every access was looked at. */
  readonly settled: number;
  readonly caches: readonly CacheName[];
}

const STEPS = 48;
/** Requesters that are one under function mask 1, 2 and 3; some on buses whose numbers are large. */
const REQUESTERS = [
  [0x0018, 0x001c, 1],
  [0x0018, 0x001a, 2],
  [0x8018, 0x8019, 3],
  [0xff00, 0xff02, 2],
  [0x0898, 0x089c, 1],
] as const;
/** Two that differ in low bits, in bits that a 16-bit tag loses, and by their table. */
const PASIDS = [
  [5, 6],
  [5, 0x1_0005],
  [0x45, 0x8_0045],
  [1, 0xf_ffff],
] as const;
const RID_PASIDS = [2, 0x4_0002] as const;

type Step = (dice: Dice) => void;

class Sequence {
  stale = 0;
  accesses = 0;
  settled = 0;
  readonly caches: readonly CacheName[];
  readonly #machine: Machine;
  readonly #software: Software;
  readonly #twin: Twin;
  /** The twin without caches. */
  readonly #now: Twin;
  readonly #log: ((line: string) => void) | undefined;
  /** Invalidations that software still owes. */
  #owed: Sufficient[] = [];

  constructor(setting: Setting, caches: readonly CacheName[], dice: Dice, { mutate, log }: Options) {
    const world: World = emptyWorld();
    this.caches = caches;
    this.#log = log;
    this.#machine = new Machine(setting, drawCaches(dice, caches));
    this.#software = makeSoftware(setting, world, this.#machine, dice);
    this.#twin = new Twin(setting, world, true);
    this.#now = new Twin(setting, world, false);
    this.#machine.start(ROOT, setting.scalable);
    mutate?.(this.#machine);
    this.#log?.(JSON.stringify({ ...setting, caches }));
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

  /** Sends what is owed; then every access has exactly one outcome. */
  settle(dice: Dice): void {
    while (this.#owed.length > 0) this.#pay(dice);
    this.settled++;
    for (const query of this.#twin.queries) {
      for (const write of [false, true]) {
        const [only = 0, ...others] = this.#twin.outcomes(query, write);
        const [now] = this.#now.outcomes(query, write);
        if (others.length > 0 || only !== now) throw new Error(`the twin is not settled: ${show(query)}`);
      }
      this.#check(query, dice.chance(50));
    }
  }

  #access(dice: Dice): void {
    // Bursts, so that the caches fill.
    const count = 1 + dice.below(8);
    for (let i = 0; i < count; i++) this.#check(dice.pick(this.#twin.queries), dice.chance(40));
  }

  #check(query: Query, write: boolean): void {
    const allowed = this.#twin.outcomes(query, write);
    const answer = this.#machine.access(query, write);
    this.#judge(query, write, answer, allowed, this.#now.outcomes(query, write));
  }

  #judge(query: Query, write: boolean, answer: number, allowed: readonly number[], now: readonly number[]): void {
    this.accesses++;
    this.#log?.(
      `${write ? 'write' : 'read'} ${show(query)}: ${name(answer)} of ${allowed.map(name)}, now ${now.map(name)}`,
    );
    if (!now.includes(answer)) this.stale++;
    if (allowed.includes(answer)) return;
    throw new Error(
      `${write ? 'write' : 'read'} ${show(query)}: ${name(answer)}, allowed ${allowed.map(name).join(' ')}`,
    );
  }

  #edit(dice: Dice): void {
    const sufficient = this.#change(dice);
    if (dice.chance(35)) this.#owed.push(sufficient);
    else this.#send(sufficient, dice);
  }

  #change(dice: Dice): Sufficient {
    this.#twin.beforeEdit();
    const sufficient = this.#software.edit(dice);
    this.#twin.afterEdit();
    this.#now.afterEdit();
    this.#log?.(`edit, then ${JSON.stringify(sufficient[0])}`);
    return sufficient;
  }

  /** Software changes a table and invalidates while a walk is under way. */
  #editAmidAccess(dice: Dice): void {
    const query = dice.pick(this.#twin.queries);
    const write = dice.chance(40);
    const allowed = new Set(this.#twin.outcomes(query, write));
    const note = (): void => {
      for (const outcome of this.#twin.outcomes(query, write)) allowed.add(outcome);
    };
    const now = new Set(this.#now.outcomes(query, write));
    const answer = this.#machine.accessAround(query, write, dice.below(8), () => {
      const sufficient = this.#change(dice);
      note();
      this.#send(sufficient, dice, false);
      note();
      for (const outcome of this.#now.outcomes(query, write)) now.add(outcome);
    });
    this.#judge(query, write, answer, [...allowed], [...now]);
    // What the walk has left in the caches.
    this.#check(query, write);
  }

  #pay(dice: Dice): void {
    const [owed] = this.#owed.splice(dice.below(Math.max(this.#owed.length, 1)), 1);
    if (owed !== undefined) this.#send(owed, dice);
  }

  #send(sufficient: Sufficient, dice: Dice, mayAccess = true): void {
    const commands = dice.chance(60) ? sufficient[0]! : dice.pick(sufficient);
    for (const command of commands) {
      this.#twin.beforeEdit();
      this.#machine.invalidate(command);
      this.#twin.flush(command);
      this.#log?.(`invalidate ${JSON.stringify(command)}`);
      if (mayAccess && dice.chance(15)) this.#access(dice);
    }
  }
}

function makeSoftware(setting: Setting, world: World, machine: Machine, dice: Dice): Software {
  if (setting.scalable) return new ScalableSoftware(setting, world, machine.put, dice);
  return new LegacySoftware(setting, world, machine.put, dice);
}

function draw(dice: Dice, options: Options): Setting {
  const { scalable, cm = dice.chance(30), psi = dice.chance(85) } = options;
  const levels = scalable ? dice.pick([3, 3, 4]) : dice.pick([3, 4, 4, 5]);
  const firstLevels = scalable ? dice.pick([4, 4, 5]) : 4;
  const [one, other, functionMask] = dice.pick(REQUESTERS);
  const pasids = scalable ? [-1, ...dice.pick(PASIDS)] : [-1];
  const addresses = drawAddresses(dice, scalable ? firstLevels : levels);
  const flags = scalable && dice.chance(50);
  const shape = { scalable, cm, psi, levels, firstLevels, flags };
  return { ...shape, sids: [one, other], functionMask, pasids, ridPasids: RID_PASIDS, addresses };
}

/** All caches, one alone, or none. */
function drawNames(dice: Dice): readonly CacheName[] {
  const choice = dice.below(10);
  if (choice < 6) return CACHES;
  return choice < 9 ? [dice.pick(CACHES)] : [];
}

export function run(seed: number, options: Options): Ending {
  const dice = new Dice(seed);
  const setting = draw(dice, options);
  const drawn = drawNames(dice);
  const sequence = new Sequence(setting, options.caches ?? drawn, dice, options);
  let failure: string | null = null;
  try {
    for (let n = 0; n < STEPS; n++) {
      if (options.only?.has(n) !== false) sequence.step(new Dice(seed * 1009 + n * 7919));
    }
    sequence.settle(new Dice(seed));
  } catch (error) {
    failure = (error as Error).message;
  }
  const { stale, accesses, settled, caches } = sequence;
  return { failure, stale, accesses, settled, caches };
}

/** The fewest steps of a failing sequence that still fail, line by line. */
export function minimise(seed: number, options: Options): string {
  let steps = Array.from({ length: STEPS }, (_, n) => n);
  for (let n = 0; n < STEPS; n++) {
    const fewer = steps.filter((step) => step !== n);
    if (run(seed, { ...options, only: new Set(fewer) }).failure !== null) steps = fewer;
  }
  const lines: string[] = [];
  const { failure } = run(seed, { ...options, only: new Set(steps), log: (line) => lines.push(line) });
  return [`seed ${seed}: ${failure}`, ...lines].join('\n');
}

function show({ sid, pasid, address }: Query): string {
  return `${sid.toString(16)}${pasid < 0 ? '' : `/${pasid.toString(16)}`} ${address.toString(16)}`;
}

function name(outcome: number): string {
  return outcome < 0 ? `fault ${(-outcome).toString(16)}` : outcome.toString(16);
}
