/** An IOTLB with arrays of their own for large pages, held against one IOTLB per array. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Iotlb, type IotlbSpec, REPLACEMENT_POLICIES } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { VtdUnit } from '../../hardware/vtd/index.ts';

const array = fc.record({
  sets: fc.constantFrom(1, 2, 4),
  ways: fc.constantFrom(1, 2, 4),
  policy: fc.constantFrom(...REPLACEMENT_POLICIES),
});
const SHIFTS = [12, 16, 21, 30, 39] as const;
const step = fc.record({
  kind: fc.constantFrom('find', 'find', 'insert', 'insert', 'insert', 'remove'),
  n: fc.nat(12),
  shift: fc.constantFrom(...SHIFTS),
});
const pageOf = (n: number, shift: number): [hi: number, lo: number] => {
  const page = n * 2 ** (shift - 12);
  return [Math.floor(page / 2 ** 32), page | 0];
};
const rows = (cache: Iotlb): string[] =>
  cache
    .entries()
    .map(({ page, shift }) => `${shift} ${page}`)
    .sort();

describe('An IOTLB with an array per page size', () => {
  it('is as many IOTLBs as it has arrays, of which the one with the smallest page answers.', () => {
    let hits = 0;
    fc.assert(
      fc.property(array, array, array, fc.array(step, { minLength: 40, maxLength: 120 }), (base, two, one, steps) => {
        const cache = new Iotlb({ ...base, '2M': two, '1G': one });
        const twins = { base: new Iotlb(base), two: new Iotlb(two), one: new Iotlb(one) };
        const twinOf = (shift: number): Iotlb => (shift === 21 ? twins.two : shift === 30 ? twins.one : twins.base);
        for (const { kind, n, shift } of steps) {
          const [hi, lo] = pageOf(n, shift);
          if (kind === 'insert') {
            cache.insert(0, hi, lo, shift);
            twinOf(shift).insert(0, hi, lo, shift);
          } else if (kind === 'remove') {
            const removed = Object.values(twins).reduce(
              (sum, twin) => sum + twin.removePages(0, hi, lo, shift - 12),
              0,
            );
            expect(cache.removePages(0, hi, lo, shift - 12)).toBe(removed);
          } else {
            const found = Object.values(twins)
              .map((twin) => ({ twin, at: twin.peek(0, hi, lo) }))
              .filter(({ at }) => at >= 0)
              .map(({ twin, at }) => ({ twin, entry: twin.entry(at) }))
              .sort((a, b) => a.entry.shift - b.entry.shift)[0];
            const at = cache.find(0, hi, lo);
            expect(at < 0 ? null : cache.entry(at)).toEqual(found?.entry ?? null);
            found?.twin.find(0, hi, lo);
            if (at >= 0) hits++;
          }
          expect(rows(cache)).toEqual(Object.values(twins).flatMap(rows).sort());
        }
      }),
      { numRuns: 60 },
    );
    expect(hits).toBeGreaterThan(200);
  });

  it('lets each size replace its own pages only.', () => {
    const cache = new Iotlb({ sets: 1, ways: 2, '2M': { sets: 1, ways: 1 }, '1G': { sets: 1, ways: 1 } });
    cache.insert(0, 0, 0x40_0000, 30);
    cache.insert(0, 0, 0x200, 21);
    for (const page of [1, 2, 3]) cache.insert(0, 0, page, 12);
    cache.insert(0, 0, 0x400, 21);
    expect(rows(cache)).toEqual(['12 2', '12 3', '21 1024', '30 4194304']);
  });

  it('shares one array among the sizes that have none.', () => {
    const cache = new Iotlb({ sets: 1, ways: 1, '1G': { sets: 1, ways: 1 } });
    for (const [n, shift] of [
      [1, 12],
      [1, 21],
      [1, 30],
      [1, 39],
    ] as const)
      cache.insert(0, ...pageOf(n, shift), shift);
    expect(rows(cache)).toEqual(['30 262144', '39 134217728']);
  });

  it.each<Partial<IotlbSpec>>([{ '2M': { sets: 3, ways: 1 } }, { '1G': { sets: 1, ways: 0 } }])(
    'does not exist with %j.',
    (own) => {
      expect(() => new Iotlb({ sets: 1, ways: 1, ...own })).toThrow(RangeError);
    },
  );

  it('is what a unit has whose specification says so.', () => {
    const spec = {
      capabilities: { ver: 0x10n, cap: 0x80d2_008c_222f_0606n, ecap: 0xf0_0f4an },
      hostAddressWidth: 48,
      faultCompression: false,
      iotlb: { sets: 2, ways: 4, '2M': { sets: 1, ways: 8 } },
      contextCache: null,
      interruptEntryCache: null,
    };
    const list = new VtdUnit(spec, { memory: new PhysicalMemory(), raiseMsi: () => {} }).translator.iotlb?.arrays.list;
    expect(list?.map(({ size, spec: { sets, ways } }) => [size, sets, ways])).toEqual([
      [null, 2, 4],
      ['2M', 1, 8],
    ]);
  });
});
