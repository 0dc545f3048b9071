/**
 * The words in which an IOMMU of either vendor speaks of a request. What a root complex says too comes from there; the
 * rest is what only an IOMMU needs.
 */
import { Access } from '../pcie/index.ts';

export { Access, AddressType, inInterruptRange, NO_PASID, TranslationStatus as Status } from '../pcie/index.ts';

/** What a translation may grant: the low two bits of an access. */
export const RIGHTS = Access.READ | Access.WRITE;
