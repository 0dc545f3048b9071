/** teardown-schedule.ts, on units of both vendors and with both versions. */
import { describe, it } from 'vitest';
import { VENDORS } from './teardown-bench.ts';
import { PERSONALITIES } from './teardown-personalities.ts';
import { anyScheduleLeavesNothing } from './teardown-schedule.ts';

describe.each(VENDORS)('On %s', (_, make) => {
  it.each(PERSONALITIES)(
    'whatever programs with $path do to devices at work, nothing is left when they have ended.',
    (api) => {
      anyScheduleLeavesNothing(make, api, { numRuns: 25, seed: 6 });
    },
  );
});
