/** What is mapped in one I/O address space: disjoint ranges of pages in ascending order. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { Pinned } from '../memory/address-space.ts';
import { indexBehind, type PageRun, runsWithin } from '../page-run.ts';

export interface Mapping extends PageRun {
  readonly protection: Protection;
  /** First page of what is mapped: of the process, or of the parent space. */
  readonly source: PageNumber;
  /** The frames of a root's mapping; `null` for one of a nested space, which has its parent's. */
  readonly pinned: Pinned | null;
  /** It is being taken away: nobody may begin to use it. */
  isLeaving: boolean;
}

export class Mappings implements Iterable<Mapping> {
  readonly #list: Mapping[] = [];

  get count(): number {
    return this.#list.length;
  }

  [Symbol.iterator](): Iterator<Mapping> {
    return this.#list[Symbol.iterator]();
  }

  /** From the first page that is mapped to the last; `undefined` when none is. */
  get span(): PageRun | undefined {
    const [start, end] = [this.#list[0], this.#list.at(-1)];
    if (start === undefined || end === undefined) return undefined;
    return { first: start.first, pages: end.first + end.pages - start.first };
  }

  /** The mappings that have a page in common with a range, in ascending order. */
  within(first: PageNumber, pages: number): Mapping[] {
    return [...runsWithin(this.#list, { first, pages })];
  }

  overlaps(first: PageNumber, pages: number): boolean {
    const next = this.#list[indexBehind(this.#list, first)];
    return next !== undefined && next.first < first + pages;
  }

  /** True when every page of a range is mapped. */
  covers(first: PageNumber, pages: number): boolean {
    let end = first;
    for (const mapping of this.within(first, pages)) {
      if (mapping.first > end) return false;
      end = mapping.first + mapping.pages;
    }
    return end >= first + pages;
  }

  add(mapping: Mapping): void {
    this.#list.splice(indexBehind(this.#list, mapping.first), 0, mapping);
  }

  remove(mapping: Mapping): void {
    this.#list.splice(indexBehind(this.#list, mapping.first), 1);
  }

  /** Empties the list and returns what was in it. */
  clear(): Mapping[] {
    return this.#list.splice(0);
  }
}
