import fc from 'fast-check';
import { it } from 'vitest';
import { MODEL_MACHINES } from './machines.ts';
import { plans, runPlan } from './run.ts';
import { World } from './world.ts';

it('stats', { timeout: 600000 }, () => {
  const counts = new Map<string, number>();
  const orig = World.prototype.checkNothingLeft;
  World.prototype.checkNothingLeft = function () {
    for (const line of this.story) {
      const m = line
        .replace(/p\d+: /, '')
        .replace(/\(.*?\)/g, '')
        .replace(/\{.*\}/, '')
        .replace(/0x[0-9a-f]+|\b\d+\b/g, 'N');
      counts.set(m, (counts.get(m) ?? 0) + 1);
    }
    if (process.env['STORY']) console.log(this.story.join('\n'));
    orig.call(this);
  };
  const t0 = performance.now();
  let n = 0;
  for (const machine of MODEL_MACHINES) {
    for (const plan of fc.sample(plans(Number(process.env['LEN'] ?? 40)), {
      numRuns: Number(process.env['RUNS'] ?? 10),
      seed: Number(process.env['SEED'] ?? 1),
    })) {
      runPlan(machine, plan);
      n += plan.steps.length;
    }
  }
  console.log(n, 'steps', performance.now() - t0);
  console.log(
    [...counts]
      .sort()
      .map(([k, v]) => `${v} ${k}`)
      .join('\n'),
  );
});
