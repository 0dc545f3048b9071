/** What the first-stage paging-structure cache keeps of nested tables: where they lie in the host (VT-d 6.2.5). */
import { describe, expect, it } from 'vitest';
import { Access, NO_PASID } from '../../hardware/iommu/index.ts';
import { ALL, DOMAIN, FS, PASID, Pgtt, SS, type WideDescriptor } from './scalable.ts';
import { iotlbDomain, iotlbPages, pasidIotlb, pasidPages } from './scalable-spaces.ts';
import { type Caches, NO_CACHES, resultOf, UnitBench } from './scalable-unit.ts';
import { BOTH, DATA, READ, tableAt } from './tables.ts';

const STRUCTURES: Caches = { ...NO_CACHES, firstStageCache: { sets: 16, ways: 4 } };
const MOVED = 0x6_2000n;
const WRITE = 2n;

const read = (bench: UnitBench): string | bigint =>
  resultOf(bench.answer({ address: 0n, access: Access.READ, pasid: PASID }));
const cached = (bench: UnitBench): bigint[] =>
  (bench.unit.translator.firstStage.structures?.entries() ?? []).map(({ frame }) => BigInt(frame)).sort();

/** The second stage moves the guest's page table after a walk has found it; the entry in the new place names a page of its own. */
function moved(): UnitBench {
  const bench = new UnitBench({}, STRUCTURES).scalable({ pgtt: Pgtt.NESTED }).on();
  expect(read(bench)).toBe(DATA);
  return bench.write64(MOVED, (DATA + 0x9000n) | ALL).mapPage(tableAt(1), MOVED | BOTH);
}

const rows: readonly (readonly [string, WideDescriptor, boolean])[] = [
  ['a page of its domain, whichever it is and whatever IH says', iotlbPages(DOMAIN, 0x7654_3000n, 0, 1), true],
  ['its domain', iotlbDomain(DOMAIN), true],
  ['its PASID', pasidIotlb(DOMAIN, PASID), true],
  ['its address in its PASID', pasidPages(DOMAIN, PASID, 0n), true],
  ['its address in its PASID, leaves only', pasidPages(DOMAIN, PASID, 0n, 0, 1), false],
  ['another address of its PASID', pasidPages(DOMAIN, PASID, 0x40_0000_0000n), false],
  ['another domain', iotlbDomain(DOMAIN + 1), false],
];

describe('A nested entry of the first-stage paging-structure cache', () => {
  it('leads to the table in the host, which takes no second stage to find.', () => {
    const bench = new UnitBench({}, STRUCTURES)
      .scalable({ pgtt: Pgtt.NESTED })
      .mapPage(tableAt(1), MOVED | BOTH)
      .on();
    bench.write64(MOVED, DATA | ALL);
    expect(read(bench)).toBe(DATA);
    expect(cached(bench)).toEqual([tableAt(3), tableAt(2), MOVED].sort());
    const again = bench.count({ address: 0x123n, access: Access.READ, pasid: PASID });
    expect(again.filter((what) => /^FS-/.test(what))).toEqual(['FS-PTE']);
    // The page's own four levels.
    expect(again.filter((what) => /^SS-/.test(what))).toHaveLength(4);
  });

  it.each(rows)('is removed or kept by an invalidation of %s.', (_, descriptor, goes) => {
    const bench = moved();
    expect(read(bench)).toBe(DATA);
    bench.flush(descriptor);
    expect(read(bench)).toBe(goes ? DATA + 0x9000n : DATA);
  });

  it('is not made while the second stage does not let the table be read (SFS.7).', () => {
    for (const [ssade, rights, known] of [
      [false, WRITE, [tableAt(3), tableAt(2)]],
      [true, READ, [tableAt(3), tableAt(2)]],
      [false, READ, [tableAt(3), tableAt(2), tableAt(1)]],
    ] as const) {
      const bench = new UnitBench({}, STRUCTURES).scalable({ pgtt: Pgtt.NESTED, ssade }).on();
      bench.entry(1, 0, DATA | ALL | FS.A).mapPage(tableAt(1), tableAt(1) | rights | SS.A | SS.D);
      expect(read(bench)).toBe(known.length === 3 ? DATA : 'SFS.7');
      expect(cached(bench)).toEqual([...known].sort());
    }
  });

  it('remembers that the table must not be written: a flag of its entries still cannot be set (SFS.8).', () => {
    const bench = new UnitBench({}, STRUCTURES).scalable({ pgtt: Pgtt.NESTED }).on();
    bench.entry(1, 0, DATA | ALL | FS.A).mapPage(tableAt(1), tableAt(1) | READ);
    expect(read(bench)).toBe(DATA);
    expect(cached(bench)).toContain(tableAt(1));
    bench.entry(1, 0, DATA | ALL);
    expect(read(bench)).toBe('SFS.8');
    expect(bench.read64(tableAt(1))).toBe(DATA | ALL);
  });
});

describe('A first-stage paging-structure cache beside an IOTLB', () => {
  it('answers the same whether somebody looks on or not.', () => {
    for (const isObserved of [false, true]) {
      const caches = { ...STRUCTURES, iotlb: { sets: 1, ways: 1 }, contextCache: { sets: 1, ways: 1 } };
      const bench = new UnitBench({}, { ...caches, pasidCache: { sets: 1, ways: 1 } }).scalable().on();
      const ask = (address: bigint): string | bigint => {
        const question = { address, access: Access.READ, pasid: NO_PASID };
        if (isObserved) bench.count(question);
        return resultOf(isObserved ? bench.translation : bench.answer(question));
      };
      bench.entry(1, 0, DATA | ALL | FS.A).entry(1, 1, DATA | ALL | FS.A);
      ask(0n);
      bench
        .write64(MOVED, (DATA + 0x9000n) | ALL | FS.A, (DATA + 0x9000n) | ALL | FS.A)
        .entry(2, 0, MOVED | ALL | FS.A);
      ask(0x1000n);
      expect(ask(0n)).toBe(DATA);
    }
  });
});
