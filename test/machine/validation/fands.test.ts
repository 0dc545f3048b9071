import { describe, expect, it } from 'vitest';
import { type Point, validatePoint } from '../../../src/machine/index.ts';
import { pointsOf, simulate } from './points.ts';

const CONDITIONS = 'CX-5 100G, Linux 6.0 strict, DCTCP, MTU 4K, 5 cores, DDIO off, iperf Rx; ring 256';
const flows = pointsOf('fands-flows');
const conditions = `${CONDITIONS}, 10 flows`;
const simulated = (fields: Partial<Point>) => simulate(flows({ conditions, ...fields }));

describe('Receiving, as it was measured', () => {
  // Rubin et al., SOSP 2024, figures 2 and 7, with the tolerance of the points.
  it.each([
    ['iommu_off.tput', 'Gb/s', 91.5],
    ['strict.tput', 'Gb/s', 61.6],
    ['fands.tput', 'Gb/s', 91.4],
    ['strict.drop', '%', 1.388],
    ['strict.iotlb_miss_per_4KB', 'misses', 1.44],
    ['strict.acks_per_4KB', 'ACKs', 0.0667],
    ['strict.ptcL1_miss_per_4KB', 'misses', 0.157],
    ['strict.ptcL2_miss_per_4KB', 'misses', 0.152],
    ['strict.ptcL3_miss_per_4KB', 'misses', 0.566],
    ['memory reads for translation per 4 KB', 'reads', 2.315],
  ])('with ten flows: %s in %s', (quantity, unit, published) => {
    const { errorPct, status } = validatePoint(
      flows({ conditions, quantity, unit, value: published, suggested_tol_pct: 5 }),
    );
    expect([status, Math.abs(errorPct!) < 5]).toEqual(['ok', true]);
  });

  it('says throughput in any unit of a rate', () => {
    const gigabits = simulated({ quantity: 'strict.tput', unit: 'Gb/s' });
    expect(simulated({ quantity: 'strict throughput', unit: 'GB/s' })).toBeCloseTo(gigabits / 8, 6);
  });

  it('takes the protection from the quantity, then from the id, then from the conditions', () => {
    const strict = simulated({ quantity: 'strict.tput', unit: 'Gb/s' });
    const off = simulated({ quantity: 'iommu_off.tput', unit: 'Gb/s' });
    expect(simulated({ quantity: 'throughput', id: 'fands.flows10.iommu_off', unit: 'Gb/s' })).toBe(off);
    expect(simulated({ quantity: 'throughput', id: 'fands.flows10', unit: 'Gb/s' })).toBe(strict);
  });

  it.each([
    ['l0 (latency per 4 KB packet without protection)', 'ns'],
    ['lm (IOMMU-to-memory read latency per read)', 'ns'],
  ])('has for parameter %s', (quantity, unit) => {
    expect(validatePoint(pointsOf('fands-model')({ conditions, quantity, unit })).status).toBe('parameter');
  });

  it.each([
    ['P99 latency of an RPC', 'us', /Requests and their answers/],
    ['redis throughput', 'Kops', /Applications above TCP/],
    ['CPU utilisation', '%', /network stack/],
    ['Tx strict.ptcL1 per 4KB', 'misses', /only acknowledgements/],
  ])('has no model of %s, and says so', (quantity, unit, reason) => {
    const verdict = validatePoint(flows({ conditions, quantity, unit }));
    expect(verdict).toMatchObject({ status: 'no-model', simulated: null });
    expect(verdict.reason).toMatch(reason);
  });

  it.each([
    ['no flows', 'ring 256, 0 flows'],
    ['too many flows', 'ring 256, 4000 flows'],
    ['an MTU that nothing has', 'MTU 400, 5 flows'],
  ])('has no model of %s', (_, words) => {
    expect(validatePoint(flows({ conditions: words, quantity: 'strict.tput', unit: 'Gb/s' })).status).toBe('no-model');
  });

  it('knows in which set-ups walks are longest', () => {
    const point = pointsOf('fands-model')({
      conditions: 'F&S, all workloads',
      quantity: 'PTcache-L3 misses per page (max)',
      unit: 'misses',
      value: 0.054,
    });
    const { simulated: most } = validatePoint(point);
    expect(most).toBeGreaterThanOrEqual(0);
    expect(most).toBeLessThan(0.1);
  });
});
