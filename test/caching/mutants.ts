/** Units that are broken on purpose, and what a vendor's modes bring to be tested. */
import { Dice } from './dice.ts';
import { type Plan, planOf, smallestFailure } from './plan.ts';
import { type Ending, run, type Stand } from './sequence.ts';

/** What is not left to chance when a stand is drawn. */
export interface Wish<Cache extends string, Setting> {
  /** Caches that are on; a random choice if not given. */
  readonly caches?: readonly Cache[];
  readonly setting?: Partial<Setting>;
}

export interface Mutant<Unit, Cache extends string, Setting> extends Wish<Cache, Setting> {
  readonly name: string;
  readonly mutate: (unit: Unit) => void;
}

/** A way in which a vendor's unit can be used. */
export interface Mode<Request, Command, Unit, Cache extends string, Setting> {
  readonly name: string;
  readonly caches: readonly Cache[];
  readonly mutants: readonly Mutant<Unit, Cache, Setting>[];
  /** A stand with tables and caches; `mutate` is applied to its unit. */
  draw(dice: Dice, wish: Wish<Cache, Setting>, mutate?: (unit: Unit) => void): Stand<Request, Command>;
}

/** A mode whose parts nobody looks into. */
// biome-ignore lint/suspicious/noExplicitAny: modes of all vendors, each true to its own types.
export type AnyMode = Mode<any, any, any, any, any>;
export type AnyMutant = AnyMode['mutants'][number];

type Trial = Partial<AnyMutant>;

export function runPlan(mode: AnyMode, { stand, steps }: Plan, trial: Trial, log?: (line: string) => void): Ending {
  return run(mode.draw(new Dice(stand.seed, stand.free), trial, trial.mutate), steps, log);
}

/** Runs the sequence of a number. */
export const runSeed = (mode: AnyMode, seed: number, trial: Trial): Ending => runPlan(mode, planOf(seed), trial);

/** What the smallest sequence that fails does, line by line. */
export function explain(mode: AnyMode, seed: number, trial: Trial): string {
  const plan = smallestFailure(seed, 1, (one) => runPlan(mode, one, trial).failure !== null) ?? planOf(seed);
  const lines: string[] = [];
  const { failure } = runPlan(mode, plan, trial, (line) => lines.push(line));
  return [`sequence ${seed}: ${failure}`, ...lines].join('\n');
}
