/** A walk has read an entry of a page table. */
import type { PerformanceEvents, Translation } from '../iommu/index.ts';
import { CounterSource } from './spec/index.ts';

/** `which` is PAGE_TBL_READ_NST for a table of the host, PAGE_TBL_READ_GST for one of a guest. */
export function countRead(counters: PerformanceEvents, t: Translation, which: number): void {
  if (!t.effects) return;
  const { requester, domain, pasid } = t;
  counters.count(CounterSource.PAGE_TBL_READ_TOT, requester, domain, pasid, 0);
  counters.count(which, requester, domain, pasid, 0);
}
