/**
 * The performance events that this unit counts (VT-d 10.7, table 49: all but those of time and of caches of host
 * permissions), and the interface through which its models tell of them. A model holds `counters`, which is `null`
 * unless a counter is enabled and not frozen, and lets questions (`Translation.effects` false) uncounted:
 * `if (this.counters !== null) this.counters.count(Event.IOTLB_HIT, requester, domain, pasid, level)`.
 */
import { NO_DOMAIN, type PerformanceEvents } from '../iommu/index.ts';
import type { Capability } from './spec/capability.ts';
import { PerformanceEvent } from './spec/index.ts';

/** Events to the group. */
const GROUP = 32;
const [clocks, memory, structures, leaves, interrupts] = [0, 1, 2, 3, 4].map((n) => n * GROUP) as [
  number,
  number,
  number,
  number,
  number,
];

/** Group times 32 plus bit. */
export const Event = {
  IOMMU_REQUESTS: clocks + PerformanceEvent[0].IOMMU_REQUESTS,
  IOMMU_MRDS: memory + PerformanceEvent[1].IOMMU_MRDS,
  IOMMU_ATOMIC_AD_UPDATE: memory + PerformanceEvent[1].IOMMU_ATOMIC_AD_UPDATE,
  PG_REQ_POSTED: memory + PerformanceEvent[1].PG_REQ_POSTED,
  PG_REQ_OVERFLOW: memory + PerformanceEvent[1].PG_REQ_OVERFLOW,
  CTXT_CACHE_LOOKUP: structures + PerformanceEvent[2].CTXT_CACHE_LOOKUP,
  CTXT_CACHE_HIT: structures + PerformanceEvent[2].CTXT_CACHE_HIT,
  PASID_CACHE_LOOKUP: structures + PerformanceEvent[2].PASID_CACHE_LOOKUP,
  PASID_CACHE_HIT: structures + PerformanceEvent[2].PASID_CACHE_HIT,
  SS_NONLEAF_LOOKUP: structures + PerformanceEvent[2].SS_NONLEAF_LOOKUP,
  SS_NONLEAF_HIT: structures + PerformanceEvent[2].SS_NONLEAF_HIT,
  FS_NONLEAF_LOOKUP: structures + PerformanceEvent[2].FS_NONLEAF_LOOKUP,
  FS_NONLEAF_HIT: structures + PerformanceEvent[2].FS_NONLEAF_HIT,
  IOTLB_LOOKUP: leaves + PerformanceEvent[3].IOTLB_LOOKUP,
  IOTLB_HIT: leaves + PerformanceEvent[3].IOTLB_HIT,
  INT_CACHE_LOOKUP: interrupts + PerformanceEvent[4].INT_CACHE_LOOKUP,
  INT_CACHE_HIT_NONPOSTED: interrupts + PerformanceEvent[4].INT_CACHE_HIT_NONPOSTED,
  INT_CACHE_HIT_POSTED: interrupts + PerformanceEvent[4].INT_CACHE_HIT_POSTED,
} as const;

export { NO_DOMAIN, NO_REQUESTER, type PerformanceEvents } from '../iommu/index.ts';

export type Filter = 'RID' | 'DID' | 'PASID' | 'AT' | 'PTL';

export interface EventInfo {
  readonly event: number;
  /** When a model counts it. */
  readonly meaning: string;
  /** An address type for the filter AT, a level for PTL: 0 a page of 4 KiB or its PTE, 1 2 MiB or PDE, up to 4. */
  readonly detail: 'none' | 'address type' | 'level';
  /** The filters that a counter of this event may have. AT and PTL are those of table 49. */
  readonly filters: readonly Filter[];
  /** Without one of these capabilities the unit reports that it does not have the event. */
  readonly needs: readonly Capability[];
}

const OF_REQUEST = ['RID', 'PASID'] as const;
const OF_DOMAIN = ['RID', 'DID', 'PASID'] as const;
const plain = (event: number, meaning: string, filters: readonly Filter[], needs: readonly Capability[] = []) =>
  ({ event, meaning, detail: 'none', filters, needs }) as const satisfies EventInfo;
const atLevel = (event: number, meaning: string, filters: readonly Filter[], needs: readonly Capability[] = []) =>
  ({ event, meaning, detail: 'level', filters: [...filters, 'PTL'], needs }) as const satisfies EventInfo;
const ofType = (event: number, meaning: string, needs: readonly Capability[] = []) =>
  ({ event, meaning, detail: 'address type', filters: [...OF_REQUEST, 'AT'], needs }) as const satisfies EventInfo;

export const EVENTS: readonly EventInfo[] = [
  ofType(Event.IOMMU_REQUESTS, 'an untranslated, translation or translated request has arrived'),
  plain(Event.IOMMU_MRDS, 'the unit reads memory: tables, queues, descriptors', []),
  plain(Event.IOMMU_ATOMIC_AD_UPDATE, 'a walk sets accessed or dirty bits', [], ['SMTS']),
  plain(Event.PG_REQ_POSTED, 'a page request was written into the queue', OF_REQUEST, ['PRS']),
  plain(Event.PG_REQ_OVERFLOW, 'the unit answers a page request itself: the queue is full', OF_REQUEST, ['PRS']),
  plain(Event.CTXT_CACHE_LOOKUP, 'a context entry is looked for', ['RID']),
  plain(Event.CTXT_CACHE_HIT, 'and found in the context cache', ['RID']),
  plain(Event.PASID_CACHE_LOOKUP, 'a PASID-table entry is looked for', OF_REQUEST, ['SMTS']),
  plain(Event.PASID_CACHE_HIT, 'and found in the PASID cache', OF_DOMAIN, ['SMTS']),
  plain(Event.SS_NONLEAF_LOOKUP, 'a second-stage walk asks its paging-structure caches where to begin', OF_DOMAIN),
  atLevel(Event.SS_NONLEAF_HIT, 'and they know; the level is that of the entry found', OF_DOMAIN),
  plain(Event.FS_NONLEAF_LOOKUP, 'a first-stage walk asks its paging-structure caches', OF_DOMAIN, ['FSTS']),
  atLevel(Event.FS_NONLEAF_HIT, 'and they know; the level is that of the entry found', OF_DOMAIN, ['FSTS']),
  plain(Event.IOTLB_LOOKUP, 'a translation is looked for', OF_REQUEST),
  atLevel(Event.IOTLB_HIT, 'and found in the IOTLB; the level is that of its page size', OF_DOMAIN),
  plain(Event.INT_CACHE_LOOKUP, 'an interrupt remapping entry is looked for', ['RID'], ['IR']),
  plain(Event.INT_CACHE_HIT_NONPOSTED, 'and found in the cache, in remapped format', ['RID'], ['IR']),
  plain(Event.INT_CACHE_HIT_POSTED, 'and found in the cache, in posted format', ['RID'], ['PI']),
];

export const groupOf = (event: number): number => Math.floor(event / GROUP);
export const bitOf = (event: number): number => event % GROUP;

/** A look-up in the context cache. */
export function countContextLookup(counters: PerformanceEvents, t: Lookup, hit: boolean): void {
  counters.count(Event.CTXT_CACHE_LOOKUP, t.requester, NO_DOMAIN, t.pasid, 0);
  if (hit) counters.count(Event.CTXT_CACHE_HIT, t.requester, NO_DOMAIN, t.pasid, 0);
}

interface Lookup {
  readonly requester: number;
  readonly pasid: number;
}
