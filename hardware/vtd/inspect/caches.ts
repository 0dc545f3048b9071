/** What a unit's caches hold, as rows of words. Every cache that the unit has is listed in `cacheViews`. */
import { decode, hex } from '../../bits/index.ts';
import { FIRST_STAGE_NAMES, radixLevel, SECOND_STAGE_NAMES } from '../../formats/index.ts';
import {
  accessText,
  type CacheRow,
  type CacheView,
  type EntryCache,
  entryViews,
  extentOf,
  type IotlbEntry,
  NO_PASID,
  numberText,
  ownerRow,
  rangeViews,
} from '../../iommu/index.ts';
import { formatRequester } from '../../pcie/index.ts';
import { FOR_EXECUTION, rightsOf } from '../iotlb-entry.ts';
import { pasidOf } from '../scalable-tables.ts';
import { IRTE_POSTED, IRTE_REMAPPED, IrteMode, PasidTranslationType } from '../spec/index.ts';
import type { Translator } from '../translator.ts';

export function cacheViews(
  { iotlb, legacy, scalable, firstStage, secondStage, hostPermissions }: Translator,
  interrupts: EntryCache<Uint32Array> | null,
): CacheView[] {
  const requester = (key: number, value: object): CacheRow => ({ requester: formatRequester(key), ...plain(value) });
  const pasid = (key: number, value: object): CacheRow => {
    const of = pasidOf(key);
    return { requester: formatRequester(of.requester), PASID: String(of.pasid), ...plain(value) };
  };
  return [
    ...rangeViews('IOTLB', iotlb, translation),
    entryViews('context cache', legacy.cache, requester),
    entryViews('scalable-mode context cache', scalable.contexts, requester),
    entryViews('PASID cache', scalable.pasids, pasid),
    ...rangeViews('first-stage paging-structure cache', firstStage.structures, structure(FIRST_STAGE_NAMES)),
    ...rangeViews('second-stage paging-structure cache', secondStage.structures, structure(SECOND_STAGE_NAMES)),
    ...rangeViews('host permission cache', hostPermissions.cache, permission),
    entryViews('interrupt entry cache', interrupts, interruptRow),
  ];
}

/** A page's translation and what it grants. */
function translation(entry: IotlbEntry): CacheRow {
  const { space, frame, flags } = entry;
  const rights = rightsOf(flags);
  const execute = (flags & FOR_EXECUTION) !== 0 ? 'X' : '';
  const access = accessText(rights, execute);
  return { requester: formatRequester(space & 0xffff), ...extentOf(entry), to: hex(frame), access, ...ownerRow(entry) };
}

/** A range of host pages and what may be done with them. */
function permission(entry: IotlbEntry): CacheRow {
  const { space, flags } = entry;
  return {
    requester: formatRequester(space & 0xffff),
    ...extentOf(entry),
    access: accessText(flags),
    ...ownerRow(entry),
  };
}

/** Where the entries of one stage lead to for a range. */
function structure(names: readonly string[]): (entry: IotlbEntry) => CacheRow {
  return (entry) => {
    const what = names[radixLevel(entry.shift)] ?? '';
    return { entry: what, ...extentOf(entry), table: hex(entry.frame), ...ownerRow(entry) };
  };
}

/** Entries of the interrupt remapping table as they were fetched, by interrupt index. */
function interruptRow(key: number, irte: Uint32Array): CacheRow {
  const posted = IRTE_POSTED.IM.get(irte) === IrteMode.POSTED;
  const fields = Object.entries(decode(posted ? IRTE_POSTED : IRTE_REMAPPED, irte));
  const shown = fields.map(([field, bits]) => [field, numberText(bits)]);
  return { index: hex(key), format: posted ? 'posted' : 'remapped', ...Object.fromEntries(shown) };
}

/** A decoded entry's own fields; halves of addresses that it also holds whole, and what follows from the mode, are left out. */
function plain(value: object): CacheRow {
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
  if (typeof part === 'number') return numberText(part);
  if (typeof part !== 'object') return String(part);
  // A fault reason.
  if ('name' in part) return String(part.name);
  return Object.entries(plain(part))
    .map(([name, text]) => `${name}=${text}`)
    .join(' ');
}
