import { expect, expectTypeOf, describe as group, it } from 'vitest';
import { bit, bits, layout } from '../../hardware/bits/index.ts';
import { type Instant, ns } from '../../hardware/sim/index.ts';
import {
  type EventOf,
  formatJson,
  formatLine,
  type Names,
  Recorder,
  Statistics,
  TRACE_FORMATS,
  type TraceEvent,
} from '../../src/recorder/index.ts';

const ENTRY = layout('root entry', 128, 'VT-d 9.1', {
  P: bit(0, 'RW', 'Present'),
  CTP: bits(63, 12, 'RW', 'Context-table pointer'),
});
const names: Names = {
  requester: (rid) => (rid === 8 ? 'dma0' : `00:${rid.toString(16)}`),
  register: () => 'GCMD',
  layout: (what) => (what === 'root entry' ? ENTRY : undefined),
};

function recorded(): { recorder: Recorder; clock: { now: Instant }; events: TraceEvent[] } {
  const clock = { now: 0 as Instant };
  const recorder = new Recorder(clock, names);
  const events: TraceEvent[] = [];
  recorder.on('event', (event) => events.push(event));
  return { recorder, clock, events };
}

group('a recorder', () => {
  it('reports each event under its own kind and under "event", with the instant at which it happened', () => {
    const { recorder, clock, events } = recorded();
    const faults: EventOf<'fault'>[] = [];
    recorder.on('fault', (event) => faults.push(event));
    clock.now = ns(12) as unknown as Instant;
    recorder.iommu('iommu0').miss(8, 0x1000n);
    const fault = { code: 6, name: 'LRN.2', requester: 8, pasid: -1, address: 0x1000n, write: false, recorded: true };
    recorder.iommu('iommu0').fault(fault);
    expect(events.map(({ kind, at, who }) => ({ kind, at, who }))).toEqual([
      { kind: 'miss', at: 12_000, who: 'iommu0' },
      { kind: 'fault', at: 12_000, who: 'iommu0' },
    ]);
    expect(faults).toEqual([events[1]]);
    expectTypeOf(faults[0]!.code).toBeNumber();
  });

  it('keeps a table entry as it was when it was fetched, although its words are reused', () => {
    const { recorder, events } = recorded();
    const words = Uint32Array.of(0x2001, 0, 0, 0, 99);
    recorder.iommu('iommu0').read('root entry', 0x1000, words, 4);
    words.fill(0);
    expect(events[0]).toMatchObject({ value: '0x2001', fields: { P: 1n, CTP: 2n } });
  });

  it('writes one line per event: time, who, what and detail', () => {
    const { recorder, clock, events } = recorded();
    const probe = recorder.iommu('iommu0');
    clock.now = 1_234_567 as Instant;
    probe.hit(8, 0xffff_ffff_f000n, 0x5000);
    probe.miss(9, 0x1000n);
    probe.read('root entry', 0x1000, Uint32Array.of(0x2001, 0, 0, 0), 4);
    probe.read('something else', 0x1000, Uint32Array.of(0x2001, 1), 2);
    probe.translated(8, 0x1000n, 0x20_1000, 21);
    probe.fault({ code: 5, name: 'LGN.2', requester: 8, pasid: 3, address: 0x1000n, write: true, recorded: false });
    probe.invalidated('IOTLB', { granularity: 3, address: 0x1000n });
    probe.registerWritten(0x18, 4, 0x8000_0000n);
    probe.interrupt(0xfee0_0000n, 0x21);
    recorder.log('kernel')('boots');
    expect(events.map(formatLine)).toEqual([
      '   1.234567 us  iommu0    IOTLB hit  (dma0: 0xfffffffff000 is 0x5000)',
      '   1.234567 us  iommu0    IOTLB miss  (00:9: 0x1000)',
      '   1.234567 us  iommu0    reads root entry  (at 0x1000: P=1 CTP=2)',
      '   1.234567 us  iommu0    reads something else  (at 0x1000: 0x100002001)',
      '   1.234567 us  iommu0    translated  (dma0: 0x1000 is 0x201000, page of 2 MiB)',
      '   1.234567 us  iommu0    fault 0x5 LGN.2  (dma0, write of 0x1000, PASID 3, not recorded)',
      '   1.234567 us  iommu0    invalidates IOTLB  (granularity=3 address=0x1000)',
      '   1.234567 us  iommu0    GCMD written  (0x80000000)',
      '   1.234567 us  iommu0    interrupt  (0x21 to 0xfee00000)',
      '   1.234567 us  kernel    boots',
    ]);
  });

  it('writes JSON lines in which 64-bit values are hexadecimal text', () => {
    const { recorder, events } = recorded();
    recorder.iommu('iommu0').hit(8, 0xffff_ffff_f000n, 0x5000);
    expect(JSON.parse(formatJson(events[0]!))).toEqual({
      kind: 'hit',
      at: 0,
      who: 'iommu0',
      requester: 'dma0',
      address: '0xfffffffff000',
      to: 0x5000,
    });
  });

  it('has no two trace formats with one file extension', () => {
    const extensions = Object.values(TRACE_FORMATS).flatMap((format) => format.extensions);
    expect(extensions).toEqual(['txt', 'log', 'jsonl', 'json', 'vcd']);
  });

  it('counts what it reports', () => {
    const { recorder } = recorded();
    const statistics = new Statistics(recorder);
    const probe = recorder.iommu('iommu0');
    const fault = { code: 5, name: 'LGN.2', requester: 8, pasid: -1, address: 0n, write: true, recorded: true };
    probe.hit(8, 0n, 0);
    probe.miss(8, 0n);
    probe.fault(fault);
    probe.fault({ ...fault, recorded: false });
    expect(statistics.counts).toMatchObject({ iotlbHits: 1, iotlbMisses: 1, faults: 2, faultsRecorded: 1, walks: 0 });
  });
});
