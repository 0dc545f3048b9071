/** What a unit's caches hold, as rows of words. Every cache that the unit has is listed in `cacheViews`. */
import { type AnyLayout, hex } from '../../bits/index.ts';
import { radixLevel, V1_PDE, V2_NAMES } from '../../formats/index.ts';
import {
  accessText,
  type CacheRow,
  type CacheView,
  entryView,
  entryViews,
  extentOf,
  type IotlbEntry,
  ownerRow,
  rangeViews,
} from '../../iommu/index.ts';
import { formatRequester } from '../../pcie/index.ts';
import type { DeviceEntry } from '../device-table.ts';
import { type InterruptRemapper, ofCacheKey } from '../interrupt-remapper.ts';
import { contextOf, qualitiesOf } from '../iotlb-entry.ts';
import { DTE } from '../spec/index.ts';
import type { Translator } from '../translator.ts';
import { interruptLayout } from './entries.ts';

/** `hasLongIds`: Control.XTEn. */
export function cacheViews(
  { iotlb, devices, guests, hosts }: Translator,
  interrupts: InterruptRemapper,
  hasLongIds: boolean,
): CacheView[] {
  return [
    ...rangeViews('IOTLB', iotlb, translation),
    entryViews('device table cache', devices.cache, device),
    entryViews('GCR3 cache', guests.gcr3.cache, (_key, { domain, pasid, table }) => ({
      domain: String(domain),
      PASID: String(pasid),
      table: hex(table),
    })),
    ...rangeViews('page-directory cache', hosts.directory.cache, directory(hostName)),
    ...rangeViews('guest page-directory cache', guests.directory.cache, directory(guestName)),
    entryViews('interrupt table cache', interrupts.cache, (key, irte) => interrupt(key, irte, hasLongIds)),
  ];
}

/** A page's translation and what it grants. */
function translation(entry: IotlbEntry): CacheRow {
  const { rights, user, execute, untranslatedOnly } = qualitiesOf(entry.flags);
  // A page of the host alone has no users, and nobody asks whether it may be executed.
  const guest = entry.pasid < 0 ? '' : `${user ? 'U' : ''}${execute ? 'X' : ''}`;
  return {
    ...extentOf(entry),
    to: hex(entry.frame),
    access: accessText(rights, guest),
    ...ownerRow(entry),
    context: String(contextOf(entry.space)),
    'untranslated only': String(untranslatedOnly),
  };
}

/** The fields of an entry that are not 0, and what makes it unusable. */
function device(key: number, { words, fault, interruptFault, muted }: DeviceEntry): CacheRow {
  const condition = fault ?? interruptFault;
  return {
    device: formatRequester(key),
    ...fieldsOf(DTE, words),
    ...(condition === null ? {} : { condition: condition.name }),
    ...(muted ? { muted: 'true' } : {}),
  };
}

/** Where the entries of one stage lead to for a range. */
function directory(nameOf: (level: number) => string): (entry: IotlbEntry) => CacheRow {
  return (entry) => {
    const what = nameOf(radixLevel(entry.shift));
    return { entry: what, ...extentOf(entry), table: hex(entry.frame), ...ownerRow(entry) };
  };
}

function hostName(level: number): string {
  return `${V1_PDE.$.name}, level ${level}`;
}

function guestName(level: number): string {
  return V2_NAMES[level] ?? '';
}

/** An entry of an interrupt table as it was fetched. */
function interrupt(key: number, irte: Uint32Array, hasLongIds: boolean): CacheRow {
  const { requester, index } = ofCacheKey(key);
  const format = interruptLayout(irte, hasLongIds);
  return {
    device: formatRequester(requester),
    index: hex(index),
    format: format.$.name,
    ...fieldsOf(format, irte),
  };
}

/** The fields of an entry that are not 0. */
function fieldsOf(of: AnyLayout, words: Uint32Array): CacheRow {
  const shown = entryView(of, words, 0).fields.filter(({ value }) => value !== 0n);
  return Object.fromEntries(shown.map(({ name, text }) => [name, text]));
}
