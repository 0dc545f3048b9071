/** What a machine says of an AMD-Vi unit's translation. */
import type { EntryCacheSpec, IotlbSpec } from '../iommu/index.ts';

/** Sizes of the caches; a cache that is `null` or not named is switched off. Not architectural. */
export interface TranslatorSpec {
  readonly iotlb: IotlbSpec | null;
  readonly deviceTableCache: EntryCacheSpec | null;
  readonly gcr3Cache?: EntryCacheSpec | null;
  /** Page-directory caches, each for all levels of its tables. */
  readonly hostDirectoryCache?: IotlbSpec | null;
  readonly guestDirectoryCache?: IotlbSpec | null;
}
