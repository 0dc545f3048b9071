/** The timed path of a DMA, whole, at both accuracies: device, link, root complex, a VT-d unit, memory and back. */
import { benchStreams, looseStreams } from '../../src/machine/measured/pcie-bench.ts';
import type { BenchCase } from '../case.ts';

/** Transfers per call of the timed function, and those before the first. */
const OPERATIONS = 20_000;
const WARM_UP = 20_000;
const KIB = 1024;

/** 64-byte reads of the Broadwell machine of pcie-bench, at random in a window: 28 are under way at a time. */
const setUp = { machine: 'bdw', iommu: '4K', node: 'local', cache: 'warm', bytes: 64, offset: 0, seed: 1 } as const;

function reading(window: number): () => number {
  const streams = benchStreams({ ...setUp, window }, 'read');
  streams.start();
  streams.run(WARM_UP);
  return () => streams.run(OPERATIONS);
}

function readingLoosely(window: number): () => number {
  const streams = looseStreams({ ...setUp, window }, 'read');
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
