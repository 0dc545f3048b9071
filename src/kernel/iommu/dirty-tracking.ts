/** Which pages of a table devices have written to: hardware sets flags in the table, the kernel reads and clears them. */
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL } from '../../uapi/index.ts';
import type { PageRun } from '../page-run.ts';
import { takeDirty } from './dirty-pages.ts';
import type { Geometry } from './driver.ts';
import type { PageTable } from './page-table.ts';

export class DirtyTracking {
  readonly #table: PageTable;
  readonly #geometry: Geometry;
  #isOn = false;

  constructor(table: PageTable, geometry: Geometry) {
    this.#table = table;
    this.#geometry = geometry;
  }

  /** What the entries of devices that use the table say. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** `tell` makes hardware know of it, and forget which pages it need not tell of. */
  *turn(on: boolean, tell: () => Script<number>): Script<number> {
    if (on) takeDirty(this.#table, { first: 0, pages: this.#geometry.last + 1 }, false);
    this.#isOn = on;
    return yield* tell();
  }

  /** The pages that were written, by runs. `forget` makes hardware forget that it has told of them, after so many writes: 0, -EIO. */
  *read(
    { first, pages }: PageRun,
    keep: boolean,
    forget: (written: PageRun, entries: number) => Script<number>,
  ): Script<PageRun[] | number> {
    if (!this.#isOn) return -EINVAL;
    const { runs, entries } = takeDirty(this.#table, { first, pages }, keep);
    const [start, end] = [runs[0], runs.at(-1)];
    if (keep || start === undefined || end === undefined) return runs;
    const result = yield* forget({ first: start.first, pages: end.first + end.pages - start.first }, entries);
    return result < 0 ? result : runs;
  }
}
