/** How many entries an IO-TLB seems to have by the bandwidth of reads: as many as the largest window has pages that loses nothing. */
import { PAGE_SIZE } from '../../../../hardware/bits/index.ts';
import type { Point } from '../point.ts';
import { experiment, LARGEST_WINDOW, readPoint } from './conditions.ts';
import { simulate } from './simulate.ts';

const ENTRIES = /\bio-?tlb entries\b/i;
/** The benchmark's windows are powers of two, and this is one that any IO-TLB holds. */
const SMALLEST_WINDOW = 2 ** 16;
/** Bytes of a read where nothing is said: the least, which loses most. */
const BYTES = 64;
/** A window that is short of this share of the smallest one's bandwidth loses by misses: the knee is far steeper. */
const KEPT = 0.9;

export function entriesOf(point: Point): (() => number) | undefined {
  if (!ENTRIES.test(point.quantity) || !/^entries\b/i.test(point.unit)) return undefined;
  // Windows that it names are where it has found the knee.
  const words = readPoint({ ...point, conditions: `${BYTES} B`, quantity: 'BW_RD' });
  const base = experiment({ ...words, setUp: readPoint(point).setUp }, 'bandwidth', SMALLEST_WINDOW);
  if (base === undefined) return undefined;
  return () => {
    const bandwidth = (window: number): number => simulate({ ...base, iommu: '4K', window });
    const least = KEPT * bandwidth(SMALLEST_WINDOW);
    let window = SMALLEST_WINDOW;
    while (2 * window <= LARGEST_WINDOW && bandwidth(2 * window) >= least) window *= 2;
    return window / PAGE_SIZE;
  };
}
