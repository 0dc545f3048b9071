/** AMD-Vi: the events of Linux's PMU for AMD units, in the order of their numbers (`csource`). */
import { CounterSource } from '../../../hardware/amdvi/spec/index.ts';
import type { CounterInfo, CounterTable } from './counter.ts';

type Source = keyof typeof CounterSource;

/** By name of the source: Linux's name for it, and when the model counts it. */
const COUNTED: Readonly<Partial<Record<Source, readonly [name: string, meaning: string]>>> = {
  MEM_PASS_UNTRANS: ['mem_pass_untrans', 'an untranslated request passes as it is: its device has no valid entry'],
  MEM_PASS_PRETRANS: ['mem_pass_pretrans', 'a request passes that its device has translated'],
  MEM_PASS_EXCL: ['mem_pass_excl', 'a request passes in the exclusion range'],
  MEM_TARGET_ABORT: ['mem_target_abort', 'a request is answered with an abort'],
  MEM_TRANS_TOTAL: ['mem_trans_total', 'a request is translated, also where its device has no tables'],
  MEM_IOMMU_TLB_PTE_HIT: ['mem_iommu_tlb_pte_hit', 'a translation is found in the IOTLB, whatever its page size'],
  MEM_IOMMU_TLB_PTE_MISS: ['mem_iommu_tlb_pte_mis', 'and it is not'],
  MEM_IOMMU_TLB_PDE_HIT: ['mem_iommu_tlb_pde_hit', 'a walk finds in a page-directory cache where to begin'],
  MEM_IOMMU_TLB_PDE_MISS: ['mem_iommu_tlb_pde_mis', 'and it does not; without such a cache, never'],
  MEM_DTE_HIT: ['mem_dte_hit', 'the device table entry of a request is in the cache'],
  MEM_DTE_MISS: ['mem_dte_mis', 'and it is not'],
  PAGE_TBL_READ_TOT: ['page_tbl_read_tot', 'a walk reads an entry of a page table'],
  PAGE_TBL_READ_NST: ['page_tbl_read_nst', 'of one of the host, which is nested below one of a guest if there is one'],
  PAGE_TBL_READ_GST: ['page_tbl_read_gst', 'of one of a guest'],
  INT_DTE_HIT: ['int_dte_hit', 'the device table entry of an interrupt is in the cache'],
  INT_DTE_MISS: ['int_dte_mis', 'and it is not'],
  CMD_PROCESSED: ['cmd_processed', 'a command is carried out'],
  CMD_PROCESSED_INV: ['cmd_processed_inv', 'and it is one of those that invalidate'],
  IGN_RD_WR_MMIO_1FF8H: ['ign_rd_wr_mmio_1ff8h', 'software accesses the register at 1FF8h'],
};

/** The same, of those that are not counted, and why. */
const NO_COUNTERPART: Readonly<Partial<Record<Source, readonly [name: string, why: string]>>> = {
  TLB_INV: ['tlb_inv', 'no source at hand says whether it counts commands, entries or look-ups'],
  VAPIC_INT_NON_GUEST: ['vapic_int_non_guest', 'no source at hand says which interrupts it counts'],
  VAPIC_INT_GUEST: ['vapic_int_guest', 'no source at hand says which interrupts it counts'],
  SMI_RECV: ['smi_recv', 'there are no system management interrupts here'],
  SMI_BLK: ['smi_blk', 'there are no system management interrupts here'],
};

const all = (Object.keys(CounterSource) as Source[]).flatMap((source): CounterInfo[] => {
  const counted = COUNTED[source];
  if (counted !== undefined) return [{ name: counted[0], meaning: counted[1], event: CounterSource[source] }];
  const missing = NO_COUNTERPART[source];
  return missing === undefined ? [] : [{ name: missing[0], meaning: missing[1], event: null }];
});

export const AMD_COUNTERS: CounterTable = {
  pmu: (unit) => `amd_iommu_${unit}`,
  sources: [
    'Linux 4.16 and later, /sys/bus/event_source/devices/amd_iommu_0/events (names, csource)',
    'output of `perf stat` with all of them on a Ryzen 5 PRO 2400GE, in the patch that mends their counts (S. Khan, 2021)',
  ],
  counters: all,
};
