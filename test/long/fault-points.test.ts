/** test/kernel/fault-points.test.ts on machines that nobody has used before: one allocation fails, and then the program ends. */
import { describe, expect, it } from 'vitest';
import { held, LastCall } from '../kernel/fault-points-bench.ts';
import { PROGRAMS } from '../kernel/fault-points-platforms.ts';

describe('A program that ends after an allocation has failed', () => {
  it.each(PROGRAMS)('on %s through %s, whichever it was, leaves nothing.', (_, __, make, program) => {
    for (let number = 0; ; number++) {
      const bench = make().boot();
      const before = held(bench.kernel);
      const trial = new LastCall(bench.kernel, number);
      bench.run(trial.run(program(trial)));
      expect(held(bench.kernel), `${number}`).toEqual(before);
      if (!trial.isOver) {
        expect(number).toBeGreaterThan(50);
        return;
      }
    }
  });
});
