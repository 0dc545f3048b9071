/**
 * For broken units that seldom show: the first sequence that catches each, so that `npm test` need not search. Where a
 * number is no longer right the search goes on from 1.
 */
export const HOST_CATCHES: Readonly<Record<string, number>> = {
  'A page of several entries is kept as if it were as large as the next level’s.': 4,
  'The device table cache drops the function number.': 5,
  'The device table cache drops the bus number.': 9,
  'INVALIDATE_DEVTAB_ENTRY drops the function number.': 5,
  'INVALIDATE_DEVTAB_ENTRY drops the bus number.': 9,
  'INVALIDATE_IOMMU_PAGES takes domain 1 for every domain.': 8,
  'INVALIDATE_IOMMU_PAGES drops the upper half of the domain id.': 8,
  'PDE counts as 0.': 8,
  'S counts as 0.': 8,
  'A range is half as large as its address says.': 11,
  'A range begins at its address.': 8,
  'Everything, as a range, is one page.': 11,
  'An invalidation misses pages larger than its range.': 8,
  'An invalidation misses pages of several entries.': 8,
  'An invalidation misses directory entries of larger ranges.': 8,
  'An invalidation drops address bits above 43.': 11,
  'INVALIDATE_IOMMU_ALL keeps the device table cache.': 8,
  'A walk fills caches although an invalidation has come since it began.': 266,
  'With NpCache = 0 entries of absent devices are kept.': 42,
  'A write that hits the IOTLB sets no dirty flag.': 18,
  'Domains are not told apart by their tables.': 9,
};

export const GUEST_CATCHES: Readonly<Record<string, number>> = {
  'The IOTLB drops PASID bits above 15.': 4,
  'The GCR3 cache drops PASID bits above 15.': 4,
  'The GCR3 cache is looked up without the tables.': 5,
  'The guest page-directory cache drops PASID bits above 15.': 28,
  'The guest page-directory cache is looked up without the tables.': 24,
  'INVALIDATE_IOMMU_PAGES drops PASID bits above 15.': 47,
  'With GN an invalidation misses directory entries of larger ranges.': 221,
  'With GN and PDE the GCR3 cache keeps everything.': 45,
  'Without GN nested translations stay.': 11,
  'Without GN the GCR3 cache keeps what it found through the host table.': 67,
  'INVALIDATE_IOMMU_ALL keeps the GCR3 cache.': 8,
  'INVALIDATE_IOMMU_ALL keeps the guest page-directory cache.': 8,
  'A write that hits the IOTLB sets no dirty flag.': 9,
  'Pages for supervisors are kept as pages for all.': 8,
};
