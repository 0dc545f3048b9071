/**
 * Which I/O virtual pages of a domain are free: ranges aligned to their power of two, the highest first, and small ones from
 * a cache of what was freed.
 *
 * Surface: `allocate`, `release`; `searched` says what the last call cost.
 */
import { ceilingLog2, type PageNumber } from '../../../hardware/bits/index.ts';
import { ENOSPC } from '../../uapi/index.ts';
import { Gaps } from './gaps.ts';
import { MAGAZINE } from './iova-magazines.ts';

/** Ranges of up to 2^5 pages are cached, each size apart. */
const CACHED_ORDERS = 6;
/**
 * Freed ranges of a size that the cache keeps: two magazines. There would be such a cache for each CPU, which takes no lock
 * then, and a store of full magazines behind them all (`iova-magazines.ts`, for CPUs that are simulated as such); here there is one
 * CPU, and what does not fit goes back to the tree.
 */
const CACHE_PLACES = 2 * MAGAZINE;

/** The first page is never given out: an address of 0 should be visibly wrong. */
const FIRST_PAGE = 1;

export interface IovaSpec {
  readonly last: PageNumber;
  /** Ranges that are never given out, in any order; they may overlap. */
  readonly reserved: readonly (readonly [first: PageNumber, last: PageNumber])[];
}

export interface AllocateOptions {
  /** The last page that the device reaches. */
  readonly last: PageNumber;
  /** Gives up what the cache holds before it fails. */
  readonly emptyCache: boolean;
}

export class IovaAllocator {
  /** The last call went to the tree, or had to. */
  searched = false;
  readonly #gaps = new Gaps();
  /** First pages of ranges of 2^order pages, the newest last. */
  readonly #cached: readonly PageNumber[][] = Array.from({ length: CACHED_ORDERS }, () => []);

  constructor({ last, reserved }: IovaSpec) {
    let start = FIRST_PAGE;
    for (const [first, lastReserved] of [...reserved].sort(([a], [b]) => a - b)) {
      if (first > start && start <= last) this.#gaps.add(start, Math.min(first, last + 1));
      start = Math.max(start, lastReserved + 1);
    }
    if (start <= last) this.#gaps.add(start, last + 1);
  }

  /** Pages that nobody has. */
  get free(): number {
    return this.#cached.reduce((sum, ranges, order) => sum + ranges.length * 2 ** order, this.#gaps.pages);
  }

  /** The first page of a range, or -ENOSPC. */
  allocate(pages: number, { last, emptyCache }: AllocateOptions): PageNumber {
    const order = ceilingLog2(pages);
    const size = sizeOf(pages);
    const cached = this.#cached[order];
    const newest = cached?.findLastIndex((first) => first + size - 1 <= last) ?? -1;
    this.searched = newest < 0;
    if (newest >= 0) return cached!.splice(newest, 1)[0]!;
    let first = this.#gaps.take(size, last);
    if (first < 0 && emptyCache && this.#emptyCache()) first = this.#gaps.take(size, last);
    return first < 0 ? -ENOSPC : first;
  }

  /** Gives back what `allocate` returned for as many pages. */
  release(first: PageNumber, pages: number): void {
    const order = ceilingLog2(pages);
    const cached = this.#cached[order];
    this.searched = cached === undefined || cached.length === CACHE_PLACES;
    if (this.searched) this.#gaps.add(first, first + sizeOf(pages));
    else cached!.push(first);
  }

  /** Cached ranges lie between what could be a longer one. False when there are none. */
  #emptyCache(): boolean {
    let some = false;
    for (const [order, ranges] of this.#cached.entries()) {
      for (const first of ranges.splice(0)) {
        this.#gaps.add(first, first + 2 ** order);
        some = true;
      }
    }
    return some;
  }
}

/** Whether ranges of so many pages are cached. */
export function isCached(pages: number): boolean {
  return ceilingLog2(pages) < CACHED_ORDERS;
}

/** What can be cached takes a power of two of pages, so that it serves any request of its size. */
export function sizeOf(pages: number): number {
  return isCached(pages) ? 2 ** ceilingLog2(pages) : pages;
}
