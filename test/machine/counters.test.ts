/** The performance counters of real machines, under the names of Linux's perf: counted by hand for one scenario on both vendors' units. */
import { describe, expect, it } from 'vitest';
import { CounterSource } from '../../hardware/amdvi/spec/index.ts';
import { EVENTS } from '../../hardware/vtd/index.ts';
import { scenarios } from '../../scenarios/index.ts';
import { AMD_COUNTERS, INTEL_COUNTERS } from '../../src/machine/index.ts';
import { Run } from '../../src/scenario/index.ts';

function counted(name: string, machine?: string): Readonly<Record<string, number>> {
  const run = new Run(scenarios.find((one) => one.name === name)!, machine === undefined ? {} : { machine });
  run.machine.count();
  run.finish();
  const counts = run.machine.counters().filter(({ count }) => count !== null && count > 0);
  return Object.fromEntries(counts.map(({ name: counter, count }) => [counter, count!]));
}

describe('01-first-dma, in which two DMAs pass and two are blocked after an unmap', () => {
  it('counts on Intel: four requests, four look-ups, one context entry fetched, and what walks and the queue read.', () => {
    expect(counted('01-first-dma')).toEqual({
      'dmar0/iommu_requests/': 4,
      // Root entry, context entry and four levels; four levels; twice the empty entry at the top; two descriptors of the unmap.
      'dmar0/iommu_mrds/': 2 + 4 + 4 + 1 + 1 + 2,
      'dmar0/iotlb_lookup/': 4,
      'dmar0/ctxt_cache_lookup/': 4,
      'dmar0/ctxt_cache_hit/': 3,
    });
  });

  it('counts on AMD: the same requests; a device table entry that is no page table; and commands.', () => {
    const counts = counted('01-first-dma', 'amd-v1');
    expect(counts).toMatchObject({
      'amd_iommu_0/mem_trans_total/': 2,
      'amd_iommu_0/mem_target_abort/': 2,
      'amd_iommu_0/mem_iommu_tlb_pte_mis/': 4,
      'amd_iommu_0/mem_dte_mis/': 1,
      'amd_iommu_0/mem_dte_hit/': 3,
      // Four levels twice, and twice the empty entry at the top.
      'amd_iommu_0/page_tbl_read_tot/': 10,
      'amd_iommu_0/page_tbl_read_nst/': 10,
    });
    expect(counts['amd_iommu_0/mem_iommu_tlb_pte_hit/']).toBeUndefined();
    expect(counts['amd_iommu_0/cmd_processed/']).toBeGreaterThan(counts['amd_iommu_0/cmd_processed_inv/']!);
  });
});

describe('02-stale-iotlb, which lives on hits', () => {
  it.each([
    [undefined, 'dmar0/iotlb_hit/', 'dmar0/iotlb_lookup/'],
    ['amd-v1', 'amd_iommu_0/mem_iommu_tlb_pte_hit/', 'amd_iommu_0/mem_iommu_tlb_pte_mis/'],
  ] as const)('counts as many hits as the IOTLB has had: %s.', (machine, hits, others) => {
    const run = new Run(
      scenarios.find(({ name }) => name === '02-stale-iotlb')!,
      machine === undefined ? {} : { machine },
    );
    run.machine.count();
    const { statistics } = run.finish();
    const counts = Object.fromEntries(run.machine.counters().map(({ name, count }) => [name, count]));
    expect(counts[hits]).toBe(statistics.iotlbHits);
    expect(statistics.iotlbHits).toBeGreaterThan(0);
    const lookups = machine === undefined ? counts[others]! : counts[others]! + counts[hits]!;
    expect(lookups).toBe(statistics.iotlbHits + statistics.iotlbMisses);
  });

  it.each([undefined, 'amd-v1'])('takes the same time whoever counts: %s.', (machine) => {
    const times = [false, true].map((isCounted) => {
      const run = new Run(
        scenarios.find(({ name }) => name === '02-stale-iotlb')!,
        machine === undefined ? {} : { machine },
      );
      // No probe either, so that hits and walks go their shortest way.
      run.machine.attach(null);
      if (isCounted) run.machine.count();
      run.finish();
      return run.machine.digest();
    });
    expect(times[1]).toBe(times[0]);
  });
});

describe('The tables of counters', () => {
  it('name every event that a model counts, once.', () => {
    const named = (table: typeof INTEL_COUNTERS) =>
      table.counters.flatMap(({ event }) => (event === null ? [] : [event]));
    expect(named(INTEL_COUNTERS).sort((a, b) => a - b)).toEqual(EVENTS.map(({ event }) => event).sort((a, b) => a - b));
    expect(new Set(named(AMD_COUNTERS)).size).toBe(named(AMD_COUNTERS).length);
  });

  it('name every source that AMD-Vi has, and say of those without counterpart why.', () => {
    expect(AMD_COUNTERS.counters).toHaveLength(Object.keys(CounterSource).length - 1);
    for (const { counters } of [INTEL_COUNTERS, AMD_COUNTERS]) {
      expect(new Set(counters.map(({ name }) => name)).size).toBe(counters.length);
      for (const { meaning } of counters) expect(meaning.length).toBeGreaterThan(10);
    }
  });
});
