/**
 * Intel VT-d: the events of Linux's PMU for DMAR units. Groups and bits are those of VT-d 10.7, table 49; the last ones have no name in
 * Linux, where they are asked for by number.
 */
import { EVENTS, Event } from '../../../hardware/vtd/index.ts';
import type { CounterInfo, CounterTable } from './counter.ts';

/** By name: the event whose meaning `hardware/vtd/performance-events.ts` tells. */
const COUNTED = {
  iommu_requests: Event.IOMMU_REQUESTS,
  iommu_mrds: Event.IOMMU_MRDS,
  pg_req_posted: Event.PG_REQ_POSTED,
  ctxt_cache_lookup: Event.CTXT_CACHE_LOOKUP,
  ctxt_cache_hit: Event.CTXT_CACHE_HIT,
  pasid_cache_lookup: Event.PASID_CACHE_LOOKUP,
  pasid_cache_hit: Event.PASID_CACHE_HIT,
  ss_nonleaf_lookup: Event.SS_NONLEAF_LOOKUP,
  ss_nonleaf_hit: Event.SS_NONLEAF_HIT,
  fs_nonleaf_lookup: Event.FS_NONLEAF_LOOKUP,
  fs_nonleaf_hit: Event.FS_NONLEAF_HIT,
  iotlb_lookup: Event.IOTLB_LOOKUP,
  iotlb_hit: Event.IOTLB_HIT,
  int_cache_lookup: Event.INT_CACHE_LOOKUP,
  int_cache_hit_nonposted: Event.INT_CACHE_HIT_NONPOSTED,
  int_cache_hit_posted: Event.INT_CACHE_HIT_POSTED,
  'event_group=0x1,event=0x008': Event.IOMMU_ATOMIC_AD_UPDATE,
  'event_group=0x1,event=0x080': Event.PG_REQ_OVERFLOW,
} as const;

const NO_CLOCK = 'the unit has no clock of its own: nothing in it ticks';
const NO_PERMISSION_EVENTS = 'look-ups of host permissions are not counted (deviation V22)';
const NO_COUNTERPART: Readonly<Record<string, string>> = {
  iommu_clocks: NO_CLOCK,
  pw_occupancy: `${NO_CLOCK}, and occupancies are sums over cycles; how long walks take tells \`--where\``,
  ats_blocked: `${NO_CLOCK}; it would count cycles`,
  iommu_mem_blocked: `${NO_CLOCK}; it would count cycles`,
  hpt_nonleaf_lookup: NO_PERMISSION_EVENTS,
  hpt_nonleaf_hit: NO_PERMISSION_EVENTS,
  hpt_leaf_lookup: NO_PERMISSION_EVENTS,
  hpt_leaf_hit: NO_PERMISSION_EVENTS,
};

export const INTEL_COUNTERS: CounterTable = {
  pmu: (unit) => `dmar${unit}`,
  sources: [
    'Intel VT-d specification, 10.7, table 49 (groups and bits)',
    'Linux 6.3, /sys/bus/event_source/devices/dmar*/events, as listed in the patch that adds them (K. Liang, January 2023)',
  ],
  counters: [
    ...Object.entries(COUNTED).map(([name, event]): CounterInfo => {
      return { name, event, meaning: EVENTS.find((info) => info.event === event)!.meaning };
    }),
    ...Object.entries(NO_COUNTERPART).map(([name, meaning]): CounterInfo => ({ name, meaning, event: null })),
  ],
};
