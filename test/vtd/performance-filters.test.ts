/** Filters of performance counters (vtd.md section 1.17), and the events that may have them. */
import { describe, expect, it } from 'vitest';
import { EVENTS, type Filter } from '../../hardware/vtd/performance-events.ts';
import { proves } from '../proves.ts';
import { BOTH_IOTLB, CODE, CounterBench, FAILED, HIT, LOOKUP, ON, PERFCAP, REQUESTS } from './performance.ts';

/** A page size, by which hits are told apart. */
const [SMALL, LARGE, HUGE] = [0, 1, 2];

describe('A filter', () => {
  it('RID lets the events of one requester pass.', () => {
    proves('PERFCNTR_RIDFLTR_REG.EN', 'PERFCNTR_RIDFLTR_REG.RID');
    const bench = new CounterBench().filter(0, 'RID', ON | 0x123n).start(0, LOOKUP);
    bench.happen(CODE.lookup, { requester: 0x123, times: 2 }).happen(CODE.lookup, { requester: 0x23 });
    expect(bench.value(0)).toBe(2n);
  });

  it('DID lets the events of one domain pass.', () => {
    proves('PERFCNTR_DIDFLTR_REG.EN', 'PERFCNTR_DIDFLTR_REG.DID');
    const bench = new CounterBench().filter(0, 'DID', ON | 0xffffn).start(0, HIT);
    bench.happen(CODE.hit, { domain: 0xffff, times: 2 }).happen(CODE.hit, { domain: 1 }).happen(CODE.hit);
    expect(bench.value(0)).toBe(2n);
  });

  it.each([
    ['of one PASID', 0n, 1n, 'PASID'],
    ['with any PASID', 1n, 3n, 'PFM'],
    ['without PASID', 2n, 4n, 'PFM'],
  ])('PASID lets the events %s pass.', (_what, mode, expected, field) => {
    proves('PERFCAP_REG.PASIDFS', 'PERFCNTR_PASIDFLTR_REG.EN', `PERFCNTR_PASIDFLTR_REG.${field}`);
    const bench = new CounterBench({ pasid: true });
    expect((bench.get(PERFCAP, 8) >> 34n) & 1n).toBe(1n);
    bench.filter(0, 'PASID', ON | (mode << 20n) | 5n).start(0, LOOKUP);
    bench.happen(CODE.lookup, { pasid: 5 }).happen(CODE.lookup, { pasid: 4, times: 2 });
    bench.happen(CODE.lookup, { times: 4 });
    expect(bench.value(0)).toBe(expected);
  });

  it('PASID does not exist without ECAP.PASID, and its reserved mode keeps a counter from being enabled.', () => {
    const without = new CounterBench().filter(0, 'PASID', -1n);
    expect([without.get(without.configuration(0) + 0x10), without.get(PERFCAP, 8) & (1n << 34n)]).toEqual([0n, 0n]);
    expect(without.configure(0, LOOKUP).enable(0)).toBe(0);
    const bench = new CounterBench({ pasid: true }).filter(0, 'PASID', ON | (3n << 20n));
    expect(bench.configure(0, LOOKUP).enable(0)).toBe(FAILED);
  });

  it('AT lets requests of the chosen address types pass; without device-TLBs there is only one.', () => {
    proves('PERFCNTR_ATFLTR_REG.EN', 'PERFCNTR_ATFLTR_REG.AT');
    const bench = new CounterBench().filter(0, 'AT', ON | 0x1fn);
    expect(bench.get(bench.configuration(0) + 0x14)).toBe(ON | 7n);
    bench.filter(0, 'AT', ON | 0b110n).start(0, REQUESTS);
    for (const detail of [0, 1, 1, 2]) bench.happen(CODE.requests, { detail });
    expect(bench.value(0)).toBe(3n);
    const without = new CounterBench({ dt: false }).filter(0, 'AT', -1n);
    expect(without.get(without.configuration(0) + 0x14)).toBe(ON | 1n);
  });

  it('PTL lets hits of the chosen levels pass, and cannot be read.', () => {
    proves('PERFCNTR_PTLFLTR_REG.EN', 'PERFCNTR_PTLFLTR_REG.PTL');
    const bench = new CounterBench().filter(0, 'PTL', ON | 0b101n);
    expect(bench.get(bench.configuration(0) + 0x18)).toBe(ON);
    bench.start(0, HIT);
    for (const detail of [SMALL, LARGE, LARGE, HUGE]) bench.happen(CODE.hit, { detail });
    expect(bench.value(0)).toBe(2n);
  });

  it('that is off does not count, and of several that are on each has to be passed.', () => {
    const bench = new CounterBench().filter(0, 'RID', 0x1n).start(0, HIT);
    bench
      .filter(1, 'RID', ON | 1n)
      .filter(1, 'DID', ON | 2n)
      .filter(1, 'PTL', ON | 1n)
      .start(1, HIT);
    const passing = { requester: 1, domain: 2, detail: 0 };
    bench.happen(CODE.hit, passing);
    bench.happen(CODE.hit, { ...passing, requester: 2 }).happen(CODE.hit, { ...passing, domain: 1 });
    bench.happen(CODE.hit, { ...passing, detail: 1 });
    expect([bench.value(0), bench.value(1)]).toEqual([4n, 1n]);
  });

  it('goes with one event only, and with an event that may have it.', () => {
    const bench = new CounterBench().filter(0, 'RID', ON);
    expect(bench.configure(0, BOTH_IOTLB).enable(0)).toBe(FAILED);
    expect(bench.configure(0, LOOKUP).enable(0)).toBe(0);
    bench.filter(1, 'PTL', ON | 1n);
    expect(bench.configure(1, LOOKUP).enable(1)).toBe(FAILED);
    expect(bench.filter(1, 'PTL', 1n).enable(1)).toBe(0);
  });
});

describe('The table of events', () => {
  it('gives each event the filters AT and PTL of table 49.', () => {
    const paired = (filter: Filter) =>
      EVENTS.filter(({ filters }) => filters.includes(filter)).map(({ event }) => event);
    // Group times 32 plus bit: iommu_requests; the hits of the paging-structure caches and of the IOTLB.
    expect(paired('AT')).toEqual([1]);
    expect(paired('PTL')).toEqual([64 + 5, 64 + 7, 96 + 1]);
    expect(new Set(EVENTS.map(({ event }) => event)).size).toBe(EVENTS.length);
  });
});
