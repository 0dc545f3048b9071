import { describe, expect, it } from 'vitest';
import { measureReads, STAGES, ways } from '../../src/machine/index.ts';

type Spec = Parameters<typeof measureReads>[0];

const PLAIN: Spec = {
  vendor: 'intel',
  stages: 'host',
  pageSize: '4K',
  // More than reads are under way: none finds that another has just walked for its page.
  pages: 64,
  requesters: 1,
  caches: { iotlb: ways(1), devices: { sets: 1, ways: 1 }, hostStructures: null, guestStructures: null },
  walkers: 1,
  pattern: 'strided',
  bytes: 64,
  seed: 1,
};
const measure = (changes: Partial<Spec>): ReturnType<typeof measureReads> =>
  measureReads({ ...PLAIN, ...changes }, { warmUp: 100, transfers: 400 });
const entries = (n: number): Spec['caches'] => ({ ...PLAIN.caches, iotlb: ways(n) });

describe.each(['intel', 'amd'] as const)('A workbench of %s', (vendor) => {
  it.each([
    ['host', '4K', 4],
    ['host', '2M', 3],
    ['guest', '4K', 4],
    ['guest', '2M', 3],
    // Each entry of the guest, whose table the host's tables lead to, and then the page.
    ['nested', '4K', 4 * 5 + 4],
    ['nested', '2M', 3 * 5 + 3],
  ] as const)(
    'reads for each walk as often as tables of four levels make necessary: %s, %s',
    (stages, pageSize, reads) => {
      const { walkReads, hitsPct } = measure({ vendor, stages, pageSize });
      expect(hitsPct).toBe(0);
      expect(walkReads).toBeCloseTo(reads, 0);
    },
  );

  it.each(STAGES)('finds everything in an IOTLB that is large enough: %s', (stages) => {
    expect(measure({ vendor, stages, caches: entries(64) })).toMatchObject({ hitsPct: 100, walkReads: 0, walk: 0 });
  });

  it('has tables for functions on several buses, each of its own', () => {
    const caches = (n: number) => ({ ...entries(n), devices: { sets: 512, ways: 1 } });
    const hits = (n: number): number => {
      const of = { vendor, stages: 'nested', requesters: 300, pages: 1, caches: caches(n) } as const;
      return measureReads({ ...PLAIN, ...of }, { warmUp: 600, transfers: 600 }).hitsPct;
    };
    expect([hits(300), hits(200)]).toEqual([100, 0]);
  });

  it('asks nothing of the IOMMU for what the device has translations for', () => {
    const ats = { tlb: { sets: 1, ways: 64, global: false }, pending: 4 };
    const { gigabits, hitsPct, walkReads } = measure({ vendor, stages: 'nested', ats });
    expect(hitsPct).toBe(100);
    expect(walkReads).toBeCloseTo(0, 1);
    expect(gigabits / measure({ vendor, caches: entries(64) }).gigabits).toBeCloseTo(1, 1);
  });

  it('asks for each read whose translation the device has lost again', () => {
    const ats = { tlb: { sets: 1, ways: 1, global: false }, pending: 1 };
    const { hitsPct, walkReads } = measure({ vendor, ats });
    expect(hitsPct).toBe(0);
    expect(walkReads).toBeCloseTo(4, 0);
  });
});

describe('A workbench', () => {
  it('gives the same for the same seed, and hits alike for both vendors', () => {
    const uniform = { pattern: 'uniform', pages: 32, caches: entries(8) } as const;
    expect(measure(uniform)).toEqual(measure(uniform));
    expect(measure(uniform)).not.toEqual(measure({ ...uniform, seed: 2 }));
    expect(measure({ ...uniform, vendor: 'amd' }).hitsPct).toBeCloseTo(measure(uniform).hitsPct, -1);
  });

  it('hits once per page less than it has lines where lines follow each other', () => {
    const { hitsPct } = measureReads({ ...PLAIN, pattern: 'sequential' }, { warmUp: 64, transfers: 6400 });
    // While a page is walked for, the reads behind it miss, too.
    expect(hitsPct).toBeGreaterThan(50);
    expect(hitsPct).toBeLessThan(99);
  });

  it('reads popular pages more often: what is hit of them is more than their share', () => {
    const of = { pages: 64, caches: entries(8) } as const;
    expect(measure({ ...of, pattern: 'zipf' }).hitsPct).toBeGreaterThan(
      2 * measure({ ...of, pattern: 'uniform' }).hitsPct,
    );
  });
});
