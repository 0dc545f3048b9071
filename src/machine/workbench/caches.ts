/** The caches of a unit of either vendor. */
import type { EntryCacheSpec, IotlbSpec } from '../../../hardware/iommu/index.ts';

export interface CachesSpec {
  readonly iotlb: IotlbSpec | null;
  /** Of whatever leads from a requester to its tables: context and PASID-table entries, device table and GCR3 entries. */
  readonly devices: EntryCacheSpec | null;
  /** Paging-structure caches: of the host's stage and of the guest's. */
  readonly hostStructures: IotlbSpec | null;
  readonly guestStructures: IotlbSpec | null;
}

/** Fully associative; `null` for none. */
export function ways(entries: number): { readonly sets: 1; readonly ways: number } | null {
  return entries === 0 ? null : { sets: 1, ways: entries };
}
