import { describe, expect, it } from 'vitest';
import { type Point, validatePoint } from '../../../src/machine/index.ts';
import {
  firstAccess,
  IOTLB_SC,
  IotlbProber,
  nextAccess,
  smallestEvictionSet,
} from '../../../src/machine/measured/iotlb-sc.ts';
import { pointsOf } from './points.ts';

const point = pointsOf('iotlb-sc');
const judged = (fields: Partial<Point>) => validatePoint(point(fields));

describe('An FPGA card that reads pages', () => {
  it('is told by the time of a read whether the IOTLB had the page', () => {
    const prober = new IotlbProber();
    prober.read(0);
    const [first, second, third] = [prober.read(1), prober.read(1), prober.read(2)];
    expect(second).toBe(IOTLB_SC.read.value + IOTLB_SC.lookup.value);
    expect(first - second).toBeCloseTo(IOTLB_SC.walk.value, 0);
    expect(third).toBe(first);
  });

  it('misses after the core has let the IOTLB forget everything', () => {
    const prober = new IotlbProber();
    prober.read(0);
    prober.flush();
    expect(prober.read(0)).toBeGreaterThan(firstAccess());
    expect(prober.read(0)).toBe(nextAccess());
  });

  it.each([1, 16, 117, 118, 128])(
    'needs as many other pages as there are entries to have one forgotten: %i',
    (entries) => {
      expect(smallestEvictionSet(entries)).toBe(entries);
    },
  );

  it('finds every page again where the IOTLB has room for the whole pool', () => {
    const prober = new IotlbProber(8192);
    for (let page = 0; page <= 4096; page++) prober.read(page);
    expect(prober.read(0)).toBe(nextAccess());
  });
});

describe('Points of IOTLB-SC', () => {
  const cycles = (fields: Partial<Point>) => judged({ unit: 'FPGA cycles', ...fields });

  it('say what the card is built from', () => {
    expect(cycles({ quantity: 'latency, IOMMU off', value: [160, 185] }).status).toBe('parameter');
    expect(IOTLB_SC.read.value / 5).toBe((160 + 185) / 2);
  });

  it.each<[string, string, string, () => number]>([
    ['latency, IOTLB miss', 'first access after map', 'FPGA cycles (1125-1350 ns)', () => firstAccess() / 5],
    ['latency', 'IOTLB miss', 'FPGA cycles', () => firstAccess() / 5],
    ['latency, IOTLB hit', '', 'ns', nextAccess],
    ['latency difference', 'miss minus hit', 'FPGA cycles (325-425 ns)', () => (firstAccess() - nextAccess()) / 5],
    ['hit/miss gap of the latency', '', 'us', () => (firstAccess() - nextAccess()) / 1000],
    ['minimal eviction set size', 'with IOTLB flush before each prime', 'addresses', () => IOTLB_SC.entries.value],
  ])('are simulated: %s, %s, in %s', (quantity, conditions, unit, expected) => {
    expect(judged({ quantity, conditions, unit }).simulated).toBeCloseTo(expected(), 9);
  });

  it('have a reason where a simulation cannot come near, and where there is none', () => {
    const flush = { quantity: 'duration', conditions: 'CPU-initiated global IOTLB flush', unit: 'us', value: 17 };
    const { status, simulated, reason } = judged({ ...flush, suggested_tol_pct: 50 });
    expect([status, Number(simulated) < 2]).toEqual(['off', true]);
    expect(reason).toMatch(/not known/);
    const footprint = { quantity: 'IOTLB entries evicted', conditions: 'one GPU SQL query', unit: 'entries' };
    expect(judged(footprint)).toMatchObject({ status: 'no-model', reason: expect.stringMatching(/database/) });
  });
});
