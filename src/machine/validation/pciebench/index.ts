/**
 * Groups `pciebench-…`: what was measured with pcie-bench (Neugebauer et al., "Understanding PCIe performance for end host
 * networking", SIGCOMM 2018, and its published data). Each point is simulated on the timed path of a DMA, in a machine whose values
 * `src/machine/measured` states with their sources.
 */
import type { Point } from '../point.ts';
import type { GroupModel } from '../validate.ts';
import { rateIn, timeIn } from '../words.ts';
import { changeOf } from './changes.ts';
import { experimentOf } from './conditions.ts';
import { entriesOf } from './entries.ts';
import type { Experiment } from './experiment.ts';
import { simulate } from './simulate.ts';

const GROUPS = ['pciebench-window', 'pciebench-lat', 'pciebench-size', 'pciebench-fig9', 'pciebench-paper'];

export const PCIE_BENCH: readonly GroupModel[] = GROUPS.map((group) => ({ group, recognise, reason }));

/** Of the published data of the machine of this figure. */
const FIGURE_6 =
  'The figure is taken for the Haswell machine, of whose reads the published data have a median of 600 ns; 546 ns is what they have of Broadwell.';

function reason({ source = '', quantity }: Point): string | undefined {
  return /\bfig(?:ure|\.)? ?6\b/i.test(source) && /\bmedian\b/i.test(quantity) ? FIGURE_6 : undefined;
}

function recognise(point: Point): (() => number) | undefined {
  const entries = entriesOf(point);
  if (entries !== undefined) return entries;
  const change = changeOf(point);
  if (change !== undefined) {
    const sign = change.falls ? -1 : 1;
    return () => {
      const [dear, cheap] = [simulate(change.with), simulate(change.without)];
      const difference = point.unit === '%' ? 100 * (dear / cheap - 1) : inUnit(dear - cheap, change.with, point);
      return sign * difference;
    };
  }
  const experiment = experimentOf(point);
  return experiment && (() => inUnit(simulate(experiment), experiment, point));
}

/** Simulations give Gb/s and nanoseconds. */
function inUnit(value: number, { measure, bytes }: Experiment, { unit }: Point): number {
  if (measure !== 'bandwidth') return timeIn(unit)?.(value) ?? value;
  return rateIn(unit)?.({ gigabits: value, transactions: (value * 1e9) / 8 / bytes }) ?? value;
}
