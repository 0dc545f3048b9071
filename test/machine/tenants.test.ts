import { describe, expect, it } from 'vitest';
import { measureTenants, ways } from '../../src/machine/index.ts';

type Spec = Parameters<typeof measureTenants>[0];

const LARGE = { iotlb: ways(64), devices: { sets: 1, ways: 8 }, hostStructures: ways(64), guestStructures: ways(64) };
const PLAIN: Spec = {
  vendor: 'intel',
  tenants: 4,
  burst: 1,
  dataPages: 1,
  deviceTlb: { sets: 1, ways: 1 },
  pending: 1,
  caches: LARGE,
};
const COUNT = { warmUp: 50, packets: 300 };
/** Nanoseconds of a packet of 1,542 bytes at 200 Gb/s, and of the way to the IOMMU and back. */
const INTERVAL = 61.68;
const ROUND_TRIP = 900;

describe.each(['intel', 'amd'] as const)('Tenants of one device at %s', (vendor) => {
  const measure = (changes: Partial<Spec>): ReturnType<typeof measureTenants> =>
    measureTenants({ ...PLAIN, vendor, ...changes }, COUNT);

  it('wait for three round trips for each packet where the device keeps nothing and asks for one at a time', () => {
    const { utilisationPct, hitsPct, walkReads } = measure({});
    expect(utilisationPct).toBeCloseTo((100 * INTERVAL) / (3 * ROUND_TRIP), 2);
    expect([hitsPct, walkReads]).toEqual([0, 0]);
  });

  it('wait a third of that where it asks for three at a time', () => {
    expect(measure({ pending: 3 }).utilisationPct).toBeCloseTo((100 * INTERVAL) / ROUND_TRIP, 1);
  });

  it('wait for 18 accesses of 50 ns more for each translation where nothing is cached', () => {
    const none = { ...LARGE, iotlb: null, hostStructures: null, guestStructures: null };
    const { utilisationPct, walkReads } = measure({ caches: none });
    expect(walkReads).toBeCloseTo(3 * 18, 0);
    expect(utilisationPct).toBeCloseTo((100 * INTERVAL) / (3 * (ROUND_TRIP + 18 * 50)), 2);
  });

  it('have all of the network where the device keeps what they need', () => {
    const { utilisationPct, hitsPct } = measure({ deviceTlb: { sets: 1, ways: 12 } });
    expect(hitsPct).toBe(100);
    expect(utilisationPct).toBeCloseTo(100, 1);
  });
});
