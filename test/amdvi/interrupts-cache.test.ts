/** The cache of interrupt table entries: what stays, what removes it, and what is never kept. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  aborted,
  delivered,
  GA_EN,
  InterruptBench,
  IOMMU_EN,
  IRT_CACHE_DIS,
  LENGTH,
  REMAPS,
} from './interrupt-bench.ts';

const A = 0x0108;
const B = 0x0109;
/** Entries for vector 41h and 42h. */
const OLD = 0x0041_2301;
const NEW = 0x0042_2301;
const WITH_OLD = delivered(0xfee2_3000n, 0x0041);
const WITH_NEW = delivered(0xfee2_3000n, 0x0042);
const ADDRESS = 0xfee0_0000;

/** Interrupts of both devices through `indexes` of one table are in the cache with OLD, and have NEW in memory. */
function stale(indexes: readonly number[]): InterruptBench {
  const bench = new InterruptBench(IOMMU_EN, { hasCache: true }).device(REMAPS, A).device(REMAPS, B);
  for (const index of indexes) bench.irte(index, OLD);
  for (const index of indexes) for (const device of [A, B]) bench.send(index, ADDRESS, device);
  for (const index of indexes) bench.irte(index, NEW);
  return bench;
}

describe('An entry of the interrupt table', () => {
  it('stays in use after software has changed it, and costs no access.', () => {
    const bench = stale([5]);
    expect(bench.send(5)).toEqual(WITH_OLD);
    expect(bench.accesses, 'the device table entry').toBe(1);
    expect(bench.irte(5, 0).send(5)).toEqual(WITH_OLD);
  });

  it('is removed for one device with all its indexes, and for no other device.', () => {
    const indexes = [0, 5, 0x1ff];
    const bench = stale(indexes);
    bench.remapper.invalidate(A);
    expect(indexes.map((index) => bench.send(index, ADDRESS, B))).toEqual([WITH_OLD, WITH_OLD, WITH_OLD]);
    expect(indexes.map((index) => bench.send(index, ADDRESS, A))).toEqual([WITH_NEW, WITH_NEW, WITH_NEW]);
  });

  it('is removed with all others.', () => {
    const bench = stale([5]);
    bench.remapper.everything();
    expect([A, B].map((device) => bench.send(5, ADDRESS, device))).toEqual([WITH_NEW, WITH_NEW]);
  });

  it('is tagged by all bits of its device.', () => {
    const bench = stale([5]).device(REMAPS, 0x8108);
    expect(bench.send(5, ADDRESS, 0x8108)).toEqual(WITH_NEW);
    bench.irte(5, OLD);
    bench.remapper.invalidate(0x0008);
    expect(bench.send(5, ADDRESS, 0x8108)).toEqual(WITH_NEW);
  });

  it('beyond a table that has become shorter is not used, nor is one where IntCtl has changed.', () => {
    const bench = stale([5]);
    expect(bench.device(LENGTH(2n)).send(5)).toEqual(aborted('IO_PAGE_FAULT.INTERRUPT_INDEX', 2));
    expect(bench.device(REMAPS ^ (3n << 60n)).send(5)).toEqual(delivered(0xfee0_0000n, 5));
    expect(bench.device(0n).send(5)).toEqual(delivered(0xfee0_0000n, 5));
  });

  it('is not taken for one of another width.', () => {
    const bench = stale([5])
      .irte(5, 0x2301n, 0x43n)
      .control(IOMMU_EN | GA_EN);
    expect(bench.send(5)).toEqual(delivered(0xfee2_3000n, 0x0043));
    expect(bench.control(IOMMU_EN).send(5)).toEqual(WITH_OLD);
  });

  it('is neither looked up nor kept with Control.IRTCacheDis.', () => {
    proves('Control.IRTCacheDis');
    const bench = stale([5]).control(IOMMU_EN | IRT_CACHE_DIS);
    expect(bench.send(5)).toEqual(WITH_NEW);
    bench.remapper.everything();
    bench.send(5);
    expect(bench.remapper.cache!.entries()).toEqual([]);
  });

  it.each([
    ['RemapEn = 0', 0x0041_2300, 'IO_PAGE_FAULT.INTERRUPT_OFF'],
    ['a reserved bit', 0x0141_2301, 'IO_PAGE_FAULT.INTERRUPT_RESERVED'],
  ])('that led to a fault is not kept: %s.', (_, irte, fault) => {
    const bench = new InterruptBench(IOMMU_EN, { hasCache: true }).irte(5, irte);
    expect(bench.send(5)).toEqual(aborted(fault, 2));
    expect(bench.irte(5, NEW).send(5)).toEqual(WITH_NEW);
  });

  it.each(['invalidate', 'everything'] as const)('that was read before a command is not kept after it: %s.', (how) => {
    const bench = new InterruptBench(IOMMU_EN, { hasCache: true }).irte(5, OLD);
    const found = bench.send(5, ADDRESS, A, (access) => {
      if (access === 1) bench.irte(5, NEW).remapper[how](A);
    });
    expect(found).toEqual(WITH_OLD);
    expect(bench.send(5)).toEqual(WITH_NEW);
  });
});
