/**
 * Group `riommu`: what remapping costs a core (Malka et al., "rIOMMU", ASPLOS 2015, and what it is compared with). Times of what a
 * core computes are what the machine is built from; how long it waits for its invalidation, or for one of many, is run on the queue
 * of a VT-d unit, and what an unmap takes by it on a core that maps and unmaps.
 */
import { type DmaApiResult, dmaApi } from '../measured/dma-api/dma-api.ts';
import { type RiommuColumn, riommuParameters, valuesOf } from '../measured/dma-api/machines.ts';
import { inTime, invalidationOf } from './invalidations.ts';
import type { Point } from './point.ts';
import type { Experiment, GroupModel } from './validate.ts';
import { choose, wordsOf } from './words.ts';

const COLUMNS: readonly (readonly [RiommuColumn, RegExp])[] = [
  ['strict+', /\bstrict\+/i],
  ['defer+', /\bdefer(?:red)?\+/i],
  ['strict', /\bstrict\b/i],
  ['defer', /\bdefer/i],
];

/** Rows of the paper's table, in nanoseconds; the sum of a map has nothing but inputs in it. */
const ROWS: readonly (readonly [((run: DmaApiResult) => number) | 'parameter', RegExp])[] = [
  [({ map, unmap }) => map + unmap, /\bmap ?(?:\+|and) ?unmap\b/i],
  [({ unmap }) => unmap, /\bunmap[ .]+(?:sum|total)\b/i],
  [
    ({ map, unmap, shares, time }) =>
      ((shares.queue + shares['queue-lock'] + shares.invalidation) / time) * (map + unmap),
    /\bunmap[ .]+iotlb[ _]?inv/i,
  ],
  ['parameter', /\b(?:un)?map[ .]+(?:iova|page[ _]?table|other)|\bmap[ .]+(?:sum|total)\b/i],
];

const REASONS: readonly (readonly [string, RegExp])[] = [
  [
    "The IOMMU is a hypervisor's software, and the traffic is netperf's: neither hypervisor nor network stack is timed.",
    /\bguest\b|\bemulated\b|\bv-?iommu\b/i,
  ],
  [
    "It compares the throughput of netperf with and without a design that no unit here has: the processing of packets by Linux's network stack is not timed.",
    /\bthroughput\b|\bspeed-?up\b|\bnetperf\b/i,
  ],
];

export const RIOMMU_MODEL: GroupModel = {
  group: 'riommu',
  recognise: (point) => invalidationOf(point, 'riommu') ?? rowOf(point),
  reason: (point) => {
    const { quantity, conditions, id } = wordsOf(point);
    return choose([`${quantity} ${conditions} ${id}`], REASONS);
  },
};

function rowOf(point: Point): Experiment | 'parameter' | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const column = choose([conditions, quantity, id], COLUMNS);
  const row = choose([quantity, id], ROWS);
  if (column === undefined || row === undefined) return undefined;
  return row === 'parameter'
    ? inTime(point.unit, 'riommu', Number) && row
    : inTime(point.unit, 'riommu', () => row(run(column)));
}

/** One core that maps a page and takes it back. */
function run(column: RiommuColumn): DmaApiResult {
  const mode = column.startsWith('strict') ? 'strict' : 'lazy';
  return dmaApi(valuesOf(riommuParameters(column), 'riommu'), { cpus: 1, mode, seed: 1 });
}
