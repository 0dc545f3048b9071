/** test/kernel/teardown-random.test.ts, in number. */
import { describe, it } from 'vitest';
import { VENDORS } from '../kernel/teardown-bench.ts';
import { PERSONALITIES } from '../kernel/teardown-personalities.ts';
import { anyScheduleLeavesNothing } from '../kernel/teardown-schedule.ts';

describe.each(VENDORS)('On %s', (_, make) => {
  it.each(PERSONALITIES)(
    'whatever programs with $path do to devices at work, nothing is left when they have ended.',
    (api) => {
      anyScheduleLeavesNothing(make, api, { numRuns: 500 });
    },
  );
});
