/** The timed path of a DMA, whole, at both accuracies: device, link, root complex, a VT-d unit, memory and back. */
import { benchStreams, looseStreams } from '../../src/machine/measured/pcie-bench.ts';
import { endlessReads, ways } from '../../src/machine/workbench/index.ts';
import { TaskLog, TRACE_FORMATS, Trace } from '../../src/recorder/index.ts';
import type { BenchCase } from '../case.ts';

/** Transfers per call of the timed function, and those before the first. */
const OPERATIONS = 20_000;
const WARM_UP = 20_000;
const KIB = 1024;

const SET_UP = { machine: 'bdw', iommu: '4K', node: 'local', cache: 'warm', bytes: 64, offset: 0, seed: 1 } as const;

/** 64-byte reads of the Broadwell machine of pcie-bench, at random in a window: 28 are under way at a time. */

function reading(window: number): () => number {
  const streams = benchStreams({ ...SET_UP, window }, 'read');
  streams.start();
  streams.run(WARM_UP);
  return () => streams.run(OPERATIONS);
}

function readingLoosely(window: number): () => number {
  const streams = looseStreams({ ...SET_UP, window }, 'read');
  streams.run(WARM_UP);
  return () => streams.run(OPERATIONS);
}

export const timedHit: BenchCase = {
  name: 'timedHit',
  operation: 'approximately timed DMA that hits the IOTLB',
  goalNsPerOp: 400,
  operations: OPERATIONS,
  make: () => reading(256 * KIB),
};

export const timedWalk: BenchCase = {
  name: 'timedWalk',
  operation: 'approximately timed DMA that misses and walks',
  goalNsPerOp: 1000,
  operations: OPERATIONS,
  make: () => reading(65_536 * KIB),
};

/** The same reads of the same device through an AMD-Vi unit, on the workbench of both vendors. */
function readingOnAmd(pages: number): () => number {
  const reads = endlessReads({
    vendor: 'amd',
    stages: 'host',
    pageSize: '4K',
    pages,
    requesters: 1,
    caches: { devices: ways(8), iotlb: ways(117), hostStructures: ways(128), guestStructures: null },
    walkers: 6,
    pattern: 'uniform',
    bytes: 64,
    seed: 1,
  });
  reads.run(WARM_UP);
  return () => reads.run(OPERATIONS);
}

export const amdTimedHit: BenchCase = {
  name: 'amd-timedHit',
  operation: 'AMD-Vi: approximately timed DMA that hits the IOTLB',
  goalNsPerOp: 400,
  operations: OPERATIONS,
  make: () => readingOnAmd(64),
};

export const amdTimedWalk: BenchCase = {
  name: 'amd-timedWalk',
  operation: 'AMD-Vi: approximately timed DMA that misses and walks',
  goalNsPerOp: 1000,
  operations: OPERATIONS,
  make: () => readingOnAmd(16_384),
};

export const looseHit: BenchCase = {
  name: 'looseHit',
  operation: 'loosely timed DMA that hits the IOTLB',
  goalNsPerOp: 200,
  operations: OPERATIONS,
  make: () => readingLoosely(256 * KIB),
};

export const looseWalk: BenchCase = {
  name: 'looseWalk',
  operation: 'loosely timed DMA that misses and walks',
  goalNsPerOp: 500,
  operations: OPERATIONS,
  make: () => readingLoosely(65_536 * KIB),
};

/** The same reads, each told to a trace that is written and thrown away. */
function tracing(window: number): () => number {
  const streams = benchStreams({ ...SET_UP, window }, 'read');
  let length = 0;
  const trace = new Trace(TRACE_FORMATS.chrome, (text) => {
    length += text.length;
  });
  trace.begin({ scenario: 'bench', machine: SET_UP.machine, parts: [] }, streams.path.engine);
  streams.path.shares.tasks = new TaskLog([trace]);
  streams.start();
  streams.run(WARM_UP);
  return () => streams.run(OPERATIONS) + length;
}

export const timedHitTraced: BenchCase = {
  name: 'timedHitTraced',
  operation: 'the same as timedHit, each told to a trace for Perfetto',
  goalNsPerOp: 60_000,
  operations: OPERATIONS,
  make: () => tracing(256 * KIB),
};
