/** test/kernel/fault-points.test.ts on machines that nobody has used before: one allocation fails, and then the program ends. */
import { describe, expect, it } from 'vitest';
import { belongings, LastCall, REFUSALS } from '../kernel/fault-points-bench.ts';
import { bootRefused, unbooted } from '../kernel/fault-points-boot.ts';
import { PROGRAMS } from '../kernel/fault-points-platforms.ts';

describe('A program that ends after an allocation has failed', () => {
  it.each(PROGRAMS)('on %s through %s, whichever it was, leaves nothing.', (_, __, make, program) => {
    for (let number = 0; ; number++) {
      const { kernel, engine } = make();
      const before = belongings(kernel);
      const trial = new LastCall(kernel, number);
      engine.spawn(trial.run(program(trial)));
      engine.run();
      expect(belongings(kernel), `${number}`).toEqual(before);
      if (!trial.isOver) {
        expect(number).toBeGreaterThan(50);
        return;
      }
    }
  });
});

describe.each(REFUSALS)('A kernel that is refused allocations while it boots, %s,', (refusal) => {
  it.each(['amd-fabric', 'intel-fabric', 'amd-full'])(
    'on %s, has a unit in service, or all is as it was.',
    (preset) => {
      for (const shared of [[], [{ start: '0x200000', pages: 2, devices: ['dma0'] }]]) {
        const spec = { preset, firmware: { reservedMemory: shared } };
        expect(bootRefused(() => unbooted(spec), refusal).size).toBeGreaterThan(8);
      }
    },
  );
});
