/**
 * Allocations that fail, each in turn: the call fails with the errno of what there was none of, everything is as it was before,
 * devices reach what they reached and nothing else, the same call succeeds the next time, and closing gives everything back.
 */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { FAULT_POINTS, type FaultPoint } from '../../src/kernel/fault-points.ts';
import type { Kernel } from '../../src/kernel/index.ts';
import { AmdBench } from './amd-bench.ts';
import { Bench } from './bench.ts';
import { BENCHES, MMU_DEV } from './device-mmu-bench.ts';
import { byteAt, marked, taken } from './dma-bench.ts';
import { belongings, REFUSALS, type Refusal, Trial } from './fault-points-bench.ts';
import { bootRefused, MACHINES } from './fault-points-boot.ts';
import { inKernel, late, withOwnMmu, withOwnMmu2 } from './fault-points-devices.ts';
import { booted, type Host, PROGRAMS } from './fault-points-platforms.ts';
import { asker, type Fault, listening, VENDORS } from './fault-queue-bench.ts';
import { INVALID } from './page-request-bench.ts';
import { SCALABLE } from './scalable-bench.ts';
import { SOFT, SOFT_COOKIE } from './software-bench.ts';
import { STALL, STALL_BENCHES, STALL_COOKIE, Stalling } from './stall-bench.ts';

/** Of a fault: some before it were lost. */
const LOST = 4;

const REACHED = new Set<string>();

/** Runs a program whose calls are refused at every place, and ends it: nothing is left. */
function refuse({ kernel, engine }: Host, refusal: Refusal, program: (trial: Trial) => Script): void {
  const trial = new Trial(kernel, refusal);
  const before = belongings(kernel);
  const task = engine.spawn(
    (function* () {
      yield* program(trial);
      yield* trial.end();
    })(),
  );
  engine.run();
  expect(task.result).toBeUndefined();
  expect(belongings(kernel)).toEqual(before);
  expect(trial.absorbed).toEqual([]);
  expect(trial.refused).toBeGreaterThan(trial.reached.size);
  for (const point of trial.reached) REACHED.add(point);
}

describe.each(REFUSALS)('A program that is refused allocations, %s,', (refusal) => {
  it.each(PROGRAMS)('on %s through %s, has lost nothing and can repeat each call.', (_, __, make, program) => {
    refuse(make(), refusal, program);
  });
});

describe.each(REFUSALS)('A driver inside the kernel that is refused allocations, %s,', (refusal) => {
  const policies = ['strict', 'lazy'] as const;
  const cases = ['intel-legacy', 'intel-scalable', 'amd-v1', 'amd-full'].flatMap((preset) =>
    policies.map((dmaPolicy) => [preset, dmaPolicy] as const),
  );

  it.each(cases)('on %s, with the %s policy, has lost nothing and can repeat each call.', (preset, dmaPolicy) => {
    const host = booted({ preset, kernel: { interruptRemapping: 'on', dmaPolicy } });
    refuse(host, refusal, (trial) => inKernel(trial, 'dma0'));
  });

  it('has lost nothing where what its device has translated is checked.', () => {
    const bench = new Bench({ cap: SCALABLE.cap, ecap: { ...SCALABLE.ecap, HPTS: 1, HPT1GPS: 1 }, more: asker }).boot();
    refuse(bench, refusal, (trial) => inKernel(trial, 'asker', { ats: true, hostPermissions: true }));
  });
});

describe.each(REFUSALS)('A device with an MMU of its own', (refusal) => {
  it.each(BENCHES)(`on %s, loses nothing when its program is refused allocations, ${refusal}.`, (_, make) => {
    refuse(make().bench, refusal, (trial) => withOwnMmu(trial, MMU_DEV[0]));
    refuse(make().bench, refusal, (trial) => withOwnMmu2(trial, MMU_DEV[0]));
  });
});

describe.each(REFUSALS)('A kernel that is refused allocations while it boots, %s,', (refusal) => {
  it.each(MACHINES)('on %s, has a unit in service, or it and all memory are as they were.', (_, make) => {
    for (const point of bootRefused(make, refusal)) REACHED.add(point);
  });
});

describe.each(REFUSALS)('What comes to a kernel after its boot, refused allocations, %s,', (refusal) => {
  it.each(['intel-scalable', 'amd-full'])('on %s, comes as a whole or not at all.', (preset) => {
    const host = booted({
      preset,
      rootPorts: [{ name: 'port0', at: '00:1c.0' }],
      devices: [{ name: 'dma0', model: 'dma-engine', at: 'port0:00.0', vfs: 3 }],
    });
    refuse(host, refusal, (trial) => late(trial, 'dma0'));
  });
});

describe('A kernel without memory for a unit', () => {
  it('switches a unit off all the same that whoever ran before has left on.', () => {
    const benches = [new Bench(SCALABLE), new AmdBench()] as const;
    const [GCMD, GSTS, RTADDR] = [0x18, 0x1c, 0x20] as const;
    const CONTROL = 0x18;
    benches[0].unit.write(RTADDR, 8, 0x10_0000n);
    for (const command of [30n, 31n]) {
      benches[0].unit.write(GCMD, 4, 1n << command);
      benches[0].engine.run();
    }
    benches[1].unit.write(CONTROL, 8, 1n);
    const isOn = (): boolean[] => [
      benches[0].unit.read(GSTS, 4) >> 31n === 1n,
      benches[1].unit.read(CONTROL, 8) % 2n === 1n,
    ];
    expect(isOn()).toEqual([true, true]);
    for (const { kernel, engine } of benches) {
      kernel.faultPoints.refuse = (point) => point === 'context tables' || point === 'event log';
      engine.spawn(kernel.boot());
      engine.run();
      expect(kernel.log.toString()).toContain('could not be taken into service');
    }
    expect(isOn()).toEqual([false, false]);
  });
});

describe('What the kernel can do without', () => {
  /** Runs something while there is nothing left of one thing, for which nobody can be told an errno. */
  function* without<T>({ faultPoints }: Kernel, point: FaultPoint, body: () => Script<T>): Script<T> {
    expect(FAULT_POINTS[point]).toBe(null);
    faultPoints.refuse = (asked) => asked === point && REACHED.add(point) !== undefined;
    const result = yield* body();
    faultPoints.refuse = null;
    return result;
  }

  it.each([true, false])('is a flush queue: each unmap waits then (%s), as with the strict policy.', (isLeft) => {
    const { kernel, engine } = booted({ preset: 'intel-scalable', kernel: { dmaPolicy: 'lazy' } });
    const { driver, dma } = taken(kernel, 'dma0');
    const reads = function* (): Script {
      yield* driver.setBusMaster(true);
      const buffer = marked(driver, 1, 0x60);
      const map = (): Script<bigint | number> => driver.dma.map(buffer, 'both');
      const iova = BigInt(yield* isLeft ? map() : without(kernel, 'flush queue', map));
      expect(yield* byteAt(dma, iova)).toBe(0x60);
      expect(yield* driver.dma.unmap(iova)).toBe(0);
      expect(yield* byteAt(dma, iova)).toBe(isLeft ? 0x60 : null);
      expect(yield* driver.release()).toBe(0);
    };
    engine.runUntilDone(engine.spawn(reads()));
    expect(kernel.log.toString().includes('no memory for a flush queue')).toBe(!isLeft);
  });

  const points = ['page request group', 'fault record'] as const;

  it.each(VENDORS.flatMap(([vendor, make]) => points.map((point) => [point, vendor, make] as const)))(
    'is a %s: on %s a page request is refused then, and the next is asked about.',
    (point, _, make) => {
      const listener = listening(make);
      const { bench, answers } = listener;
      const ask = function* (group: number): Script<number> {
        listener.ask({ group });
        return yield* listener.program.poll(listener.iommuFd, 1e5);
      };
      bench.run(
        (function* () {
          expect(yield* without(bench.kernel, point, () => ask(3))).toBe(0);
          expect(answers).toEqual([[3, INVALID]]);
          expect(yield* ask(4)).toBe(1);
        })(),
      );
    },
  );

  it('is a fault record: the fault is lost then, and the next one says so.', () => {
    const listener = listening(VENDORS[0]![1]);
    const { bench } = listener;
    const read = function* (): Script<Fault[] | number> {
      const engine = yield* listener.engine(1);
      expect(yield* engine.read(0x7000n, 1)).toMatchObject({ ok: false });
      yield* listener.program.poll(listener.iommuFd, 1e5);
      return yield* listener.faults();
    };
    bench.run(
      (function* () {
        yield* listener.startPlain();
        expect(yield* without(bench.kernel, 'fault record', read)).toEqual([]);
        expect(yield* read()).toMatchObject([{ flags: LOST, addr: 0x7000n }]);
        expect(yield* read()).toMatchObject([{ flags: 0, addr: 0x7000n }]);
      })(),
    );
  });

  it('is a question about a page of a device in software, or of one that asks in its own way: the answer is no.', () => {
    for (const [, make] of STALL_BENCHES) {
      const s = new Stalling(make());
      const { kernel } = s.bench;
      s.bench.run(
        (function* () {
          yield* s.start();
          expect(yield* s.attach(SOFT, s.root)).toBe(0);
          for (const [i, options] of [
            [SOFT, { requestPages: true }],
            [STALL, {}],
          ] as const) {
            const engine = yield* s.engine(i);
            const refused = yield* without(kernel, 'page request group', () => engine.read(0x7000n, 1, options));
            expect(refused).toMatchObject({ ok: false });
            const asking = s.bench.engine.spawn(engine.read(0x7000n, 1, options));
            expect(yield* s.program.poll(s.iommuFd, 1e6)).toBe(1);
            const faults = (yield* s.faults()) as Fault[];
            const question = faults.find(({ group }) => group !== 0)!;
            const cookie = i === SOFT ? SOFT_COOKIE : STALL_COOKIE;
            expect(yield* s.respond(s.root, question.group, INVALID, cookie)).toBeGreaterThan(0);
            expect(yield asking.done).toMatchObject({ ok: false });
          }
        })(),
      );
    }
  });
});

describe('The fault points', () => {
  it('have all been reached by what runs above: who declares one adds a flow.', () => {
    expect([...REACHED].sort()).toEqual(Object.keys(FAULT_POINTS).sort());
  });
});
