/** Which pages a process may use: disjoint areas in ascending order. Nothing here costs more than there are areas. */
import { PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { indexBehind, type PageRun, runsWithin } from '../page-run.ts';

/** Where the first mapping goes: 0x40000000, the address in the proposal's examples. */
const HEAP_PAGE = 0x4000_0000 / PAGE_SIZE;
/** User addresses have 47 bits; stacks go down from there. */
export const END_PAGE = 2 ** 35;
/** As vm.max_map_count. */
const MOST_AREAS = 65_530;

/** Where a mapping goes: behind the others, or down from the end of the address space. */
export type Placement = 'heap' | 'stack';

export interface Area extends PageRun {
  readonly writable: boolean;
}

export class Areas {
  #list: Area[] = [];
  #heapEnd = HEAP_PAGE - 1;
  #stackStart = END_PAGE;

  get isFull(): boolean {
    return this.#list.length >= MOST_AREAS;
  }

  [Symbol.iterator](): Iterator<Area> {
    return this.#list[Symbol.iterator]();
  }

  /** First page of a place for `pages` pages, aligned to `alignment` pages in the heap; `undefined` when there is none. */
  place(pages: number, placement: Placement, alignment: number): PageNumber | undefined {
    // One page stays free in between, so that running over the end of a mapping fails.
    const above = Math.ceil((this.#heapEnd + 1) / alignment) * alignment;
    const first = placement === 'heap' ? above : this.#stackStart - pages - 1;
    return first <= this.#heapEnd || first + pages >= this.#stackStart ? undefined : first;
  }

  /** Adds an area at a place that `place` has found. */
  add(area: Area, placement: Placement): void {
    this.#list.splice(indexBehind(this.#list, area.first), 0, area);
    if (placement === 'heap') this.#heapEnd = area.first + area.pages;
    else this.#stackStart = area.first;
  }

  /** The area of a page. */
  at(page: PageNumber): Area | undefined {
    const area = this.#list[indexBehind(this.#list, page)];
    return area !== undefined && area.first <= page ? area : undefined;
  }

  /** The area that all of a range of at least one page lies in, and that may be written if asked. Two areas never touch, so one is enough. */
  around(first: PageNumber, pages: number, write: boolean): Area | undefined {
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(pages) || pages <= 0) return undefined;
    const area = this.at(first);
    if (area === undefined || first + pages > area.first + area.pages) return undefined;
    return write && !area.writable ? undefined : area;
  }

  /** The parts of areas that lie in a range. */
  within(first: PageNumber, pages: number): Area[] {
    return [...runsWithin(this.#list, { first, pages })].map((area) => partOf(area, first, first + pages));
  }

  /** Takes a range away from the areas; one that goes on at both sides becomes two. */
  remove(first: PageNumber, pages: number): void {
    const start = indexBehind(this.#list, first);
    const touched = this.within(first, pages).length;
    const end = first + pages;
    const rest = this.#list
      .slice(start, start + touched)
      .flatMap((area) => [partOf(area, 0, first), partOf(area, end, END_PAGE)]);
    this.#list.splice(start, touched, ...rest.filter((area) => area.pages > 0));
  }

  /** The same areas for another process. */
  copy(): Areas {
    const copy = new Areas();
    copy.#list = [...this.#list];
    copy.#heapEnd = this.#heapEnd;
    copy.#stackStart = this.#stackStart;
    return copy;
  }
}

/** What of an area lies in a range; no pages when nothing does. */
function partOf({ first, pages, writable }: Area, start: PageNumber, end: PageNumber): Area {
  const from = Math.max(first, start);
  return { first: from, pages: Math.max(0, Math.min(first + pages, end) - from), writable };
}
