import { describe, expect, it } from 'vitest';
import { measureIova } from '../../src/machine/index.ts';

type Load = Parameters<typeof measureIova>[0];
/** Nanoseconds of giving a range back and taking another: from a cache, and from the tree. */
const [CACHED, SEARCHED] = [2 * 20, 2 * 100];
const load = (changes: Partial<Load>): ReturnType<typeof measureIova> =>
  measureIova({ cores: 1, pages: 1, caches: 'shared', held: 8, work: 0, seed: 1, ...changes }, 200);

describe('Cores that take I/O virtual addresses', () => {
  it.each([
    ['one core from its cache', {}, CACHED],
    ['one core from the tree', { pages: 64 }, SEARCHED],
    ['four cores from one cache', { cores: 4 }, 4 * CACHED],
    ['four cores from their own', { cores: 4, caches: 'per core' }, CACHED],
    ['four cores from the tree', { cores: 4, caches: 'per core', pages: 64 }, 4 * SEARCHED],
  ] as [string, Partial<Load>, number][])('%s', (_, changes, each) => {
    const found = load(changes);
    // The last one to begin may also be the last one to end.
    expect(found.each / each).toBeGreaterThan(0.98);
    expect(found.each / each).toBeLessThan(1.05);
    expect(found.rate).toBeCloseTo(((changes.cores ?? 1) * 1000) / found.each, 6);
  });

  it('hardly wait where they have much else to do, and as many as the tree serves where they are more', () => {
    const work = 2000;
    const rateOf = (cores: number): number => load({ cores, pages: 64, work }).rate;
    expect(rateOf(2) / rateOf(1)).toBeGreaterThan(1.8);
    expect(rateOf(64)).toBeGreaterThan(0.9 * (1000 / SEARCHED));
    expect(rateOf(64)).toBeLessThanOrEqual(1000 / SEARCHED);
  });
});
