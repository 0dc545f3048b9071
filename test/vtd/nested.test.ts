/** Nested translation (vtd.md section 3.4). */
import { describe, expect, it } from 'vitest';
import { Access, NO_PASID } from '../../hardware/iommu/index.ts';
import { proves } from '../proves.ts';
import { ALL, PASID, Pgtt, secondAt } from './scalable.ts';
import { ALL_CACHES, NO_CACHES, resultOf, UnitBench } from './scalable-unit.ts';
import { BOTH, PS, SPARE, tableAt } from './tables.ts';

const [GUEST, HOST] = [0x4000_0000n, 0x8000_0000n];
const sizeOf = (level: number): bigint => 1n << (12n + 9n * BigInt(level - 1));
const indexOf = (address: bigint, level: number): number => Number((address / sizeOf(level)) % 512n);
const VA = (5n << 21n) | (3n << 12n);

/** Maps VA to `guest` by a first-stage page of level `fs`, and that to `host` by a second-stage page of level `ss`. */
function map(bench: UnitBench, fs: number, ss: number): { readonly expected: bigint; readonly order: number } {
  // Pages of the first stage lie one page further in the guest than in the device's view.
  const guest = GUEST + VA + (fs < 3 ? sizeOf(fs) : 0n);
  const host = HOST + (guest - GUEST);
  const down = (size: number, address: bigint): bigint => address - (address % sizeOf(size));
  for (let level = 4; level > fs; level--) bench.entry(level, indexOf(VA, level), tableAt(level - 1) | ALL);
  bench.entry(fs, indexOf(VA, fs), down(fs, guest) | ALL | (fs > 1 ? PS : 0n));
  const tables = [0n, SPARE, SPARE + 0x1000n, secondAt(3)];
  for (let level = 3; level > ss; level--) {
    bench.write64(tables[level]! + BigInt(indexOf(guest, level)) * 8n, tables[level - 1]! | BOTH);
  }
  bench.write64(tables[ss]! + BigInt(indexOf(guest, ss)) * 8n, down(ss, host) | BOTH | (ss > 1 ? PS : 0n));
  return { expected: host, order: Math.min(fs, ss) };
}

const sizes = [1, 2, 3].flatMap((fs) => [1, 2, 3].map((ss) => ({ fs, ss })));

describe('Nested translation', () => {
  it.each(sizes)('of a page of level $fs through one of level $ss gives a page of the smaller size.', ({ fs, ss }) => {
    proves('PASID-table entry.PGTT', 'PASID-table entry.SSPTPTR', 'ECAP_REG.NEST');
    for (const caches of [NO_CACHES, ALL_CACHES]) {
      const bench = new UnitBench({}, caches).scalable({ pgtt: Pgtt.NESTED });
      const { expected, order } = map(bench, fs, ss);
      bench.on();
      const size = sizeOf(order);
      const t = bench.answer({ address: VA + 0x123n, access: Access.READ });
      expect(resultOf(t)).toBe(expected + 0x123n);
      expect(t.leaf.shift).toBe(12 + 9 * (order - 1));
      // Every other address of the page, answered by the IOTLB where there is one: the tables are gone.
      if (caches.iotlb !== null) bench.write64(tableAt(4), 0n);
      const first = VA - (VA % size);
      for (const address of [first, first + size - 1n, first + size / 2n]) {
        const other = bench.answer({ address, access: Access.READ });
        expect(resultOf(other), `${address}`).toBe(expected - (expected % size) + (address - first));
      }
      if (caches.iotlb !== null && first > 0n) {
        expect(resultOf(bench.answer({ address: first - 1n, access: Access.READ }))).not.toBe(expected - 1n);
      }
    }
  });

  const depths = [4, 5].flatMap((m) => [3, 4, 5].map((n) => ({ m, n })));

  it.each(depths)('of $m levels in $n takes (m + 1)(n + 1) - 1 reads of page tables.', ({ m, n }) => {
    proves('PASID-table entry.AW');
    const bench = new UnitBench().scalable({ pgtt: Pgtt.NESTED, aw: n - 2, fspm: m - 4 }).on();
    for (const pasid of [NO_PASID, PASID]) {
      const reads = bench.count({ address: 0n, access: Access.READ, pasid });
      expect(reads.filter((what) => what.startsWith('FS-'))).toHaveLength(m);
      expect(reads.filter((what) => /^[FS]S-/.test(what))).toHaveLength((m + 1) * (n + 1) - 1);
      expect(reads).toHaveLength((m + 1) * (n + 1) - 1 + 4);
    }
  });

  it.each([4, 5])('takes fewer reads alone: %i for a first stage, n for a second.', (levels) => {
    const first = new UnitBench().scalable({ fspm: levels - 4 }).on();
    expect(first.count({ address: 0n, access: Access.READ })).toHaveLength(4 + levels);
    const second = new UnitBench().scalable({ pgtt: Pgtt.SECOND, aw: levels - 2 }).on();
    expect(second.count({ address: 0n, access: Access.READ })).toHaveLength(4 + levels);
  });

  it('reads root, context and PASID tables at host addresses, never through the second stage.', () => {
    const bench = new UnitBench().scalable({ pgtt: Pgtt.NESTED });
    for (const page of [0x1000n, 0x2000n, 0x5000n, 0x6000n]) bench.mapPage(page, 0n);
    expect(resultOf(bench.on().answer({ address: 0n, access: Access.READ }))).toBe(0x10_0000n);
  });
});
