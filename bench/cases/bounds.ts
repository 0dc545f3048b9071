/** What the shapes of both vendors' cases took in C, and what stands between (bench/README.md has the measurements). */
import type { Bound } from '../case.ts';

export const IDEAL_HIT: Bound = {
  nsPerOp: 12.1,
  between: 'an entry is found through a hash, whatever the ways; in C eight ways are compared',
};

export const IDEAL_WALK: Bound = {
  nsPerOp: 15,
  between:
    'the walk is a third of the figure; a quarter is what a miss enters into the IOTLB, a quarter the way of the request through ' +
    'the translator, of which C has none; the rest is the look-up that misses',
};

export const IDEAL_NESTED: Bound = {
  nsPerOp: 51,
  between:
    'of 24 reads 15 are left, each through a memo of frames instead of flat memory, with the rights and reserved bits of two ' +
    'formats; a prototype in this language took 120 ns over flat memory and 228 over frames',
};
