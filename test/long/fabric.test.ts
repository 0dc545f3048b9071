/** The property of test/machine/fabric/trees.test.ts, in number. */
import { it } from 'vitest';
import { ANY, OPEN } from '../machine/fabric/plans.ts';
import { everyRunIsClean } from '../machine/fabric/property.ts';

const RUNS = 10_000;

it('Any mix of TLPs in any fabric keeps to order and credits and comes to an end, where every way is open.', () => {
  everyRunIsClean(OPEN, false, { numRuns: RUNS });
});

it('Any mix of TLPs in any fabric does so whatever the settings of access control.', () => {
  everyRunIsClean(ANY, true, { numRuns: RUNS });
});
