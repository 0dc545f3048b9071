/** The sequences of test/amdvi/caching.test.ts, in number. */
import { expect, it } from 'vitest';
import { GUEST, HOST } from '../amdvi/caching/modes.ts';
import { runAll } from '../caching/suite.ts';

const EFFORTS = [
  { ...HOST, mode: HOST, sequences: 70_000 },
  { ...GUEST, mode: GUEST, sequences: 30_000 },
];
/** Those of `npm test` are not run again. */
const FIRST_SEED = 1_000_000;

it.each(EFFORTS)('Every access of random sequences in $name mode ends as the twin allows.', ({ mode, sequences }) => {
  expect(runAll(mode, FIRST_SEED, sequences)).toBeGreaterThan(sequences);
});
