/**
 * Random sequences of table edits, invalidations and accesses against the brute-force twin (test/vtd/caching/twin.ts):
 * a small number of those of test/long, and units that are broken on purpose.
 */
import { describe, expect, it } from 'vitest';
import { LEGACY_MUTANTS } from './caching/legacy-mutants.ts';
import { CACHES, type CacheName } from './caching/machine.ts';
import { minimise, type Options, run } from './caching/sequence.ts';

const SEQUENCES = 100;
const PER_CACHE = 30;
/** Sequences within which every broken unit is caught. */
const PATIENCE = 400;

const sequences = (count: number, options: Options) => {
  let stale = 0;
  for (let seed = 1; seed <= count; seed++) {
    const ending = run(seed, options);
    if (ending.failure !== null) expect.fail(minimise(seed, options));
    stale += ending.stale;
  }
  return stale;
};

const MODES = [{ mode: 'legacy', scalable: false, mutants: LEGACY_MUTANTS }];
const LEGACY_CACHES: readonly CacheName[] = ['iotlb', 'contextCache', 'secondStageCache'];

describe.each(MODES)('In $mode mode', ({ scalable, mutants }) => {
  it('every access ends as some table state that no invalidation has covered yet allows.', () => {
    expect(sequences(SEQUENCES, { scalable })).toBeGreaterThan(100);
  });

  it('without caches every access ends as the tables are now.', () => {
    expect(sequences(PER_CACHE, { scalable, caches: [] })).toBe(0);
  });

  it.each(scalable ? CACHES : LEGACY_CACHES)('the %s alone gives legal stale answers.', (cache) => {
    expect(sequences(PER_CACHE, { scalable, caches: [cache] })).toBeGreaterThan(0);
  });

  it.each(mutants)('a broken unit is caught: $name', (mutant) => {
    const isCaught = (seed: number): boolean => run(seed, mutant).failure !== null;
    const seeds = Array.from({ length: PATIENCE }, (_, n) => n + 1);
    expect(seeds.find(isCaught)).toBeLessThanOrEqual(PATIENCE);
  });
});
