/** Runs an experiment of pcie-bench and gives what was measured, in Gb/s or ns. */
import { meanOf, percentileOf, type Traffic } from '../../../../hardware/path/index.ts';
import { measureBandwidth, measureTicks } from '../../measured/measure.ts';
import { type BenchSetUp, TICK } from '../../measured/pcie-bench.ts';
import type { Experiment, Statistic } from './experiment.ts';

/** Commands that fill caches and queues first, and those that count. */
const COUNT = { warmUp: 4000, transfers: 12_000 } as const;
const SEED = 1;
/** Experiments that are kept, because several points are about the same one. */
const MOST_KEPT = 64;

export function simulate(experiment: Experiment): number {
  const { measure } = experiment;
  return measure === 'bandwidth' ? bandwidthOf(experiment) : statisticOf(ticksOf(experiment), measure);
}

const bandwidthOf = remembered((experiment: Experiment): number => {
  return measureBandwidth(setUpOf(experiment), experiment.kind as Traffic, COUNT).gigabits;
});

const ticksOf = remembered((experiment: Experiment): Int32Array => {
  const kind = experiment.kind === 'writeRead' ? 'writeRead' : 'read';
  return measureTicks(setUpOf(experiment), kind, experiment.engine, COUNT);
});

function setUpOf({ machine, iommu, node, bytes, window, offset, cache }: Experiment): BenchSetUp {
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

/** Of the last experiments, whatever is asked of them, the result. */
function remembered<R>(run: (experiment: Experiment) => R): (experiment: Experiment) => R {
  const kept = new Map<string, R>();
  return (experiment) => {
    const key = JSON.stringify({ ...experiment, measure: null });
    const known = kept.get(key);
    if (known !== undefined) return known;
    const result = run(experiment);
    if (kept.size === MOST_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(key, result);
    return result;
  };
}
