/** The masks of an entry of a host table as they stand in its halves: all that reads one takes them from here. */
import { maskOf } from '../bits/index.ts';
import { radixShift, V1_PTE, V1_RESERVED } from '../formats/index.ts';

const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(V1_PTE, (field) => field === V1_PTE.PageAddress);
const [TABLE_RESERVED_LO = 0, TABLE_RESERVED_HI = 0] = V1_RESERVED.table;
const [LEAF_RESERVED_LO = 0, LEAF_RESERVED_HI = 0] = V1_RESERVED.leaf;

/** What has no other half in its name stands in the low one. */
export const ENTRY = {
  PR: V1_PTE.PR.mask,
  A: V1_PTE.A.mask,
  D: V1_PTE.D.mask,
  NEXT_LEVEL: V1_PTE.NextLevel.mask,
  NEXT_LEVEL_SHIFT: V1_PTE.NextLevel.shift,
  U_HI: V1_PTE.U.mask,
  FC_HI: V1_PTE.FC.mask,
  /** Reading and writing, and how far they are shifted to stand as rights do. */
  GRANTS_HI: V1_PTE.IR.mask | V1_PTE.IW.mask,
  GRANTS_SHIFT: V1_PTE.IR.shift,
  ADDRESS_LO,
  ADDRESS_HI,
  /** What no entry that leads to a table may have, and no entry of a page. */
  TABLE_RESERVED_LO,
  TABLE_RESERVED_HI,
  LEAF_RESERVED_LO,
  LEAF_RESERVED_HI,
  /** log2 of the smallest page, and of the largest whose offset fits into one half. */
  SMALL_SHIFT: radixShift(1),
  LARGEST_SHIFT: 31,
} as const;
