/** The sequences of test/vtd/caching.test.ts, in number. */
import { expect, it } from 'vitest';
import { runAll } from '../caching/suite.ts';
import { LEGACY, SCALABLE } from '../vtd/caching/modes.ts';

const EFFORTS = [
  { ...LEGACY, mode: LEGACY, sequences: 70_000 },
  { ...SCALABLE, mode: SCALABLE, sequences: 30_000 },
];
/** Those of `npm test` are not run again. */
const FIRST_SEED = 1_000_000;

it.each(EFFORTS)('Every access of random sequences in $name mode ends as the twin allows.', ({ mode, sequences }) => {
  expect(runAll(mode, FIRST_SEED, sequences)).toBeGreaterThan(sequences);
});
