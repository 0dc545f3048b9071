import { describe, expect, it } from 'vitest';
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { type Point, validatePoint } from '../../../src/machine/index.ts';
import { INVALIDATING_MACHINES } from '../../../src/machine/measured/invalidating-machines.ts';
import { meanWait, QueueOwner } from '../../../src/machine/measured/queue-owner.ts';
import { pointsOf } from './points.ts';

const riommu = pointsOf('riommu');
const modes = pointsOf('linux-modes');
const simulated = (point: Point) => validatePoint(point).simulated;

const PAGE = { cache: 'iotlb', scope: 'page', did: 1, page: 5 as PageNumber, mask: 0, leafOnly: true } as const;
const GLOBAL = { cache: 'iotlb', scope: 'global' } as const;

describe('A core that waits for its invalidation', () => {
  const { register, fetch, cache, descriptor } = INVALIDATING_MACHINES.riommu;

  it('waits for the way to the unit, for two descriptors and the status, and until it looks', () => {
    const unit = register.value / 2 + 3 * (fetch.value + cache.value);
    const least = 2 * descriptor.value + unit + cache.value;
    const took = new QueueOwner('riommu').nanoseconds([PAGE]);
    expect(took).toBeGreaterThanOrEqual(least);
    expect(took).toBeLessThan(least + register.value + 1);
    // On the average, half a look.
    expect(meanWait('riommu', [PAGE])).toBeCloseTo(least + register.value / 2, -1);
  });

  it('waits longer for more descriptors, and longest for as many batches', () => {
    const owner = new QueueOwner('riommu');
    const [one, two, apart] = [[[PAGE]], [[PAGE, GLOBAL]], [[PAGE], [GLOBAL]]].map((batches) =>
      owner.nanoseconds(...batches),
    );
    expect(two).toBeGreaterThan(one!);
    expect(apart).toBeGreaterThan(two!);
  });

  it('goes on for longer than the ring has places', () => {
    const owner = new QueueOwner('silver');
    const times = Array.from({ length: 300 }, () => owner.nanoseconds([PAGE]));
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(INVALIDATING_MACHINES.silver.register.value);
  });

  it('waits for a device to forget, too', () => {
    const answer = INVALIDATING_MACHINES.dsa.device.value;
    const page = { cache: 'device-tlb', sid: 0x300, pasid: 3, page: 5 as PageNumber, mask: 0 } as const;
    expect(new QueueOwner('dsa').nanoseconds([page])).toBeGreaterThan(answer);
  });
});

describe('Points about the invalidation queue', () => {
  const cycles = meanWait('riommu', [PAGE]) * 3.1;

  it.each([
    ['strict', 'unmap.iotlb_inv'],
    ['strict+', 'unmap.iotlb_inv'],
    ['Xeon E3-1220', 'IOTLB invalidation'],
    ['', 'flush of the IOTLB'],
    ['strict', 'invalidating an IOTLB entry'],
  ])('are simulated: %s, %s', (conditions, quantity) => {
    expect(simulated(riommu({ conditions, quantity, unit: 'cycles' }))).toBe(cycles);
  });

  it('are simulated as times, and on the machine that they name', () => {
    const quantity = 'QI IOTLB invalidation';
    expect(simulated(riommu({ quantity, unit: 'us' }))).toBeCloseTo(cycles / 3.1 / 1000, 9);
    const silver = { conditions: 'Xeon Silver 4314 2.4 GHz', quantity, unit: 'cycles' };
    expect(simulated(modes(silver))).toBe(meanWait('silver', [PAGE]) * 2.4);
    expect(simulated(modes({ quantity, unit: 'cycles' }))).toBeNull();
  });

  it.each([
    ['standard netperf benchmarks', 'throughput vs baseline strict IOMMU', 'x', /netperf/],
    ['10 GbE, Linux 2.6.36, emulated vIOMMU', 'line-rate fraction strict / deferred(10 ms)', '%', /hypervisor/],
  ])('have a reason instead: %s, %s', (conditions, quantity, unit, reason) => {
    expect(validatePoint(riommu({ conditions, quantity, unit }))).toMatchObject({
      status: 'no-model',
      reason: expect.stringMatching(reason),
    });
  });

  it.each([
    ['8 threads, HiSilicon SMMUv3', 'map latency', 'us', /SMMUv3/],
    ['4 KiB randread, io_uring', 'IOPS strict', 'IOPS', /drives/],
    ['netperf UDP small packets, intel_iommu', 'performance recovered by batching', '%', /network stack/],
  ])('have a reason instead, in other groups: %s, %s', (conditions, quantity, unit, reason) => {
    expect(validatePoint(modes({ conditions, quantity, unit }))).toMatchObject({
      status: 'no-model',
      reason: expect.stringMatching(reason),
    });
  });

  it('have none where nothing is known of them', () => {
    expect(validatePoint(riommu({ quantity: 'power', unit: 'W' }))).not.toHaveProperty('reason');
  });
});
