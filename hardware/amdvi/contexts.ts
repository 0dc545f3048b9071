/**
 * Contexts: a domain together with the tables that a device table entry gives it. What is cached is tagged by context and
 * removed by domain.
 *
 * Software promises that devices of one domain use the same tables, and then a domain is one context that they share. Where
 * it breaks that promise, or gives a device other tables without emptying the domain, the sources do not say what hardware
 * finds; here translations of different tables are never mixed.
 */

/** More than software has tables in use at a time. */
const MOST = 4096;

export class Contexts {
  readonly #ids = new Map<string, number>();
  readonly #exhausted: () => void;

  /** `exhausted` forgets everything that is tagged: the numbers start again. */
  constructor(exhausted: () => void) {
    this.#exhausted = exhausted;
  }

  /** The number of a context, below 2^16. A question about one that has none gets a number that none ever has. */
  of(domain: number, tables: readonly number[], isQuestion: boolean): number {
    const key = `${domain}:${tables.join(':')}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (isQuestion) return MOST;
    if (this.#ids.size === MOST) {
      this.#ids.clear();
      this.#exhausted();
    }
    const id = this.#ids.size;
    this.#ids.set(key, id);
    return id;
  }
}
