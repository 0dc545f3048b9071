/**
 * Random commands of both versions, from several processes with several devices, against a model that is written from the
 * proposal's text and shares nothing with the kernel: every errno, every page that a device reaches, every fault that is told and every
 * answer to a page request, and what is left in the end.
 */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { MODEL_MACHINES } from './machines.ts';
import { plans, runPlan } from './run.ts';

describe.each(MODEL_MACHINES)('On $name, random commands', (machine) => {
  it.each([6, 2021])(
    'give what the model gives, reach what it lets them, and leave nothing behind (seed %i).',
    (seed) => {
      // A run that fails tells its whole story: to shrink it takes longer than to read it.
      const options = { seed, numRuns: 4, endOnFailure: true };
      fc.assert(
        fc.property(plans(50), (plan) => runPlan(machine, plan)),
        options,
      );
    },
  );
});
