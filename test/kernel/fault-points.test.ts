/**
 * Allocations that fail, each in turn: the call fails with the errno of what there was none of, everything is as it was before,
 * devices reach what they reached and nothing else, the same call succeeds the next time, and closing gives everything back.
 */
import { describe, expect, it } from 'vitest';
import type { Engine, Script } from '../../hardware/sim/index.ts';
import { FAULT_POINTS } from '../../src/kernel/fault-points.ts';
import type { Kernel } from '../../src/kernel/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { Bench } from './bench.ts';
import { BENCHES, MMU_DEV } from './device-mmu-bench.ts';
import { held, REFUSALS, type Refusal, Trial } from './fault-points-bench.ts';
import { PROGRAMS } from './fault-points-platforms.ts';
import { inKernel, withOwnMmu, withOwnMmu2 } from './fault-points-programs.ts';
import { asker } from './fault-queue-bench.ts';
import { SCALABLE } from './scalable-bench.ts';

const REACHED = new Set<string>();

/** Where a kernel runs. */
interface Host {
  readonly kernel: Kernel;
  readonly engine: Engine;
}

/** Runs a program whose calls are refused at every place, and ends it: nothing is left. */
function refuse({ kernel, engine }: Host, refusal: Refusal, program: (trial: Trial) => Script): void {
  const trial = new Trial(kernel, refusal);
  const before = held(kernel);
  const task = engine.spawn(
    (function* () {
      yield* program(trial);
      yield* trial.end();
    })(),
  );
  engine.run();
  expect(task.result).toBeUndefined();
  expect(held(kernel)).toEqual(before);
  expect(trial.absorbed).toEqual([]);
  expect(trial.refused).toBeGreaterThan(trial.reached.size);
  for (const point of trial.reached) REACHED.add(point);
}

describe.each(REFUSALS)('A program that is refused allocations, %s,', (refusal) => {
  it.each(PROGRAMS)('on %s through %s, has lost nothing and can repeat each call.', (_, __, make, program) => {
    refuse(make().boot(), refusal, program);
  });
});

describe.each(REFUSALS)('A driver inside the kernel that is refused allocations, %s,', (refusal) => {
  const policies = ['strict', 'lazy'] as const;
  const cases = ['intel-legacy', 'intel-scalable', 'amd-v1', 'amd-full'].flatMap((preset) =>
    policies.map((dmaPolicy) => [preset, dmaPolicy] as const),
  );

  it.each(cases)('on %s, with the %s policy, has lost nothing and can repeat each call.', (preset, dmaPolicy) => {
    const machine = buildMachine({ preset, kernel: { interruptRemapping: 'on', dmaPolicy } });
    machine.engine.spawn(machine.boot());
    machine.engine.run();
    refuse(machine, refusal, (trial) => inKernel(trial, 'dma0'));
  });

  it('has lost nothing where what its device has translated is checked.', () => {
    const bench = new Bench({ cap: SCALABLE.cap, ecap: { ...SCALABLE.ecap, HPTS: 1, HPT1GPS: 1 }, more: asker }).boot();
    refuse(bench, refusal, (trial) => inKernel(trial, 'asker', { ats: true, hostPermissions: true }));
  });
});

describe('A device with an MMU of its own', () => {
  // Whatever the device's MMU has is made anew when it is led elsewhere: where nothing is left from then on, it leads nowhere.
  it.each(BENCHES)('on %s, loses nothing when its program is refused an allocation.', (_, make) => {
    refuse(make().bench, 'once', (trial) => withOwnMmu(trial, MMU_DEV[0]));
    refuse(make().bench, 'once', (trial) => withOwnMmu2(trial, MMU_DEV[0]));
  });
});

describe('A kernel that is refused an allocation while it boots', () => {
  const cases = ['intel-legacy', 'intel-scalable', 'amd-v1', 'amd-full'];

  // What the unit has been told of by then stays its own: it may still read it.
  it.each(cases)('on %s, does without the unit and says so.', (preset) => {
    for (let failing = 0; ; failing++) {
      const machine = buildMachine({ preset, kernel: { interruptRemapping: 'on' } });
      const { kernel, engine } = machine;
      const asked: string[] = [];
      kernel.faultPoints.refuse = (point) => asked.push(point) === failing + 1;
      engine.spawn(machine.boot());
      engine.run();
      kernel.faultPoints.refuse = null;
      if (asked.length <= failing) break;
      REACHED.add(asked[failing]!);
      expect(kernel.iommu.groups, asked[failing]).toEqual([]);
      expect(kernel.log.toString()).toContain('could not be taken into service');
    }
  });
});

describe('The fault points', () => {
  it('have all been reached by the programs above.', () => {
    const withErrno = Object.entries(FAULT_POINTS).filter(([, errno]) => errno !== null);
    expect([...REACHED].sort()).toEqual(withErrno.map(([point]) => point).sort());
  });
});
