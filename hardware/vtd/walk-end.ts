/** How a second-stage walk ended, and the condition that this is for the request. */
import type { Leaf } from '../iommu/index.ts';
import type { Reasons } from './space.ts';
import { FAULTS, type Fault } from './spec/index.ts';

export const WalkEnd = {
  /** A leaf was found; `Leaf.rights` says what all levels together allow. */
  LEAF: 0,
  /** An entry grants neither read nor write, or nothing is left of what the levels grant. */
  NOT_PRESENT: 1,
  RESERVED_BITS: 2,
  /** The access to the topmost entry, or to a lower one, resulted in an error. */
  TOP_READ_ERROR: 3,
  READ_ERROR: 4,
  /** An accessed or dirty flag would have to be set, but walks are not snooped, or it could not be set. */
  NOT_SNOOPED: 5,
  UPDATE_FAILED: 6,
} as const;

/** The condition under the names of `reasons`; `null` when `leaf` is left to be judged, perhaps as a page without rights. */
export function faultAt(end: number, leaf: Leaf, reasons: Reasons): Fault | null {
  switch (end) {
    case WalkEnd.LEAF:
      return leaf.rights === 0 ? reasons.notPresent : null;
    case WalkEnd.NOT_PRESENT:
      leaf.clear();
      return reasons.notPresent;
    case WalkEnd.RESERVED_BITS:
      return reasons.reserved;
    case WalkEnd.TOP_READ_ERROR:
      return reasons.topReadError;
    case WalkEnd.READ_ERROR:
      return reasons.readError;
    case WalkEnd.NOT_SNOOPED:
      return FAULTS.SSS_5;
    default:
      return FAULTS.SSS_6;
  }
}
