/** The tests that every vendor's modes have to pass. */
import { describe, expect, it } from 'vitest';
import { type AnyMode, type AnyMutant, explain, runSeed } from './mutants.ts';

export interface Effort {
  readonly mode: AnyMode;
  /** Sequences on units that are not broken. */
  readonly sequences: number;
  /** The first sequence that catches a broken unit, for those that seldom show. */
  readonly firstCatch: Readonly<Record<string, number>>;
}

const WITHOUT_CACHES = 12;
/** Sequences within which every broken unit is caught. */
const PATIENCE = 400;

/** Runs sequences that may not fail; gives the number of legal stale answers. */
export function runAll(mode: AnyMode, first: number, count: number, trial: Partial<AnyMutant> = {}): number {
  let stale = 0;
  for (let seed = first; seed < first + count; seed++) {
    const ending = runSeed(mode, seed, trial);
    if (ending.failure !== null) expect.fail(explain(mode, seed, trial));
    stale += ending.stale;
  }
  return stale;
}

/** What the broken units are asked for, each once. */
function wishesOf({ mutants }: AnyMode): { readonly wish: string; readonly trial: Partial<AnyMutant> }[] {
  const wishes = mutants.map(({ caches, setting }) => ({ ...(caches && { caches }), ...(setting && { setting }) }));
  const distinct = new Map(wishes.map((trial) => [JSON.stringify(trial), trial]));
  return [...distinct].map(([wish, trial]) => ({ wish, trial }));
}

export function cachingContract(efforts: readonly Effort[]): void {
  describe.each(efforts.map((effort) => ({ ...effort, name: effort.mode.name })))(
    'In $name mode',
    ({ mode, sequences, firstCatch }) => {
      it('every access ends as some table state that no invalidation has covered yet allows.', () => {
        expect(runAll(mode, 1, sequences)).toBeGreaterThan(sequences);
      });

      it('without caches every access ends as the tables are now.', () => {
        expect(runAll(mode, 1, WITHOUT_CACHES, { caches: [] })).toBe(0);
      });

      it.each(mode.caches)('the %s alone gives legal stale answers.', (cache) => {
        let stale = 0;
        for (let seed = 1; stale === 0 && seed <= PATIENCE; seed++) stale = runAll(mode, seed, 1, { caches: [cache] });
        expect(stale).toBeGreaterThan(0);
      });

      it.each(mode.mutants)('a broken unit is caught: $name', (mutant) => {
        const isCaught = (seed: number): boolean => runSeed(mode, seed, mutant).failure !== null;
        const seeds = [firstCatch[mutant.name] ?? 1, ...Array.from({ length: PATIENCE }, (_, n) => n + 1)];
        expect(seeds.some(isCaught)).toBe(true);
      });

      // It is the break that is caught, and not what the unit is asked for.
      it.each(wishesOf(mode))('a sound unit is not: $wish', ({ trial }) => {
        runAll(mode, 1, 1, trial);
      });
    },
  );
}
