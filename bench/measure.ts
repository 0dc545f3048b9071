/**
 * Measures one case in this process: benchmark.js runs the batch, beside the calibration loop before and after it. A
 * process has one case, because what V8 learns from one case slows the next.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Benchmark from 'benchmark';
import type { BenchCase } from './case.ts';
import { calibration } from './cases/calibration.ts';

/** Of one round: one process. */
export interface Measurement {
  readonly name: string;
  readonly bestNsPerOp: number;
  /** Median over the samples. */
  readonly medianNsPerOp: number;
  /** Nanoseconds of one round of the calibration loop: the best around the case. */
  readonly calibrationNs: number;
  /** Of the host's memory, for what one operation leaves; where a case leaves something. */
  readonly bytesPerOp?: number;
}

const SAMPLES = 30;
const COLLECTIONS = 8;

/** Every call's checksum ends here, where the optimiser cannot see that nobody reads it. */
export const sink = { sum: 0, held: undefined as unknown };

export function measure(benchCase: BenchCase): Measurement {
  // First: nothing is left of a measurement yet.
  const bytes = bytesOf(benchCase);
  const before = Math.min(...samplesOf(calibration, 10));
  const samples = samplesOf(benchCase, SAMPLES);
  const after = Math.min(...samplesOf(calibration, 10));
  return {
    name: benchCase.name,
    bestNsPerOp: Math.min(...samples),
    medianNsPerOp: median(samples),
    calibrationNs: Math.min(before, after),
    ...bytes,
  };
}

function bytesOf({ hold, operations }: BenchCase): { readonly bytesPerOp?: number } {
  if (hold === undefined) return {};
  const before = bytesInUse();
  sink.held = hold();
  const bytesPerOp = (bytesInUse() - before) / operations;
  sink.held = undefined;
  return { bytesPerOp };
}

/** What is left when nothing more can be collected: buffers go a while after who held them. */
function bytesInUse(): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < COLLECTIONS; i++) {
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    least = Math.min(least, heapUsed + arrayBuffers);
  }
  return least;
}

/** Node gives a program its garbage collector where a flag asks for it, also after its start. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Nanoseconds per operation of each sample. */
function samplesOf(benchCase: BenchCase, minSamples: number): number[] {
  const batch = benchCase.make();
  // No setup or teardown: benchmark.js would compile the function anew from its text, without what it closes over.
  const timed = () => {
    sink.sum += batch();
  };
  const bench = new Benchmark(benchCase.name, timed, { minSamples, maxTime: 1 });
  bench.run();
  // benchmark.js keeps what the function threw to itself.
  if (bench.error !== undefined) throw bench.error;
  if (!(bench.hz > 0)) throw new Error(`${benchCase.name}: nothing was measured`);
  return bench.stats.sample.map((seconds) => (seconds * 1e9) / benchCase.operations);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
