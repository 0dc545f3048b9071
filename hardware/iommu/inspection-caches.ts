/** What caches hold, as rows of words: the columns that both vendors' units have. */

import type { Iotlb, IotlbEntry } from '../ats/cache/index.ts';
import { hex } from '../bits/index.ts';
import { Access, NO_PASID } from './access.ts';
import type { EntryCache } from './entry-cache.ts';
import type { CacheView } from './inspection.ts';

export type CacheRow = Readonly<Record<string, string>>;

/** What is found by address, array by array. */
export function rangeViews(name: string, cache: Iotlb | null, row: (entry: IotlbEntry) => CacheRow): CacheView[] {
  if (cache === null) return [{ name, size: null, entries: [] }];
  const found = cache.entries().sort((a, b) => a.space - b.space || a.page - b.page || a.shift - b.shift);
  const { list, byShift } = cache.arrays;
  return list.map((array) => ({
    name: array.size === null ? name : `${name} of ${array.size} pages`,
    size: sizeOf(array),
    entries: found.filter(({ shift }) => byShift[shift] === array).map(row),
  }));
}

/** Table entries, by what they are for. */
export function entryViews<T extends object>(
  name: string,
  cache: EntryCache<T> | null,
  row: (key: number, value: T) => CacheRow,
): CacheView {
  if (cache === null) return { name, size: null, entries: [] };
  const found = cache.entries().sort((a, b) => a.key - b.key);
  return { name, size: sizeOf(cache), entries: found.map(({ key, value }) => row(key, value)) };
}

/** The addresses that an entry serves, of which the first is on `page`. */
export function extentOf({ page, shift }: Pick<IotlbEntry, 'page' | 'shift'>): CacheRow {
  const first = BigInt(page) << 12n;
  return { first: hex(first), last: hex(first + (1n << BigInt(shift)) - 1n) };
}

export function ownerRow({ domain, pasid }: IotlbEntry): CacheRow {
  return { domain: String(domain), ...(pasid === NO_PASID ? {} : { PASID: String(pasid) }) };
}

export function accessText(rights: number, further = ''): string {
  return `${(rights & Access.READ) !== 0 ? 'R' : '-'}${(rights & Access.WRITE) !== 0 ? 'W' : '-'}${further}`;
}

/** Numbers as they are read: small ones decimal. */
export function numberText(value: number | bigint): string {
  return value > 9 ? hex(value) : String(value);
}

function sizeOf({ spec: { sets, ways } }: { readonly spec: { readonly sets: number; readonly ways: number } }) {
  return { sets, ways };
}
