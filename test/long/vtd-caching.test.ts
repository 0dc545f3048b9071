/** The sequences of test/vtd/caching.test.ts, in number. */
import { expect, it } from 'vitest';
import { minimise, run } from '../vtd/caching/sequence.ts';

const SEQUENCES = { legacy: 70_000, scalable: 30_000 } as const;
/** Those of `npm test` are not run again. */
const FIRST_SEED = 1_000_000;

it.each(['legacy', 'scalable'] as const)(
  'Every access of random sequences in %s mode ends as the twin allows.',
  (mode) => {
    const options = { scalable: mode === 'scalable' };
    let stale = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEQUENCES[mode]; seed++) {
      const ending = run(seed, options);
      if (ending.failure !== null) expect.fail(minimise(seed, options));
      stale += ending.stale;
    }
    expect(stale).toBeGreaterThan(SEQUENCES[mode]);
  },
);
