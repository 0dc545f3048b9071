/** Runs an experiment of pcie-bench and gives what was measured, in Gb/s or ns. */
import { meanOf, percentileOf, type Traffic } from '../../../../hardware/path/index.ts';
import { measureBandwidth, measureTicks } from '../../measured/measure.ts';
import { type BenchSetUp, TICK } from '../../measured/pcie-bench.ts';
import { remembered } from '../remembered.ts';
import type { Experiment, Statistic } from './experiment.ts';

/** Commands that fill caches and queues first, and those that count. */
const COUNT = { warmUp: 4000, transfers: 12_000 } as const;
const SEED = 1;

/** What is run, whatever of it is asked. */
type Load = Omit<Experiment, 'measure'>;

export function simulate(experiment: Experiment): number {
  const { measure, ...load } = experiment;
  return measure === 'bandwidth' ? bandwidthOf(load) : statisticOf(ticksOf(load), measure);
}

const bandwidthOf = remembered((load: Load): number => {
  return measureBandwidth(setUpOf(load), load.kind as Traffic, COUNT).gigabits;
});

const ticksOf = remembered((load: Load): Int32Array => {
  const kind = load.kind === 'writeRead' ? 'writeRead' : 'read';
  return measureTicks(setUpOf(load), kind, load.engine, COUNT);
});

function setUpOf({ machine, iommu, node, bytes, window, offset, cache }: Load): BenchSetUp {
  return { machine, iommu, node, bytes, window, offset, cache, seed: SEED };
}

function statisticOf(ticks: Int32Array, statistic: Statistic): number {
  if (statistic === 'mean') return meanOf(ticks, TICK);
  return percentileOf(ticks, TICK, percentOf(statistic));
}

function percentOf(statistic: Exclude<Statistic, 'mean'>): number {
  if (typeof statistic === 'object') return statistic.percentile;
  return { median: 50, p95: 95, min: 0, max: 100 - 100 / COUNT.transfers }[statistic];
}
