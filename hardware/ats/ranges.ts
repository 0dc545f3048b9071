/**
 * Naturally aligned ranges of 2^shift bytes, from 4 KiB to all 64 bits, and how ATS writes them: as an address whose
 * lowest 0 bit from bit 12 on gives the size, and the bit S beside it. Addresses are int32 halves.
 */
import { SMALLEST_SHIFT, TRANSLATION_COMPLETION, WHOLE_SHIFT } from './spec.ts';

/** Two halves; S is the bit in the lower one, as in the structures that carry such an address. */
export interface Halves {
  readonly hi: number;
  readonly lo: number;
}

const S = TRANSLATION_COMPLETION.S.mask;
const PAGE = -1 << SMALLEST_SHIFT;

/** The bits of a 64-bit address below bit `shift`, by halves. */
export function belowHigh(shift: number): number {
  return shift <= 32 ? 0 : below(shift - 32);
}

export function belowLow(shift: number): number {
  return below(shift);
}

/** log2 of the bytes that an address with S among its lower bits names. One without any 0 bit names the whole space. */
export function sizedShift(hi: number, lo: number): number {
  if ((lo & S) === 0) return SMALLEST_SHIFT;
  const low = ~lo & PAGE;
  if (low !== 0) return lowestBit(low) + 1;
  return hi === -1 ? WHOLE_SHIFT : 32 + lowestBit(~hi) + 1;
}

/** The address bits and S that name the 2^shift bytes around an address; all other bits are 0. */
export function sized(hi: number, lo: number, shift: number): Halves {
  if (shift === SMALLEST_SHIFT) return { hi, lo: lo & PAGE };
  // All below the highest bit of the offset are 1, and that one is 0.
  return {
    hi: (hi & ~belowHigh(shift)) | belowHigh(shift - 1),
    lo: (((lo & ~belowLow(shift)) | belowLow(shift - 1)) & PAGE) | S,
  };
}

/** True when two ranges have a byte in common: when they agree above the size of the larger one. */
export function overlap(hi: number, lo: number, shift: number, other: Halves, otherShift: number): boolean {
  const larger = Math.max(shift, otherShift);
  return ((hi ^ other.hi) & ~belowHigh(larger)) === 0 && ((lo ^ other.lo) & ~belowLow(larger)) === 0;
}

/** The bits of a word below bit `n`. */
function below(n: number): number {
  return n >= 32 ? -1 : (1 << n) - 1;
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
