/** Consecutive pages, and lists of runs of them in ascending order that have no page in common. */
import type { PageNumber } from '../../hardware/bits/index.ts';

export interface PageRun {
  readonly first: PageNumber;
  readonly pages: number;
}

/** Index of the first run that ends behind `page`. */
export function indexBehind(runs: readonly PageRun[], page: PageNumber): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { first, pages } = runs[middle]!;
    if (first + pages <= page) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The runs that have a page in common with a range, in ascending order. */
export function* runsWithin<Run extends PageRun>(runs: readonly Run[], { first, pages }: PageRun): Iterable<Run> {
  for (let i = indexBehind(runs, first); i < runs.length && runs[i]!.first < first + pages; i++) yield runs[i]!;
}

/** The pages that two runs have in common; `undefined` when there are none. */
export function commonPages(one: PageRun, other: PageRun): PageRun | undefined {
  const first = Math.max(one.first, other.first);
  const pages = Math.min(one.first + one.pages, other.first + other.pages) - first;
  return pages > 0 ? { first, pages } : undefined;
}

/** True when pages with frames in a row go on with this page and its frame. */
export function goesOn(
  { first, frame, pages }: PageRun & { readonly frame: PageNumber },
  page: PageNumber,
  to: PageNumber,
): boolean {
  return first + pages === page && frame + pages === to;
}
