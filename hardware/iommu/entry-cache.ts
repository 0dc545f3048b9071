/**
 * A cache of decoded table entries (context, PASID, device-table entries): set-associative, least recently used out.
 * A key is an integer that names what the entry is for. It is consulted once per IOTLB miss.
 */

/** In a key of two parts, a device stands above the 12 bits of its interrupts or the 20 of a PASID: both parts choose the set. */
const ABOVE_INTERRUPT = 2 ** 12;
const ABOVE_PASID = 2 ** 20;

/** Not architectural. */
export interface EntryCacheSpec {
  /** Number of sets, a power of two. */
  readonly sets: number;
  readonly ways: number;
}

export class EntryCache<T> {
  readonly spec: EntryCacheSpec;
  readonly #keys: Float64Array;
  readonly #values: (T | null)[];
  /** When each entry was last used, counted in uses of this cache. */
  readonly #used: Float64Array;
  #uses = 0;
  /** What was looked up or entered last, and what is here for it: requests come in bursts. */
  #lastKey = -1;
  #lastValue: T | null = null;

  constructor(spec: EntryCacheSpec) {
    const entries = spec.sets * spec.ways;
    if (!(entries > 0 && (spec.sets & (spec.sets - 1)) === 0)) {
      throw new RangeError(`a cache of ${spec.sets} sets and ${spec.ways} ways: sets must be a power of two`);
    }
    this.spec = spec;
    this.#keys = new Float64Array(entries);
    this.#values = new Array<T | null>(entries).fill(null);
    this.#used = new Float64Array(entries);
  }

  find(key: number, peek?: boolean): T | null {
    return key === this.#lastKey ? this.#lastValue : this.#search(key, peek);
  }

  /** Apart from `find`, so that that stays inlined. */
  #search(key: number, peek: boolean | undefined): T | null {
    const first = this.#first(key);
    for (let i = first; i < first + this.spec.ways; i++) {
      const value = this.#values[i]!;
      if (value !== null && this.#keys[i] === key) {
        if (peek === true) return value;
        this.#used[i] = ++this.#uses;
        this.#lastKey = key;
        this.#lastValue = value;
        return value;
      }
    }
    return null;
  }

  insert(key: number, value: T): void {
    const first = this.#first(key);
    let victim = first;
    for (let i = first; i < first + this.spec.ways; i++) {
      if (this.#values[i] !== null && this.#keys[i] === key) {
        victim = i;
        break;
      }
      if (this.#age(i) < this.#age(victim)) victim = i;
    }
    this.#keys[victim] = key;
    this.#values[victim] = value;
    this.#used[victim] = ++this.#uses;
    this.#lastKey = key;
    this.#lastValue = value;
  }

  clear(): void {
    this.#lastValue = null;
    this.#values.fill(null);
  }

  /** Removes what `select` accepts; gives the number of entries removed. */
  removeWhere(select: (key: number, value: T) => boolean): number {
    let removed = 0;
    for (let i = 0; i < this.#values.length; i++) {
      const value = this.#values[i]!;
      if (value === null || !select(this.#keys[i]!, value)) continue;
      this.#values[i] = null;
      if (this.#keys[i] === this.#lastKey) this.#lastValue = null;
      removed++;
    }
    return removed;
  }

  /** All valid entries, for inspection. */
  entries(): { readonly key: number; readonly value: T }[] {
    return this.#values.flatMap((value, i) => (value === null ? [] : [{ key: this.#keys[i]!, value }]));
  }

  /** Free entries are older than all others. */
  #age(i: number): number {
    return this.#values[i] === null ? -1 : this.#used[i]!;
  }

  #first(key: number): number {
    return ((key ^ (key / ABOVE_INTERRUPT) ^ (key / ABOVE_PASID)) & (this.spec.sets - 1)) * this.spec.ways;
  }
}
