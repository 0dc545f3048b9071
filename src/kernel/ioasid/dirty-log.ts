/**
 * Which pages of a kernel-managed space devices have written to, since tracking was switched on or since it was last asked.
 *
 * Hardware notes it in the table that translates. Where that is a table merged of this one and another, the pages are this
 * space's all the same: what the merged table says goes to the log of each space on the way down to the root. So that no reader
 * takes from another what both want to know, each log keeps what hardware has said and its own reader has not heard yet. What an
 * entry says is taken over before the entry goes, and at once, so that hardware has no time to say more.
 */
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL } from '../../uapi/index.ts';
import type { IommuDomain } from '../iommu/driver.ts';
import { commonPages, type PageRun } from '../page-run.ts';
import type { Mappings } from './mappings.ts';
import { PageSet } from './page-set.ts';

/** The table that a log is for. */
export interface LoggedTable {
  readonly mappings: Mappings;
  /** In hardware; `null` while no device needs it. */
  readonly translation: IommuDomain | null;
  readonly parent: { readonly log: DirtyLog } | null;
  /** Tables that are merged of this one and their own. */
  readonly merged: ReadonlySet<{ readonly log: DirtyLog }>;
  /** Where the ranges of merged tables are that use a range of this one. */
  merging(range: PageRun): Iterable<readonly [{ readonly log: DirtyLog }, PageRun]>;
}

export class DirtyLog {
  readonly #table: LoggedTable;
  /** What the reader has not heard yet; `null` while nobody wants to know. */
  #unread: PageSet | null = null;
  /** The table in hardware takes note. */
  #isNoting = false;
  /** What software may be writing to for a device, at any time. */
  readonly #pinned = new Set<PageRun>();

  constructor(table: LoggedTable) {
    this.#table = table;
  }

  get isOn(): boolean {
    return this.#unread !== null;
  }

  /** Somebody wants to know of writes through this table. */
  get isWanted(): boolean {
    return this.isOn || (this.#table.parent?.log.isWanted ?? false);
  }

  /** Switching it on, also again, forgets what was written before: 0, -EIO. */
  *set(on: boolean): Script<number> {
    const before = this.#unread;
    const span = this.#table.mappings.span;
    // Others are still to hear of it.
    const collected = on && span !== undefined ? yield* this.#collect(span, false) : 0;
    if (collected < 0) return collected;
    this.#unread = on ? new PageSet() : null;
    const told = yield* this.#tell();
    if (told < 0 && on) this.#unread = before;
    return told;
  }

  /** The pages of a range that were written, as far as they have not been cleared: -EINVAL while it is off, -EIO. */
  *read(range: PageRun, keep: boolean): Script<PageRun[] | number> {
    if (this.#unread === null) return -EINVAL;
    const collected = yield* this.#collect(range, keep);
    return collected < 0 ? collected : this.#unread.within(range);
  }

  /** The reader has heard of these, or they are not mapped any more. */
  clear(range: PageRun): void {
    this.#unread?.remove(range);
  }

  /** Software may write to these pages until `unpinned`: so long they count as written each time. */
  pinned(run: PageRun): void {
    this.#pinned.add(run);
  }

  unpinned(run: PageRun): void {
    if (this.#pinned.delete(run)) this.note(run);
  }

  /** There is a table in hardware now, which no device uses yet: 0, or what the driver answers. */
  *opened(): Script<number> {
    this.#isNoting = false;
    return yield* this.#tellTable();
  }

  /** The table in hardware is about to lose a range, or all that is mapped. No time passes. */
  *leaving(range: PageRun | undefined = this.#table.mappings.span): Script {
    if (range !== undefined) yield* this.#take(range, true);
  }

  /** Pages of this space were written. */
  note(written: PageRun): void {
    for (const mapping of this.#table.mappings.within(written.first, written.pages)) {
      if (!mapping.protection.write) continue;
      const part = commonPages(mapping, written)!;
      this.#unread?.add(part);
      this.#table.parent?.log.note({ ...part, first: part.first - mapping.first + mapping.source });
    }
  }

  /** Makes the table and those that are merged of it take note, or leave it. */
  *#tell(): Script<number> {
    let result = yield* this.#tellTable();
    for (const { log } of this.#table.merged) {
      if (result === 0) result = yield* log.#tell();
    }
    return result;
  }

  *#tellTable(): Script<number> {
    const { translation } = this.#table;
    const wanted = this.isWanted;
    if (translation === null || wanted === this.#isNoting) return 0;
    const result = yield* translation.setDirtyTracking(wanted);
    if (result === 0) this.#isNoting = wanted;
    return result;
  }

  /** Takes over what hardware has noted of a range, here and in merged tables: 0, or -EIO, and then all of it counts as written. */
  *#collect(range: PageRun, keep: boolean): Script<number> {
    let result = yield* this.#take(range, keep);
    for (const [{ log }, part] of this.#table.merging(range)) {
      if (result === 0) result = yield* log.#collect(part, keep);
    }
    return result;
  }

  *#take(range: PageRun, keep: boolean): Script<number> {
    const { translation } = this.#table;
    for (const run of this.#pinned) this.note(run);
    if (translation === null || !this.#isNoting) return 0;
    const runs = yield* translation.readDirty(range.first, range.pages, { keep });
    const isUnknown = typeof runs === 'number';
    for (const run of isUnknown ? [range] : runs) this.note(run);
    return isUnknown ? runs : 0;
  }
}
