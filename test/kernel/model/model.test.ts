/** Random commands of both versions against a model that is written from the proposal's text. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { MODEL_MACHINES } from './machines.ts';
import { plans, runPlan } from './run.ts';

describe.each(MODEL_MACHINES)('On $name, random commands of several processes', (machine) => {
  it('give the errnos of the model, let devices reach what it lets them and nothing else, and leave nothing behind', () => {
    fc.assert(
      fc.property(plans(60), (plan) => runPlan(machine, plan)),
      {
        seed: Number(process.env['SEED'] ?? 6),
        numRuns: Number(process.env['RUNS'] ?? 20),
        endOnFailure: process.env['SHRINK'] === undefined,
      },
    );
  });
});
