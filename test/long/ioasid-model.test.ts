/** The model test of both versions' commands (test/kernel/model), much longer. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { MODEL_MACHINES } from '../kernel/model/machines.ts';
import { plans, runPlan } from '../kernel/model/run.ts';

const SEEDS = [1, 2, 3, 4];

describe.each(MODEL_MACHINES)('On $name, random commands in long runs', (machine) => {
  it.each(SEEDS)('give what the model gives, reach what it lets them, and leave nothing behind (seed %i).', (seed) => {
    fc.assert(
      fc.property(plans(150), (plan) => runPlan(machine, plan)),
      { seed, numRuns: 60, endOnFailure: true },
    );
  });
});
