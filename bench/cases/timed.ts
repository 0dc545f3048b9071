/** The timed path of a DMA, whole, at both accuracies: device, link, root complex, a VT-d unit, memory and back. */
import { TimedIommu } from '../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { RandomTransfers, Streams } from '../../hardware/path/index.ts';
import { Engine, Random } from '../../hardware/sim/index.ts';
import { plainValues } from '../../src/machine/measured/parameter.ts';
import { agentOf, benchStreams, looseStreams, memoryOf, pathOf } from '../../src/machine/measured/pcie-bench.ts';
import { parametersOf } from '../../src/machine/measured/pcie-bench-machines.ts';
import { WrittenTables } from '../../src/machine/measured/tables.ts';
import { amdUnit } from '../../src/machine/workbench/amd.ts';
import { ways } from '../../src/machine/workbench/index.ts';
import { BUFFERS, IOVA, REQUESTER, TABLES } from '../../src/machine/workbench/spaces.ts';
import { TaskLog, TRACE_FORMATS, Trace } from '../../src/recorder/index.ts';
import type { BenchCase } from '../case.ts';
import { PAGE } from './tables.ts';

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

/** The same reads of the same device, through an AMD-Vi unit with the same times. */
function readingOnAmd(window: number): () => number {
  const engine = new Engine();
  const values = plainValues(parametersOf('bdw'));
  const memory = new PhysicalMemory([
    [0, BUFFERS],
    [BUFFERS, window],
  ]);
  const controller = new MemoryController(engine, memory, memoryOf(values, false));
  controller.warm(BUFFERS, window);
  const pages = window / PAGE;
  const caches = { devices: ways(8), iotlb: ways(values.entries), hostStructures: ways(128), guestStructures: null };
  const space = { stages: 'host', requesters: 1, pages, level: 1 } as const;
  const unit = amdUnit(new WrittenTables(memory, TABLES), space, caches);
  const agent = new TimedIommu(engine, unit, controller, agentOf(values));
  const transfers = new RandomTransfers(new Random(1), { start: IOVA, bytes: window, unit: 64, offset: 0, length: 64 });
  const parts = { controller, agent, requester: REQUESTER };
  const streams = new Streams(engine, pathOf(values, false), parts, 'read', transfers);
  streams.start();
  streams.run(WARM_UP);
  return () => streams.run(OPERATIONS);
}

export const amdTimedHit: BenchCase = {
  name: 'amd-timedHit',
  operation: 'AMD-Vi: approximately timed DMA that hits the IOTLB',
  goalNsPerOp: 400,
  operations: OPERATIONS,
  make: () => readingOnAmd(256 * KIB),
};

export const amdTimedWalk: BenchCase = {
  name: 'amd-timedWalk',
  operation: 'AMD-Vi: approximately timed DMA that misses and walks',
  goalNsPerOp: 1000,
  operations: OPERATIONS,
  make: () => readingOnAmd(65_536 * KIB),
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
