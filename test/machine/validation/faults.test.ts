import { describe, expect, it } from 'vitest';
import { type Point, validatePoint } from '../../../src/machine/index.ts';
import { FAULT_SERVICES, FURTHER_PAGE, timeOfFaults } from '../../../src/machine/measured/page-faults.ts';
import { savedByBatching } from '../../../src/machine/measured/queue-owner.ts';
import { pointsOf } from './points.ts';

const point = pointsOf('faults');
const judged = (fields: Partial<Point>) => validatePoint(point(fields));
const US = 1000;

describe('Page faults of a device', () => {
  const service = FAULT_SERVICES.connectx.value * US;

  it('take what software takes for them, and little of the unit', () => {
    const one = timeOfFaults('connectx', 1, 1);
    expect(one).toBeGreaterThan(service);
    expect(one).toBeLessThan(service * 1.01);
    expect(timeOfFaults('guest', 1, 1) - one).toBeCloseTo((FAULT_SERVICES.guest.value - 220) * US, 3);
  });

  it('take as often as long when each is about one page', () => {
    const one = timeOfFaults('connectx', 1, 1);
    expect(timeOfFaults('connectx', 64, 1) / one).toBeCloseTo(64, 0);
  });

  it('take for each further page of a fault what the kernel takes for a page', () => {
    const [one, many] = [timeOfFaults('gpu', 1, 1), timeOfFaults('gpu', 100, 100)];
    expect(many - one).toBeCloseTo(99 * FURTHER_PAGE.value, 6);
    expect(timeOfFaults('gpu', 100, 50)).toBeGreaterThan(many + FAULT_SERVICES.gpu.value * US);
  });
});

describe('Points about faults', () => {
  it.each<[string, string, string]>([
    ['minor NPF, 4 KB message, ConnectX/Connect-IB', 'NPF latency', 'us'],
    ['NIC passthrough in VM', 'average I/O page fault handling', 'us'],
    ['AMD A10-7850K, Linux 4.0, IOMMU ATS/PPR', 'GPU page fault', 'us'],
    ['same', 'GPU TLB shootdown single entry / full flush', 'us'],
  ])('say what a machine is built from: %s, %s', (conditions, quantity, unit) => {
    expect(judged({ conditions, quantity, unit }).status).toBe('parameter');
  });

  it.each<[Partial<Point>, number]>([
    [{ conditions: 'minor NPF, 4 MB message (batched)', quantity: 'NPF latency', unit: 'us' }, 1024],
    [{ conditions: 'ConnectX, batched, message of 64 KiB', quantity: 'page fault latency', unit: 'us' }, 16],
  ])('are simulated as one fault of all pages: %j', (fields, pages) => {
    expect(judged(fields).simulated).toBe(timeOfFaults('connectx', pages, pages) / US);
  });

  it.each<[Partial<Point>, 'connectx' | 'guest', number]>([
    [
      {
        id: 'npf.pri_unbatched',
        conditions: 'ATS/PRI one page per request, 4 MB cold message',
        quantity: 'would take more than',
        unit: 'ms',
      },
      'connectx',
      1024,
    ],
    [{ conditions: 'in a VM, 32 KiB transfer, unbatched', quantity: 'I/O page faults', unit: 'ms' }, 'guest', 8],
  ])('are simulated as one fault for each page: %j', (fields, service, pages) => {
    expect(judged(fields).simulated).toBe(timeOfFaults(service, pages, 1) / 1e6);
  });

  it('are simulated where two invalidations have one wait instead of two', () => {
    const saved = savedByBatching('dsa');
    const quantity = 'qi_submit_sync saving from batching IOTLB+devTLB commands';
    expect(saved).toBeGreaterThan(0);
    expect(judged({ conditions: 'DSA, SVA, VT-d', quantity, unit: 'ns' }).simulated).toBe(saved);
    expect(judged({ conditions: 'DSA, SVA, VT-d', quantity, unit: 'cycles' }).simulated).toBe(saved * 2);
  });

  it('have a reason where they are about a core, and none where nothing is known', () => {
    const ofCore = { conditions: 'same', quantity: 'CPU page fault', unit: 'us' };
    expect(judged(ofCore)).toMatchObject({ status: 'no-model', reason: expect.stringMatching(/core/) });
    expect(judged({ quantity: 'faults per second', conditions: 'DSA', unit: '1/s' }).status).toBe('no-model');
    expect(judged({ conditions: '2 GiB message', quantity: 'NPF latency', unit: 'us' }).status).toBe('no-model');
  });
});
