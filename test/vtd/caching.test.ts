/**
 * Random sequences of table edits, invalidations and accesses against the brute-force twin (test/vtd/caching/twin.ts):
 * a small number of those of test/long, and units that are broken on purpose.
 */
import { describe, expect, it } from 'vitest';
import { firstCatch } from './caching/caught-by.ts';
import { LEGACY_MUTANTS } from './caching/legacy-mutants.ts';
import { CACHES, type CacheName } from './caching/machine.ts';
import { SCALABLE_MUTANTS } from './caching/scalable-mutants.ts';
import { minimise, type Options, run } from './caching/sequence.ts';

const SEQUENCES = { legacy: 60, scalable: 30 } as const;
const PER_CACHE = 12;
/** Sequences within which every broken unit is caught. */
const PATIENCE = 400;

const sequences = (count: number, options: Options, first = 1): number => {
  let stale = 0;
  for (let seed = first; seed < first + count; seed++) {
    const ending = run(seed, options);
    if (ending.failure !== null) expect.fail(minimise(seed, options));
    stale += ending.stale;
  }
  return stale;
};

const MODES = [
  { mode: 'legacy', scalable: false, mutants: LEGACY_MUTANTS },
  { mode: 'scalable', scalable: true, mutants: SCALABLE_MUTANTS },
] as const;
const LEGACY_CACHES: readonly CacheName[] = ['iotlb', 'contextCache', 'secondStageCache'];

describe.each(MODES)('In $mode mode', ({ mode, scalable, mutants }) => {
  it('every access ends as some table state that no invalidation has covered yet allows.', () => {
    expect(sequences(SEQUENCES[mode], { scalable })).toBeGreaterThan(SEQUENCES[mode]);
  });

  it('without caches every access ends as the tables are now.', () => {
    expect(sequences(PER_CACHE, { scalable, caches: [] })).toBe(0);
  });

  it.each(scalable ? CACHES : LEGACY_CACHES)('the %s alone gives legal stale answers.', (cache) => {
    let stale = 0;
    for (let seed = 1; stale === 0 && seed <= PATIENCE; seed++)
      stale = sequences(1, { scalable, caches: [cache] }, seed);
    expect(stale).toBeGreaterThan(0);
  });

  it.each(mutants)('a broken unit is caught: $name', (mutant) => {
    const isCaught = (seed: number): boolean => run(seed, mutant).failure !== null;
    const seeds = [firstCatch(scalable, mutant.name), ...Array.from({ length: PATIENCE }, (_, n) => n + 1)];
    expect(seeds.some(isCaught)).toBe(true);
  });
});
