/**
 * Keeps what a walk has read from entering a cache after an invalidation that came while it was under way: the walk may
 * have read its entries before software changed them.
 */
/** What walks tables: a request to memory, or an interrupt. */
export interface Walker {
  /** When the walk began, in invalidations. */
  era: number;
  /** False for a question, which leaves caches as they are. */
  readonly effects: boolean;
}

export class Era {
  #now = 0;

  /** A walk begins. */
  begin(t: Walker): void {
    t.era = this.#now;
  }

  /** An invalidation has been carried out. */
  end(): void {
    this.#now++;
  }

  mayFill(t: Walker): boolean {
    return t.effects && t.era === this.#now;
  }
}
