/** Ways to break a part of a unit from outside. */
import type { EntryCache, Iotlb, IotlbEntry } from '../../hardware/iommu/index.ts';

type Tags = [space: number, hi: number, lo: number];

/** The cache sees these tags in place of those it is given. */
export function retag(cache: Iotlb | null, tags: (...given: Tags) => Tags): void {
  if (cache === null) return;
  const { find, peek, insert, add } = cache;
  cache.find = (...given) => find.apply(cache, tags(...given));
  cache.peek = (...given) => peek.apply(cache, tags(...given));
  cache.insert = (space, hi, lo, shift) => insert.call(cache, ...tags(space, hi, lo), shift);
  cache.add = (space, hi, lo, shift) => add.call(cache, ...tags(space, hi, lo), shift);
}

export function rekey<T>(cache: EntryCache<T> | null, keyOf: (key: number) => number): void {
  if (cache === null) return;
  const { find, insert } = cache;
  cache.find = (key, peek) => find.call(cache, keyOf(key), peek);
  cache.insert = (key, value) => insert.call(cache, keyOf(key), value);
}

export function reinsert<T>(cache: EntryCache<T> | null, change: (value: T) => T): void {
  if (cache === null) return;
  const { insert } = cache;
  cache.insert = (key, value) => insert.call(cache, key, change(value));
}

/** What a method is told to do: its only argument. */
type Order<Method> = Method extends (what: infer What) => unknown ? What : never;

/** A method carries out another order than it is given. */
export function reorder<T, Name extends keyof T>(
  of: T,
  method: Name,
  change: (what: Order<T[Name]>) => Order<T[Name]>,
): void {
  const given = of[method] as (what: Order<T[Name]>) => unknown;
  Object.assign(of as object, { [method]: (what: Order<T[Name]>) => given.call(of, change(what)) });
}

/** Removal by page looks at entries in another way: `covers` says whether an entry is in the range. */
export function reselect(
  cache: Iotlb | null,
  covers: (entry: IotlbEntry, page: number, order: number) => boolean,
): void {
  if (cache === null) return;
  cache.removePages = (domain, hi, lo, order) =>
    cache.removeWhere((entry) => entry.domain === domain && covers(entry, pageOf(hi, lo), order));
  cache.removeOverlapping = (hi, lo, order, select) =>
    cache.removeWhere((entry) => covers(entry, pageOf(hi, lo), order) && select(entry));
}

const pageOf = (hi: number, lo: number): number => (hi & 0xf_ffff) * 2 ** 32 + (lo >>> 0);

/** The entry and the range overlap. */
export function overlap({ page: first, shift }: IotlbEntry, page: number, order: number): boolean {
  const size = 2 ** Math.max(order, shift - 12);
  return Math.floor(first / size) === Math.floor(page / size);
}

/** Which word of an entry holds the upper page bits and the tags above them. */
export const PAGE_HI_WORD = 1;
