/** Points of pcie-bench that say by how much a measurement differs when one thing about it does. */
import type { Point } from '../point.ts';
import { choose, rateIn, timeIn } from '../words.ts';
import {
  experiment,
  LARGEST_WINDOW,
  type PointWords,
  pagesOf,
  readPoint,
  statisticOf,
  USUAL_WINDOW,
} from './conditions.ts';
import type { Experiment } from './experiment.ts';
import * as say from './phrases.ts';

export interface Change {
  /** With what costs: the translation, its miss, the other socket, the cold cache; and without it. */
  readonly with: Experiment;
  readonly without: Experiment;
  /** Whether the published number is by how much the measurement falls, rather than by how much it grows. */
  readonly falls: boolean;
}

/** In per cent of what is measured without, or in the unit of the measurement: the unit of the point says which. */
export function changeOf(point: Point): Change | undefined {
  const read = readPoint(point);
  if (!say.COMPARISON.test(point.quantity) && point.unit !== '%') return undefined;
  const axis = choose(read.result, say.AXES);
  const measure = measureOf(point, read);
  if (axis === undefined || measure === undefined) return undefined;
  const isMiss = say.MISSES.test(point.quantity);
  const base = experiment(read, measure, isMiss ? LARGEST_WINDOW : undefined);
  if (base === undefined) return undefined;
  const falls = say.FALLS.test(point.quantity);
  if (isMiss) {
    // A miss against a hit: both are translated, in a window that no IOTLB holds and in one that any does.
    const missing = { ...base, iommu: pagesOf(read.setUp) };
    return { with: missing, without: { ...missing, window: USUAL_WINDOW[base.engine] }, falls };
  }
  const [dear, cheap] = {
    iommu: [{ iommu: pagesOf(read.setUp) }, { iommu: 'off' }] as const,
    node: [{ node: 'remote' }, { node: 'local' }] as const,
    cache: [{ cache: 'cold' }, { cache: 'warm' }] as const,
  }[axis];
  return { with: { ...base, ...dear }, without: { ...base, ...cheap }, falls };
}

/** Per cent are of the bandwidth when nothing is said of latency. */
function measureOf({ unit }: Point, { result }: PointWords): Experiment['measure'] | undefined {
  if (rateIn(unit)) return 'bandwidth';
  if (unit === '%' && choose(result, say.MEASURES) !== 'latency') return 'bandwidth';
  return unit === '%' || timeIn(unit) ? statisticOf(result) : undefined;
}
