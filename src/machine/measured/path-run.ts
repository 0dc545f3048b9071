/** Transfers on the timed path of a measured machine, to be watched and counted. */

import { Tally } from '../../../hardware/iommu/index.ts';
import { PLACES } from '../../../hardware/path/index.ts';
import { type TaskListener, TaskLog, type TracePart, type TraceSource } from '../../recorder/index.ts';
import { type CounterValue, INTEL_COUNTERS, readCounters } from '../counters/index.ts';
import { type BenchSetUp, benchStreams } from './pcie-bench.ts';

export type PathTraffic = 'read' | 'write' | 'readWrite';

/** How it went, as plain data. */
export interface PathReport extends BenchSetUp {
  readonly traffic: PathTraffic;
  readonly transfers: number;
  readonly picoseconds: number;
  readonly gigabitsPerSecond: number;
  /** Of the IOTLB; nothing where there is no IOMMU. */
  readonly hits?: number;
  readonly misses?: number;
}

const ROLES: Readonly<Record<(typeof PLACES)[number], TracePart['role']>> = {
  device: 'device',
  'link up': 'link',
  'root complex': 'root',
  iommu: 'iommu',
  memory: 'memory',
  'link down': 'link',
};

export class PathRun {
  readonly #setUp: BenchSetUp;
  readonly #traffic: PathTraffic;
  readonly #streams: ReturnType<typeof benchStreams>;
  readonly #watchers: TaskListener[] = [];
  readonly #tasks = new TaskLog(this.#watchers);
  #tally = new Tally();

  constructor(setUp: BenchSetUp, traffic: PathTraffic) {
    this.#setUp = setUp;
    this.#traffic = traffic;
    this.#streams = benchStreams(setUp, traffic);
  }

  /** As something to trace and to measure. */
  get source(): TraceSource {
    const { machine, bytes, window } = this.#setUp;
    return {
      scenario: `${this.#traffic} of ${bytes} bytes within ${window}`,
      machine,
      parts: PLACES.map((name) => ({ name, role: ROLES[name] })),
      isSilent: true,
      clock: this.#streams.path.engine,
      recorder: null,
      watch: (listener) => {
        this.#watchers.push(listener);
        this.#streams.path.shares.tasks = this.#tasks;
      },
    };
  }

  /** Picoseconds of watched requests that nobody has accounted for. */
  get unaccounted(): number {
    return this.#tasks.gaps;
  }

  /** Counts from now on what the performance counters of a real IOMMU would count. */
  count(): void {
    this.#tally = new Tally();
    const { agent } = this.#streams;
    if (agent !== null) agent.unit.tally = this.#tally;
  }

  counters(): CounterValue[] {
    return readCounters(INTEL_COUNTERS, (event) => this.#tally.of(event));
  }

  /** Lets so many transfers pass, of both directions where there are two. */
  run(transfers: number): PathReport {
    const streams = this.#streams;
    streams.start();
    const picoseconds = streams.run(transfers);
    this.#tasks.close(streams.path.engine.now);
    const { agent } = streams;
    const bits = transfers * this.#setUp.bytes * 8;
    return {
      ...this.#setUp,
      traffic: this.#traffic,
      transfers,
      picoseconds,
      gigabitsPerSecond: (bits * 1000) / picoseconds,
      ...(agent && { hits: agent.state.hits, misses: agent.state.misses }),
    };
  }
}
