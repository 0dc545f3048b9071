/**
 * What a function's configuration space allows its requests. A function without a capability is not held back by what that
 * would say, except that its tags have 5 bits.
 */
import type { PciExpressCapability } from './capabilities/index.ts';
import type { ConfigSpace } from './config-space.ts';
import type { DmaTarget } from './dma.ts';
import { AddressType } from './spec/index.ts';
import { Attribute, type Tlp, TlpKind } from './tlp.ts';

const NARROW_TAGS = 32;

/** Tags that software allows: as many as fit their width. */
export function tagsAllowed({ pciExpress }: ConfigSpace): number {
  return pciExpress?.tags ?? NARROW_TAGS;
}

/** Milliseconds by Completion Timeout Value: the end of each range. A value without a range is the default. */
const COMPLETION_TIMEOUTS: Readonly<Record<number, number>> = {
  0: 50,
  1: 0.1,
  2: 10,
  5: 55,
  6: 210,
  9: 900,
  10: 3_500,
  13: 13_000,
  14: 64_000,
};

/** How long a request may stay without completion: milliseconds, Infinity when it may for ever. */
export function patience({ pciExpress }: ConfigSpace): number {
  if (pciExpress?.completionTimeoutDisabled) return Infinity;
  return COMPLETION_TIMEOUTS[pciExpress?.completionTimeout ?? 0] ?? COMPLETION_TIMEOUTS[0]!;
}

/** False where the configuration does not allow such a request at all. */
export function isAllowed({ pciExpress, pasid }: ConfigSpace, kind: number, at: DmaTarget): boolean {
  const isAtomic = kind >= TlpKind.FETCH_ADD && kind <= TlpKind.COMPARE_AND_SWAP;
  if (isAtomic && pciExpress !== null && !pciExpress.atomicRequester) return false;
  if (at.pasid === undefined || pasid === null) return true;
  // Sent without its PASID, the request would reach another address space.
  return pasid.enabled && at.pasid < 2 ** pasid.width;
}

/** Puts on a request what `at` says of it beside the address, as far as the configuration allows. */
export function dress({ pciExpress, pasid }: ConfigSpace, tlp: Tlp, at: DmaTarget): Tlp {
  tlp.addressType = at.addressType ?? AddressType.UNTRANSLATED;
  const attributes = at.attributes ?? 0;
  if (attributes !== 0) tlp.attributes = attributes & (pciExpress === null ? -1 : allowedAttributes(pciExpress));
  if (at.pasid === undefined) return tlp;
  // Only reads may ask to execute.
  const execute = tlp.kind === TlpKind.MEMORY_READ && at.execute === true && (pasid?.execute ?? true);
  return tlp.withPasid(at.pasid, at.privileged === true && (pasid?.privileged ?? true), execute);
}

function allowedAttributes({ relaxedOrdering, noSnoop, idOrdering }: PciExpressCapability): number {
  return (
    (relaxedOrdering ? Attribute.RELAXED_ORDERING : 0) |
    (noSnoop ? Attribute.NO_SNOOP : 0) |
    (idOrdering ? Attribute.ID_ORDERING : 0)
  );
}
