/** Paging-structure entries that hardware may hold: for each range of addresses every value that may still be in use. */
import { floorTo, overlaps, PAGE, type Range, sizeOf } from './radix.ts';

export interface Structure {
  readonly did: number;
  readonly pasid: number;
  readonly base: number;
  readonly size: number;
  readonly values: number[];
}

/** A table that a walk may go on with and what the levels above grant, or one of the endings below. */
export const ABSENT = -1;
export const BAD_VALUE = -2;
const RIGHTS = 8;
/** Of the structures of a second stage. */
export const NO_PASID = -1;

/** `isHost` is false for a first-stage table that is still to be found through the second stage. */
export const stateOf = (table: number, rights: number, isHost: boolean): number =>
  (table * RIGHTS + rights) * 2 + (isHost ? 1 : 0);
export const tableOf = (state: number): number => Math.floor(state / (2 * RIGHTS));
export const rightsOf = (state: number): number => Math.floor(state / 2) % RIGHTS;
export const isHostState = (state: number): boolean => state % 2 === 1;

export function add<T>(to: T[], value: T): void {
  if (!to.includes(value)) to.push(value);
}

export class Structures {
  /** By domain and PASID, then by level and range. */
  readonly #all = new Map<number, Map<number, Structure>>();

  /** The values for the entry at `level` that serves the address; the list may be added to. */
  valuesOf(did: number, pasid: number, level: number, address: number): number[] {
    const size = sizeOf(level);
    const base = floorTo(address, size);
    const tag = did * 2 ** 21 + pasid + 1;
    const own = this.#all.get(tag) ?? new Map<number, Structure>();
    this.#all.set(tag, own);
    const key = (base / PAGE) * 8 + level;
    const found = own.get(key);
    if (found !== undefined) return found.values;
    const values: number[] = [];
    own.set(key, { did, pasid, base, size, values });
    return values;
  }

  /** Values of all entries together. */
  get population(): number {
    let sum = 0;
    for (const own of this.#all.values()) for (const { values } of own.values()) sum += values.length;
    return sum;
  }

  clear(): void {
    this.#all.clear();
  }

  removeDomain(did: number): void {
    this.remove((one) => one.did === did);
  }

  removePages(did: number, pages: Range, pasid = NO_PASID): void {
    this.remove((one) => one.did === did && one.pasid === pasid && overlaps(pages, one.base, one.size));
  }

  remove(which: (one: Structure) => boolean): void {
    for (const own of this.#all.values()) for (const [key, one] of own) if (which(one)) own.delete(key);
  }
}
