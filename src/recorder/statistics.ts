/** Counts what a recorder reports. The names are those that reports and JSON output use. */
import type { TraceEvent } from './events.ts';
import type { Recorder } from './recorder.ts';

/** Every counter, in the order of the report. */
export const COUNTERS = {
  iotlbHits: 'DMA requests that found their translation in the IOTLB',
  iotlbMisses: 'DMA requests that missed the IOTLB',
  entryReads: 'table entries and descriptors that the IOMMU fetched',
  walks: 'walks that found a page',
  faults: 'DMA requests that were blocked',
  faultsRecorded: 'faults recorded for software',
  invalidations: 'invalidations that the IOMMU carried out',
  registerWrites: 'writes of software to IOMMU registers',
  interrupts: 'message-signalled interrupts',
  packets: 'packets on PCIe links',
  systemCalls: 'system calls',
} as const;

export type Counter = keyof typeof COUNTERS;

export class Statistics {
  readonly #counts = Object.fromEntries(Object.keys(COUNTERS).map((name) => [name, 0])) as Record<Counter, number>;

  constructor(recorder: Recorder) {
    recorder.on('event', (event) => this.#count(event));
  }

  /** The counts so far, as plain data. */
  get counts(): Readonly<Record<Counter, number>> {
    return { ...this.#counts };
  }

  #count(event: TraceEvent): void {
    const counts = this.#counts;
    switch (event.kind) {
      case 'hit':
        counts.iotlbHits++;
        break;
      case 'miss':
        counts.iotlbMisses++;
        break;
      case 'read':
        counts.entryReads++;
        break;
      case 'translated':
        counts.walks++;
        break;
      case 'fault':
        counts.faults++;
        if (event.recorded) counts.faultsRecorded++;
        break;
      case 'invalidated':
        counts.invalidations++;
        break;
      case 'register':
        counts.registerWrites++;
        break;
      case 'interrupt':
        counts.interrupts++;
        break;
      case 'packet':
        counts.packets++;
        break;
      case 'call':
        counts.systemCalls++;
        break;
    }
  }
}
