/**
 * Groups `pciebench-…`: what was measured with pcie-bench (Neugebauer et al., "Understanding PCIe performance for end host
 * networking", SIGCOMM 2018, and its published data). Each point is simulated on the timed path of a DMA, in a machine whose values
 * `src/machine/measured` states with their sources.
 */
import { PCIE_MODEL } from '../pcie-model/index.ts';
import type { Point } from '../point.ts';
import type { GroupModel } from '../validate.ts';
import { rateIn, timeIn } from '../words.ts';
import { changeOf } from './changes.ts';
import { experimentOf } from './conditions.ts';
import { entriesOf } from './entries.ts';
import type { Experiment } from './experiment.ts';
import { simulate } from './simulate.ts';

const PAPER = 'pciebench-paper';
const GROUPS = ['pciebench-window', 'pciebench-lat', 'pciebench-size', 'pciebench-fig9', PAPER];

export const PCIE_BENCH: readonly GroupModel[] = GROUPS.map((group) => ({ group, recognise, reason }));

/** Of the published data of the machine of this figure. */
const FIGURE_6 =
  'The figure is taken for the Haswell machine, of whose reads the published data have a median of 600 ns; 546 ns is what they have of Broadwell.';

/** Why simulations of these cannot come near. */
const REASONS: readonly (readonly [string, (experiment: Experiment) => boolean])[] = [
  [
    "What the card's DMA engine needs to fetch the data of a write before it sends it is in no calibration point: all that say how long a write takes use the command path.",
    ({ kind, engine, measure }) => kind === 'writeRead' && engine === 'dma' && measure !== 'bandwidth',
  ],
  [
    'A miss holds up larger reads for longer than those of 64 bytes, of which alone calibration points with misses are; why is not known.',
    ({ kind, iommu, bytes }) => kind === 'read' && iommu === '4K' && bytes > 64,
  ],
  [
    'With a window little larger than the IOTLB, more of the writes that wait find their page walked for by others than in the machine.',
    ({ kind, iommu }) => kind === 'write' && iommu === '4K',
  ],
  [
    'Between powers of two, and from 1,024 bytes up, the card takes longer for some sizes than for larger ones; two times for each command and line do not say it.',
    ({ kind, iommu, measure }) => kind !== 'write' && iommu === 'off' && measure === 'bandwidth',
  ],
];

const OF_THE_DATA = "The figure is the paper's; the published data differ by 52 to 58 ns, and so do simulations.";

function reason(point: Point): string | undefined {
  const { source = '', quantity } = point;
  if (/\bfig(?:ure|\.)? ?6\b/i.test(source) && /\bmedian\b/i.test(quantity)) return FIGURE_6;
  const change = changeOf(point);
  if (change !== undefined && change.with.cache !== change.without.cache) return OF_THE_DATA;
  const experiment = change?.with ?? experimentOf(point);
  return experiment && REASONS.find(([, applies]) => applies(experiment))?.[0];
}

function recognise(point: Point): ReturnType<GroupModel['recognise']> {
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
  if (experiment !== undefined) return () => inUnit(simulate(experiment), experiment, point);
  // The paper says of links what its model says.
  return point.group === PAPER ? PCIE_MODEL.recognise(point) : undefined;
}

/** Simulations give Gb/s and nanoseconds. */
function inUnit(value: number, { measure, bytes }: Experiment, { unit }: Point): number {
  if (measure !== 'bandwidth') return timeIn(unit)?.(value) ?? value;
  return rateIn(unit)?.({ gigabits: value, transactions: (value * 1e9) / 8 / bytes }) ?? value;
}
