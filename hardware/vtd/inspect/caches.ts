/** What a unit's caches hold, as rows of words. Every cache that the unit has is listed in `cacheViews`. */
import { decode, hex } from '../../bits/index.ts';
import { FIRST_STAGE_NAMES, radixLevel, SECOND_STAGE_NAMES } from '../../formats/index.ts';
import { Access, type CacheView, type EntryCache, type Iotlb, type IotlbEntry, NO_PASID } from '../../iommu/index.ts';
import { formatRequester } from '../../pcie/index.ts';
import { FOR_EXECUTION, rightsOf } from '../iotlb-entry.ts';
import { pasidOf } from '../scalable-tables.ts';
import { IRTE_POSTED, IRTE_REMAPPED, IrteMode, PasidTranslationType } from '../spec/index.ts';
import type { Translator } from '../translator.ts';

type Row = Readonly<Record<string, string>>;

export function cacheViews(
  { iotlb, legacy, scalable, firstStage, secondStage, hostPermissions }: Translator,
  interrupts: EntryCache<Uint32Array> | null,
): CacheView[] {
  const requester = (key: number): Row => ({ requester: formatRequester(key) });
  const pasid = (key: number): Row => {
    const of = pasidOf(key);
    return { requester: formatRequester(of.requester), PASID: String(of.pasid) };
  };
  return [
    ...ranges('IOTLB', iotlb, translation),
    entries('context cache', legacy.cache, requester),
    entries('scalable-mode context cache', scalable.contexts, requester),
    entries('PASID cache', scalable.pasids, pasid),
    ...ranges('first-stage paging-structure cache', firstStage.structures, structure(FIRST_STAGE_NAMES)),
    ...ranges('second-stage paging-structure cache', secondStage.structures, structure(SECOND_STAGE_NAMES)),
    ...ranges('host permission cache', hostPermissions.cache, permission),
    interruptEntries(interrupts),
  ];
}

/** What is found by address, array by array. */
function ranges(name: string, cache: Iotlb | null, row: (entry: IotlbEntry) => Row): CacheView[] {
  if (cache === null) return [{ name, size: null, entries: [] }];
  const found = cache.entries().sort((a, b) => a.space - b.space || a.page - b.page || a.shift - b.shift);
  const { list, byShift } = cache.arrays;
  return list.map((array) => ({
    name: array.size === null ? name : `${name} of ${array.size} pages`,
    size: sizeOf(array),
    entries: found.filter(({ shift }) => byShift[shift] === array).map(row),
  }));
}

/** A page's translation and what it grants. */
function translation(entry: IotlbEntry): Row {
  const { space, frame, flags } = entry;
  const rights = rightsOf(flags);
  const execute = (flags & FOR_EXECUTION) !== 0 ? 'X' : '';
  const access = `${(rights & Access.READ) !== 0 ? 'R' : '-'}${(rights & Access.WRITE) !== 0 ? 'W' : '-'}${execute}`;
  return { requester: formatRequester(space & 0xffff), ...extent(entry), to: hex(frame), access, ...owner(entry) };
}

/** A range of host pages and what may be done with them. */
function permission(entry: IotlbEntry): Row {
  const { space, flags } = entry;
  const access = `${(flags & Access.READ) !== 0 ? 'R' : '-'}${(flags & Access.WRITE) !== 0 ? 'W' : '-'}`;
  return { requester: formatRequester(space & 0xffff), ...extent(entry), access, ...owner(entry) };
}

/** Where the entries of one stage lead to for a range. */
function structure(names: readonly string[]): (entry: IotlbEntry) => Row {
  return (entry) => {
    const what = names[radixLevel(entry.shift)] ?? '';
    return { entry: what, ...extent(entry), table: hex(entry.frame), ...owner(entry) };
  };
}

function extent({ page, shift }: IotlbEntry): Row {
  const first = BigInt(page) << 12n;
  return { first: hex(first), last: hex(first + (1n << BigInt(shift)) - 1n) };
}

function owner({ domain, pasid }: IotlbEntry): Row {
  return { domain: String(domain), ...(pasid === NO_PASID ? {} : { PASID: String(pasid) }) };
}

/** Decoded table entries, by what they are for. */
function entries<T extends object>(name: string, cache: EntryCache<T> | null, tag: (key: number) => Row): CacheView {
  if (cache === null) return { name, size: null, entries: [] };
  const rows = cache
    .entries()
    .sort((a, b) => a.key - b.key)
    .map(({ key, value }) => ({ ...tag(key), ...plain(value) }));
  return { name, size: sizeOf(cache), entries: rows };
}

/** Entries of the interrupt remapping table as they were fetched, by interrupt index. */
function interruptEntries(cache: EntryCache<Uint32Array> | null): CacheView {
  const name = 'interrupt entry cache';
  if (cache === null) return { name, size: null, entries: [] };
  const rows = cache
    .entries()
    .sort((a, b) => a.key - b.key)
    .map(({ key, value }) => {
      const posted = IRTE_POSTED.IM.get(value) === IrteMode.POSTED;
      const fields = Object.entries(decode(posted ? IRTE_POSTED : IRTE_REMAPPED, value));
      const shown = fields.map(([field, bits]) => [field, bits > 9n ? hex(bits) : String(bits)]);
      return { index: hex(key), format: posted ? 'posted' : 'remapped', ...Object.fromEntries(shown) };
    });
  return { name, size: sizeOf(cache), entries: rows };
}

function sizeOf({ spec: { sets, ways } }: { readonly spec: { readonly sets: number; readonly ways: number } }) {
  return { sets, ways };
}

/** A decoded entry's own fields; halves of addresses that it also holds whole, and what follows from the mode, are left out. */
function plain(value: object): Row {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !/(?:Hi|Lo)$/.test(name) && name !== 'reasons')
      .map(([name, part]) => [name, name === 'kind' ? kindText(part as number) : show(part)]),
  );
}

function kindText(kind: number): string {
  return Object.entries(PasidTranslationType).find(([, code]) => code === kind)?.[0] ?? String(kind);
}

function show(part: unknown): string {
  // What is not there: a PASID, a stage, a fault.
  if (part === null || part === NO_PASID) return '-';
  if (typeof part === 'number') return part > 9 ? hex(part) : String(part);
  if (typeof part !== 'object') return String(part);
  // A fault reason.
  if ('name' in part) return String(part.name);
  return Object.entries(plain(part))
    .map(([name, text]) => `${name}=${text}`)
    .join(' ');
}
