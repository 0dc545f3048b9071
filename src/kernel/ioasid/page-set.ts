/** A set of pages: runs of them in ascending order, none of which touches the next. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { commonPages, indexBehind, type PageRun, runsWithin } from '../page-run.ts';

export class PageSet {
  readonly #runs: PageRun[] = [];

  add({ first, pages }: PageRun): void {
    // Those that overlap it or touch it become one with it.
    const from = indexBehind(this.#runs, first - 1);
    const to = indexBehind(this.#runs, first + pages);
    const isTouched = to < this.#runs.length && this.#runs[to]!.first <= first + pages;
    const joined = this.#runs.slice(from, isTouched ? to + 1 : to);
    const start = Math.min(first, joined[0]?.first ?? first);
    const end = Math.max(first + pages, endOf(joined.at(-1), first + pages));
    this.#runs.splice(from, joined.length, { first: start, pages: end - start });
  }

  remove({ first, pages }: PageRun): void {
    const end = first + pages;
    const cut = [...runsWithin(this.#runs, { first, pages })];
    const left: PageRun[] = [];
    for (const run of cut) {
      if (run.first < first) left.push({ first: run.first, pages: first - run.first });
      if (run.first + run.pages > end) left.push({ first: end, pages: run.first + run.pages - end });
    }
    this.#runs.splice(indexBehind(this.#runs, first), cut.length, ...left);
  }

  /** What of a range is in the set. */
  within(range: PageRun): PageRun[] {
    return [...runsWithin(this.#runs, range)].map((run) => commonPages(run, range)!);
  }
}

function endOf(run: PageRun | undefined, otherwise: PageNumber): PageNumber {
  return run === undefined ? otherwise : run.first + run.pages;
}
