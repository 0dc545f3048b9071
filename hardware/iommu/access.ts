/**
 * The words in which an IOMMU of either vendor speaks of a request. What a root complex says too comes from there; the
 * rest is what only an IOMMU needs.
 */
import { Access } from '../pcie/index.ts';

export { Access, AddressType, inInterruptRange, NO_PASID, TranslationStatus as Status } from '../pcie/index.ts';

/** What a request may say of itself. */
export interface AccessQualities {
  readonly read?: boolean | undefined;
  readonly write?: boolean | undefined;
  readonly execute?: boolean | undefined;
  readonly privileged?: boolean | undefined;
  readonly zeroLength?: boolean | undefined;
}

/** The bits of an access. */
export function accessBits({ read, write, execute, privileged, zeroLength }: AccessQualities): number {
  return (
    (read === true ? Access.READ : 0) |
    (write === true ? Access.WRITE : 0) |
    (execute === true ? Access.EXECUTE : 0) |
    (privileged === true ? Access.PRIVILEGED : 0) |
    (zeroLength === true ? Access.ZERO_LENGTH : 0)
  );
}

/** What a translation may grant: the low two bits of an access. */
export const RIGHTS = Access.READ | Access.WRITE;
