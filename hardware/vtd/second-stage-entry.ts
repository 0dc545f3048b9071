/** The masks of a second-stage entry (VT-d 9.8) as they stand in its halves: all that reads one takes them from here. */
import { maskOf } from '../bits/index.ts';
import { radixShift, SS_PDE, SS_PTE } from '../formats/index.ts';

const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(SS_PTE, (field) => field === SS_PTE.ADDR);

/** What has no other half in its name stands in the low one. */
export const ENTRY = {
  A: SS_PTE.A.mask,
  D: SS_PTE.D.mask,
  SNP: SS_PTE.SNP.mask,
  PS: SS_PDE.PS.mask,
  X: SS_PTE.X.mask,
  /** Reading and writing. */
  GRANTS: SS_PTE.R.mask | SS_PTE.W.mask,
  /** The same for IR and IW, in the high half: how far they are shifted to stand as R and W do. */
  IO_GRANTS_HI: SS_PTE.IR.mask | SS_PTE.IW.mask,
  IO_GRANTS_SHIFT: SS_PTE.IR.shift - SS_PTE.R.shift,
  ADDRESS_LO,
  ADDRESS_HI,
  /** log2 of the smallest page, to which an entry without PS leads. */
  SMALL_SHIFT: radixShift(1),
} as const;
