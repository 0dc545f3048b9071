/**
 * The GCR3 table: gives the top guest table of a PASID, through one to three levels. Its root is a system address unless
 * software says otherwise; what entries hold are guest addresses, which the host table, where there is one, translates.
 */
import { anySet, highHalf, lowHalf, undeclared } from '../bits/index.ts';
import {
  EntryCache,
  type EntryCacheSpec,
  type Era,
  type IommuProbe,
  Leaf,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { GuestTables, HostTable } from './device-table.ts';
import type { HostTables } from './host-tables.ts';
import { type AmdFault, FAULTS, GCR3_ENTRY } from './spec/index.ts';

/** Whose guest tables: a PASID of a device table entry. */
export interface GuestSpace {
  readonly domain: number;
  readonly context: number;
  readonly pasid: number;
  readonly host: HostTable | null;
  readonly guest: GuestTables;
}

/** The top table of a PASID, a guest physical address. */
export interface GuestTop {
  readonly table: number;
  readonly tableHi: number;
  readonly tableLo: number;
  readonly domain: number;
  readonly pasid: number;
}

const RESERVED = undeclared(GCR3_ENTRY);
const BITS_PER_LEVEL = 9;
const PASID_BITS = 20;

export class Gcr3Table {
  probe: IommuProbe | null = null;
  /** Top guest tables by context and PASID. */
  readonly cache: EntryCache<GuestTop> | null;
  readonly #hosts: HostTables;
  readonly #era: Era;

  constructor(hosts: HostTables, era: Era, cache: EntryCacheSpec | null) {
    this.cache = cache === null ? null : new EntryCache(cache);
    this.#hosts = hosts;
    this.#era = era;
  }

  /** The top table of a PASID that is cached, or `null`. */
  cached(context: number, pasid: number): GuestTop | null {
    return this.cache?.find(keyOf(context, pasid)) ?? null;
  }

  /** The top guest table of a space, or the condition that keeps it from being found. */
  *find(t: Translation<AmdFault>, space: GuestSpace, rootIsGuest: boolean): Walk<number | AmdFault> {
    const { memory } = t;
    const { context, domain, pasid, host, guest } = space;
    const key = keyOf(context, pasid);
    const cached = this.cache?.find(key, !t.effects) ?? null;
    if (this.probe !== null) this.probe.cache('GCR3 cache', cached !== null, `domain ${domain}, PASID ${pasid}`);
    if (cached !== null) return cached.table;
    let table = guest.gcr3;
    for (let level = guest.gcr3Levels - 1; level >= 0; level--) {
      const isRoot = level === guest.gcr3Levels - 1;
      const index = (pasid >>> (BITS_PER_LEVEL * level)) & (2 ** BITS_PER_LEVEL - 1);
      let at = table + index * 8;
      if (host !== null && (!isRoot || rootIsGuest)) {
        const inner = new Leaf();
        const fault = yield* this.#hosts.locate(t, inner, host, at);
        if (fault !== null) return fault;
        at = inner.addressOf(at);
      }
      yield memory.read(at, 2);
      if (!memory.ok) return FAULTS.GCR3_READ;
      if (this.probe !== null) this.probe.read(GCR3_ENTRY.$.name, at, memory.words, 2);
      if (!GCR3_ENTRY.V.isSet(memory.words)) return FAULTS.GCR3_NOT_VALID;
      if (anySet(memory.words, RESERVED)) return FAULTS.GCR3_RESERVED;
      table = GCR3_ENTRY.Address.address(memory.words);
    }
    if (this.#era.mayFill(t)) {
      this.cache?.insert(key, { table, tableHi: highHalf(table), tableLo: lowHalf(table), domain, pasid });
    }
    return table;
  }
}

/** The table of an entry has no place for the PASID. */
export function exceedsGcr3(pasid: number, { gcr3Levels }: GuestTables): boolean {
  return pasid >= 2 ** (BITS_PER_LEVEL * gcr3Levels);
}

/** Names a top guest table in the cache. */
function keyOf(context: number, pasid: number): number {
  return context * 2 ** PASID_BITS + pasid;
}
