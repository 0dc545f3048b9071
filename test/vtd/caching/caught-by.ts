/**
 * For broken units that seldom show: the first sequence that catches each, so that `npm test` need not search. Where a
 * number is no longer right the search goes on from 1.
 */
const LEGACY: Readonly<Record<string, number>> = {
  'A context-cache invalidation ignores the function mask.': 46,
  'A device-selective context-cache invalidation takes domain 1 for every domain.': 3,
  'A global context-cache invalidation keeps what domain 2 has.': 8,
  'A domain-selective IOTLB invalidation takes domain 1 for every domain.': 5,
  'A global IOTLB invalidation keeps what domain 2 has.': 8,
  'With IH=0 second-stage structures stay.': 3,
  'An invalidation by page misses superpages.': 18,
  'An invalidation by page misses structures of larger ranges.': 9,
  'A walk fills caches although an invalidation has come since it began.': 34,
  'With CM=1 a faulting context entry is kept under its own domain.': 14,
  'With CM=0 entries that are absent are kept.': 6,
};

const SCALABLE: Readonly<Record<string, number>> = {
  'The IOTLB is looked up without the PASID.': 8,
  'The IOTLB drops PASID bits above 15.': 10,
  'Translations of requests without PASID are not in RID_PASID.': 8,
  'First-stage structures are looked up without the domain id.': 65,
  'First-stage structures drop PASID bits above 15.': 17,
  'The PASID cache drops PASID bits above 15.': 6,
  'A context-cache invalidation ignores the function mask.': 28,
  'A domain-selective context-cache invalidation removes nothing.': 8,
  'A PASID-cache invalidation drops PASID bits above 15.': 6,
  'A global PASID-cache invalidation keeps what domain 1 does not have.': 7,
  'An IOTLB invalidation by page keeps translations that a first stage takes part in.': 29,
  'An IOTLB invalidation keeps first-stage structures.': 10,
  'With IH=0 second-stage structures stay.': 57,
  'With IH=0 first-stage structures stay.': 50,
  'The address mask of a PASID-based invalidation counts as 0.': 78,
  'A PASID-based invalidation takes domain 1 for every domain.': 8,
  'A PASID-based invalidation drops PASID bits above 15.': 17,
  'A PASID-based invalidation drops address bits above 43.': 113,
  'A PASID-selective invalidation keeps translations without a first stage.': 22,
  'A PASID-based invalidation by page misses superpages.': 48,
  'A PASID-based invalidation by page misses structures of larger ranges.': 50,
  'A walk fills caches although an invalidation has come since it began.': 32,
  'With CM=1 a faulting PASID-table entry stays in the PASID cache.': 52,
  'With CM=0 entries that are absent are kept.': 37,
};

export const firstCatch = (isScalable: boolean, name: string): number => (isScalable ? SCALABLE : LEGACY)[name] ?? 1;
