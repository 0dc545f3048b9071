import { describe, expect, it } from 'vitest';
import { dmaApiValues, measureIova } from '../../src/machine/index.ts';

type Load = Parameters<typeof measureIova>[0];
const VALUES = dmaApiValues('linux-6');
/** Nanoseconds of giving a range back and taking another: from a cache, and from the tree. */
const CACHED = VALUES.freeCached + VALUES.allocateCached;
const SEARCHED = VALUES.freeSearched + VALUES.allocateSearched;
/** The same where the lock of the tree comes from another core each time. */
const HANDED_OVER = SEARCHED + 2 * VALUES.transfer;
const RANGES = 200;
const load = (changes: Partial<Load>): ReturnType<typeof measureIova> =>
  measureIova({ cores: 1, pages: 1, caches: 'per core', held: 8, work: 0, seed: 1, ...changes }, RANGES);

describe('Cores that take I/O virtual addresses', () => {
  it.each([
    ['one core from its cache', {}, CACHED],
    ['one core from the tree', { caches: 'none' }, SEARCHED],
    ['one core with ranges that are too long for its cache', { pages: 64 }, SEARCHED],
    ['four cores from their own', { cores: 4 }, CACHED],
    ['four cores from the tree', { cores: 4, caches: 'none' }, 4 * HANDED_OVER],
    ['four cores with ranges that are too long for their caches', { cores: 4, pages: 64 }, 4 * HANDED_OVER],
  ] as [string, Partial<Load>, number][])('%s', (_, changes, each) => {
    const found = load(changes);
    // The last one to begin may also be the last one to end.
    expect(found.each / each).toBeGreaterThan(0.98);
    expect(found.each / each).toBeLessThan(1.05);
    expect(found.rate).toBeCloseTo(((changes.cores ?? 1) * 1000) / found.each, 6);
  });

  it('hardly wait where they have much else to do, and as many as the tree serves where they are more', () => {
    const work = 20_000;
    const rateOf = (cores: number): number => load({ cores, pages: 64, work }).rate;
    expect(rateOf(2) / rateOf(1)).toBeGreaterThan(1.8);
    expect(rateOf(64)).toBeGreaterThan(0.9 * (1000 / HANDED_OVER));
    expect(rateOf(64)).toBeLessThanOrEqual(1000 / HANDED_OVER);
  });
});
