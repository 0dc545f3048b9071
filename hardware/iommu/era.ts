/**
 * Keeps what a walk has read from entering a cache after an invalidation that came while it was under way: the walk may
 * have read its entries before software changed them.
 */
import type { Translation } from './translation.ts';

export class Era {
  #now = 0;

  /** A walk begins. */
  begin(t: Translation): void {
    t.era = this.#now;
  }

  /** An invalidation has been carried out. */
  end(): void {
    this.#now++;
  }

  mayFill(t: Translation): boolean {
    return t.effects && t.era === this.#now;
  }
}
