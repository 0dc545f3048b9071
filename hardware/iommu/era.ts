/**
 * Keeps what a walk has read from entering a cache after an invalidation that came while it was under way: the walk may
 * have read its entries before software changed them.
 */

/** What has caused a walk: it began in an era, and may be a question without effects. */
export interface Dated {
  era: number;
  readonly effects: boolean;
}

export class Era {
  #now = 0;

  /** A walk begins. */
  begin(t: Dated): void {
    t.era = this.#now;
  }

  /** An invalidation has been carried out. */
  end(): void {
    this.#now++;
  }

  mayFill(t: Dated): boolean {
    return t.effects && t.era === this.#now;
  }
}
