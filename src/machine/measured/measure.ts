/** What is measured on the machines of pcie-bench: how much passes, and how long one transfer takes. */
import { meanOf, percentileOf, type Traffic } from '../../../hardware/path/index.ts';
import { type BenchSetUp, benchSingles, benchStreams, TICK } from './pcie-bench.ts';

/** Transfers that fill caches and queues first, and those that count. */
export interface TransferCount {
  readonly warmUp: number;
  readonly transfers: number;
}

export interface MeasuredBandwidth {
  readonly gigabits: number;
  /** Share of the requests that the IOTLB answered, in per cent; null without translation. */
  readonly hitsPct: number | null;
}

/** As many transfers of one kind as the device lets under way. */
export function measureBandwidth(
  setUp: BenchSetUp,
  traffic: Traffic,
  { warmUp, transfers }: TransferCount,
): MeasuredBandwidth {
  const streams = benchStreams(setUp, traffic);
  streams.start();
  const from = streams.run(warmUp);
  const before = { ...streams.agent?.state };
  const picoseconds = streams.run(transfers) - from;
  const after = streams.agent?.state;
  const hits = (after?.hits ?? 0) - (before.hits ?? 0);
  const lookups = hits + (after?.misses ?? 0) - (before.misses ?? 0);
  return {
    gigabits: (setUp.bytes * 8 * transfers * 1000) / picoseconds,
    hitsPct: lookups === 0 ? null : (100 * hits) / lookups,
  };
}

/** How many of the transfers, one at a time, took so many ticks of the device's clock. */
export function measureTicks(
  setUp: BenchSetUp,
  kind: 'read' | 'writeRead',
  engine: 'dma' | 'command',
  { warmUp, transfers }: TransferCount,
): Int32Array {
  const singles = benchSingles(setUp, kind, engine);
  singles.run(warmUp);
  singles.ticks.fill(0);
  singles.run(transfers);
  return singles.ticks;
}

export interface MeasuredLatency {
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
}

/** Nanoseconds of one read at a time; the command path for what is small, as the benchmark does. */
export function measureLatency(setUp: BenchSetUp, count: TransferCount): MeasuredLatency {
  const ticks = measureTicks(setUp, 'read', usualEngine(setUp.bytes), count);
  return { mean: meanOf(ticks, TICK), median: percentileOf(ticks, TICK, 50), p95: percentileOf(ticks, TICK, 95) };
}

/** Bytes that one command transfers at most; what is small is measured with commands. */
const LARGEST_COMMAND = 64;

export function usualEngine(bytes: number): 'dma' | 'command' {
  return bytes <= LARGEST_COMMAND ? 'command' : 'dma';
}
