import { describe, expect, it } from 'vitest';
import { validatePoint } from '../../../src/machine/index.ts';
import { coldTranslation } from '../../../src/machine/measured/hypertrio.ts';
import { pointsOf } from './points.ts';

const point = pointsOf('hypertrio');
const simulated = (quantity: string, unit: string, value = 1) =>
  validatePoint(point({ quantity, unit, value })).simulated;

describe('The constants of HyperTRIO', () => {
  it.each([
    ['one-way PCIe latency', 'ns'],
    ['DRAM access latency', 'ns'],
    ['DevTLB/IOTLB hit latency', 'ns'],
    ['prefetch buffer hit', 'ns'],
    ['context cache hit', 'ns'],
    ['page (PDE) cache hit', 'ns'],
    ['packet size on wire', 'B'],
    ['default link bandwidth', 'Gb/s'],
    ['translations per packet', ''],
    ['pending translation buffer (base)', ''],
  ])('are what its machine is built from: %s', (quantity, unit) => {
    expect(validatePoint(point({ quantity, unit })).status).toBe('parameter');
  });

  it('are none where they are words, or where nobody knows them', () => {
    expect(validatePoint(point({ quantity: 'DevTLB hit', value: '64 entries' })).status).toBe('not-numeric');
    expect(validatePoint(point({ quantity: 'tenants', value: 1000 })).status).toBe('no-model');
  });
});

describe('A cold nested translation', () => {
  // Each of m entries of the guest is found by n reads and is itself read; the page itself is found by n more.
  it.each([
    ['nested page walk memory accesses', 24],
    ['nested 4x5 page walk, memory reads', 29],
    ['page walk accesses, 5x4', 29],
    ['5-level nested page walk accesses', 35],
    ['4-level page walk accesses', 4],
    ['page walk accesses, 5 levels', 5],
  ])('reads memory so often: %s: %i', (quantity, reads) => {
    expect(simulated(quantity, 'accesses')).toBe(reads);
  });

  it('takes the way there and back and the reads, one after the other', () => {
    expect(simulated('PCIe RTT + 24 x DDR', 'ns')).toBeCloseTo(2100, 0);
    expect(simulated('full nested translation, 5x5', 'us')).toBeCloseTo(0.9 + 1.75, 3);
  });

  it('takes longer by as many reads as it has more', () => {
    const [few, many] = [coldTranslation({ first: 4, second: 4 }), coldTranslation({ first: 5, second: 5 })];
    expect((many.nanoseconds - few.nanoseconds) / (many.reads - few.reads)).toBeCloseTo(50, 1);
  });

  it('is not known for other depths or in other units', () => {
    expect(simulated('nested 3x4 page walk accesses', 'accesses')).toBeNull();
    expect(simulated('nested page walk memory accesses', 'GB/s')).toBeNull();
  });
});

describe('A cold context entry', () => {
  it('takes the reads of two tables', () => {
    expect(simulated('context entry read (2 accesses)', 'ns')).toBeCloseTo(100, 0);
  });
});
