/**
 * Which I/O virtual pages of a domain are free: ranges aligned to their power of two, the highest first, and small ones from
 * a cache of what the same CPU has freed.
 *
 * Surface: `allocate`, `release`; `searched` says what the last call cost.
 */
import { ceilingLog2, type PageNumber } from '../../../hardware/bits/index.ts';
import { ENOSPC } from '../../uapi/index.ts';
import { Gaps } from './gaps.ts';

/** Ranges of up to 2^5 pages are cached, each size apart. */
const CACHED_ORDERS = 6;
/**
 * Freed ranges of a size that the cache of a CPU keeps: two magazines. A CPU takes no lock for its own. Linux also has a store of full
 * magazines behind them all; here what does not fit goes back to the tree.
 */
const CACHE_PLACES = 2 * 127;

/** The first page is never given out: an address of 0 should be visibly wrong. */
const FIRST_PAGE = 1;

export interface IovaSpec {
  readonly last: PageNumber;
  /** Ranges that are never given out, in any order; they may overlap. */
  readonly reserved: readonly (readonly [first: PageNumber, last: PageNumber])[];
  /** How many have a cache of their own; 1 by default. */
  readonly cpus?: number;
}

export interface AllocateOptions {
  /** The last page that the device reaches. */
  readonly last: PageNumber;
  /** Gives up what the caches hold before it fails. */
  readonly emptyCache: boolean;
  /** Whose cache; the first one's by default. */
  readonly cpu?: number;
}

export class IovaAllocator {
  /** The last call went to the tree, or had to. */
  searched = false;
  readonly #gaps = new Gaps();
  /** Of each CPU, first pages of ranges of 2^order pages, the newest last. */
  readonly #caches: readonly (readonly PageNumber[][])[];

  constructor({ last, reserved, cpus = 1 }: IovaSpec) {
    this.#caches = Array.from({ length: cpus }, () => Array.from({ length: CACHED_ORDERS }, () => []));
    let start = FIRST_PAGE;
    for (const [first, lastReserved] of [...reserved].sort(([a], [b]) => a - b)) {
      if (first > start && start <= last) this.#gaps.add(start, Math.min(first, last + 1));
      start = Math.max(start, lastReserved + 1);
    }
    if (start <= last) this.#gaps.add(start, last + 1);
  }

  /** Pages that nobody has. */
  get free(): number {
    const cached = this.#caches.flatMap((cache) => cache.map((ranges, order) => ranges.length * 2 ** order));
    return cached.reduce((sum, pages) => sum + pages, this.#gaps.pages);
  }

  /** The first page of a range, or -ENOSPC. */
  allocate(pages: number, { last, emptyCache, cpu = 0 }: AllocateOptions): PageNumber {
    const order = ceilingLog2(pages);
    const size = sizeOf(pages, order);
    const cached = this.#caches[cpu]![order];
    const newest = cached?.findLastIndex((first) => first + size - 1 <= last) ?? -1;
    this.searched = newest < 0;
    if (newest >= 0) return cached!.splice(newest, 1)[0]!;
    let first = this.#gaps.take(size, last);
    if (first < 0 && emptyCache && this.#emptyCaches()) first = this.#gaps.take(size, last);
    return first < 0 ? -ENOSPC : first;
  }

  /** Gives back what `allocate` returned for as many pages. */
  release(first: PageNumber, pages: number, cpu = 0): void {
    const order = ceilingLog2(pages);
    const cached = this.#caches[cpu]![order];
    this.searched = cached === undefined || cached.length === CACHE_PLACES;
    if (this.searched) this.#gaps.add(first, first + sizeOf(pages, order));
    else cached!.push(first);
  }

  /** Cached ranges lie between what could be a longer one. False when there are none. */
  #emptyCaches(): boolean {
    let some = false;
    for (const cache of this.#caches) {
      for (const [order, ranges] of cache.entries()) {
        for (const first of ranges.splice(0)) {
          this.#gaps.add(first, first + 2 ** order);
          some = true;
        }
      }
    }
    return some;
  }
}

/** What can be cached takes a power of two of pages, so that it serves any request of its size. */
function sizeOf(pages: number, order: number): number {
  return order < CACHED_ORDERS ? 2 ** order : pages;
}
