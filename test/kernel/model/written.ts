/** Which pages of a space were written by devices, as far as its reader has not heard of it, as the reference model sees it. */

/** Pages of a large page, of which hardware only notes that it was written somewhere. */
export const LARGE = 512;

export class Written {
  /** These have to be told. */
  readonly sure = new Set<number>();
  /** These may be told: they share a large page with one that was written. */
  readonly maybe = new Set<number>();

  note(page: number, isSure: boolean): void {
    (isSure ? this.sure : this.maybe).add(page);
  }

  /** A range was told, or is not mapped any more. */
  forget(first: number, pages: number): void {
    for (const set of [this.sure, this.maybe]) {
      for (const page of [...set]) if (first <= page && page < first + pages) set.delete(page);
    }
  }

  /** Whether a range has to be told of, or may be, or must not. */
  within(first: number, pages: number): 'yes' | 'maybe' | 'no' {
    const has = (set: ReadonlySet<number>) => [...set].some((page) => first <= page && page < first + pages);
    if (has(this.sure)) return 'yes';
    return has(this.maybe) ? 'maybe' : 'no';
  }
}
