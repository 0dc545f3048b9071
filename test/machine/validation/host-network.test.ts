import { describe, expect, it } from 'vitest';
import { validatePoint } from '../../../src/machine/index.ts';
import { deviceWrites, HOST_NETWORK } from '../../../src/machine/measured/host-network.ts';
import { pointsOf } from './points.ts';

const point = pointsOf('host-network');
const simulated = (quantity: string, unit: string, id = 'p') => validatePoint(point({ quantity, unit, id })).simulated;

describe('The domains of the host network', () => {
  it.each([
    ['unloaded C2M-Read domain latency (LFB->DRAM)', 70, 'ns'],
    ['unloaded C2M-Write domain latency (LFB->CHA)', 10, 'ns'],
    ['unloaded P2M-Write domain latency (IIO->MC)', 300, 'ns'],
    ['LFB credits (per core)', [10, 12], 'cachelines'],
    ['IIO write buffer credits', 92, 'cachelines'],
    ['IIO read buffer credits (lower bound)', 164, 'cachelines'],
    ['DRAM bank processing (row miss) time', 45, 'ns'],
    ['banks per channel set Nb', 32, 'banks'],
    ['per-cacheline channel transmission', 2.73, 'ns'],
    ['default I_T write occupancy / read occupancy / PCIe BW threshold', [70, 190, 84], 'cachelines'],
  ])('are what a machine is built from: %s', (quantity, value, unit) => {
    expect(validatePoint(point({ quantity, value, unit })).status).toBe('parameter');
  });

  it('have no figure for what nobody measured', () => {
    expect(validatePoint(point({ quantity: 'CHA write backlog', value: 5, unit: 'cachelines' })).status).toBe(
      'no-model',
    );
  });
});

describe('Writes of devices', () => {
  const held = HOST_NETWORK.deviceWrite.value;

  it.each([
    ['credits needed for 14 GB/s P2M write', 14],
    ['P2M write credits in use at 7 GB/s', 7],
    ['credits held by P2M writes at 1.5 GB/s', 1.5],
  ])('hold as many credits as come during the life of one: %s', (quantity, rate) => {
    const credits = (rate * held) / 64;
    expect(simulated(quantity, 'cachelines')).toBeGreaterThan(credits);
    expect(simulated(quantity, 'cachelines')).toBeLessThan(credits * 1.02);
  });

  it('say by the id alone at which rate', () => {
    expect(simulated('credits needed for P2M write', 'cachelines', 'p2m.credits_at_14GBps')).toBeCloseTo(65.8, 1);
    expect(simulated('credits needed for P2M write', 'cachelines')).toBeNull();
  });

  // To a picosecond in each write.
  it('come at the rate at which they are made until the credits are used up, and no faster', () => {
    expect(deviceWrites(14).rate).toBeCloseTo(14, 2);
    expect(deviceWrites(19).rate).toBeCloseTo(19, 2);
    const most = (HOST_NETWORK.writeLines.value * 64) / held;
    expect(deviceWrites(25).rate).toBeLessThanOrEqual(most);
    expect(deviceWrites(25).rate).toBeGreaterThan(most * 0.98);
    expect(simulated('maximum P2M-Write throughput', 'GB/s')).toBeCloseTo(deviceWrites(25).rate, 1);
    expect(simulated('maximum P2M-Write throughput', 'entries')).toBeNull();
  });
});
