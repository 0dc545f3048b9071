/** Performance monitoring: VT-d 10 and 11.4.13. The registers of counters are in performance-counters.ts. */
import { bit, bits, layout, register } from '../../../bits/index.ts';

export const PERFCAP = register('PERFCAP_REG', 0x300, 64, 'VT-d 11.4.13.2', {
  NCNTR: bits(15, 0, 'RO', 'Number of counters'),
  CW: bits(22, 16, 'RO', 'Width of a counter'),
  EGCNT: bits(28, 24, 'RO', 'Number of event groups'),
  RIDFS: bit(32, 'RO', 'Requester-id filter'),
  DIDFS: bit(33, 'RO', 'Domain-id filter'),
  PASIDFS: bit(34, 'RO', 'PASID filter'),
  ATFS: bit(35, 'RO', 'Address-type filter'),
  PTLFS: bit(36, 'RO', 'Page-table-level filter'),
  CWE: bit(48, 'RO', 'Counters can be written while enabled'),
  GFS: bit(49, 'RO', 'Global freeze on overflow'),
  IOS: bit(50, 'RO', 'Interrupt on overflow'),
  PCCS: bit(51, 'RO', 'Counters have capabilities of their own'),
  CS: bits(54, 52, 'RO', 'Counters are 2 ** (CS + 10) bytes apart'),
});

export const PERFCFGOFF = register('PERFCFGOFF_REG', 0x310, 32, 'VT-d 11.4.13.3', {
  CFGO: bits(31, 0, 'RO', 'Byte offset of the counter configuration registers'),
});

export const PERFFRZOFF = register('PERFFRZOFF_REG', 0x314, 32, 'VT-d 11.4.13.4', {
  FZO: bits(31, 0, 'RO', 'Byte offset of the freeze status registers'),
});

export const PERFOVFOFF = register('PERFOVFOFF_REG', 0x318, 32, 'VT-d 11.4.13.5', {
  OFO: bits(31, 0, 'RO', 'Byte offset of the overflow status registers'),
});

export const PERFCNTROFF = register('PERFCNTROFF_REG', 0x31c, 32, 'VT-d 11.4.13.6', {
  CNTO: bits(31, 0, 'RO', 'Byte offset of the counters'),
});

export const PERFINTRSTS = register('PERFINTRSTS_REG', 0x324, 32, 'VT-d 11.4.13.7', {
  PIS: bit(0, 'RW1C', 'A counter with IO=1 has overflowed'),
});

export const PERFINTRCTL = register('PERFINTRCTL_REG', 0x328, 32, 'VT-d 11.4.13.8', {
  IP: bit(30, 'RO', 'An event is held back'),
  IM: bit(31, 'RW', 'Hold events back'),
});

export const PERFINTRDATA = register('PERFINTRDATA_REG', 0x32c, 32, 'VT-d 11.4.13.9', {
  IMD: bits(15, 0, 'RW', 'Message data'),
});

export const PERFINTRADDR = register('PERFINTRADDR_REG', 0x330, 32, 'VT-d 11.4.13.10', {
  MA: bits(31, 2, 'RW', 'Message address'),
});

export const PERFINTRUADDR = register('PERFINTRUADDR_REG', 0x334, 32, 'VT-d 11.4.13.11', {
  MUA: bits(31, 0, 'RW', 'Upper half of the message address'),
});

/** Byte offset of PERFEVNTCAP of group 0; the others follow. There are PERFCAP.EGCNT of them. */
export const PERFEVNTCAP_OFFSET = 0x380;

/** The events of one group that exist. */
export const PERFEVNTCAP = layout('PERFEVNTCAP_REG', 64, 'VT-d 11.4.13.14', {
  ES: bits(27, 0, 'RO', 'Events supported, one bit each'),
});

/** Bits of ES: group, then event. */
export const PerformanceEvent = {
  0: {
    IOMMU_CLOCKS: 0,
    IOMMU_REQUESTS: 1,
    PW_OCCUPANCY: 2,
    ATS_BLOCKED: 3,
    TOTAL_OCCUPANCY: 5,
    MEM_OCCUPANCY: 6,
  },
  1: {
    IOMMU_MRDS: 0,
    IOMMU_ATOMIC_AD_UPDATE: 3,
    IOMMU_MEM_BLOCKED: 5,
    PG_REQ_POSTED: 6,
    PG_REQ_OVERFLOW: 7,
  },
  2: {
    CTXT_CACHE_LOOKUP: 0,
    CTXT_CACHE_HIT: 1,
    PASID_CACHE_LOOKUP: 2,
    PASID_CACHE_HIT: 3,
    SS_NONLEAF_LOOKUP: 4,
    SS_NONLEAF_HIT: 5,
    FS_NONLEAF_LOOKUP: 6,
    FS_NONLEAF_HIT: 7,
    HPT_NONLEAF_LOOKUP: 8,
    HPT_NONLEAF_HIT: 9,
  },
  3: { IOTLB_LOOKUP: 0, IOTLB_HIT: 1, HPT_LEAF_LOOKUP: 2, HPT_LEAF_HIT: 3 },
  4: { INT_CACHE_LOOKUP: 0, INT_CACHE_HIT_NONPOSTED: 1, INT_CACHE_HIT_POSTED: 2 },
} as const;
