/** The DMA API on several CPUs: times by hand, sums, and which way figures move. */
import { describe, expect, it } from 'vitest';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { IovaMagazines } from '../../src/kernel/dma/iova-magazines.ts';
import { SHARES, SimulatedCpu } from '../../src/machine/measured/dma-api/cpu.ts';
import { dmaApi } from '../../src/machine/measured/dma-api/dma-api.ts';
import { SpinLock } from '../../src/machine/measured/dma-api/lock.ts';
import {
  dmaApiValues,
  MODERN_LINUX,
  RIOMMU_COLUMNS,
  riommuParameters,
  TWO_SOCKETS,
  valuesOf,
} from '../../src/machine/measured/dma-api/machines.ts';
import { readDrives } from '../../src/machine/measured/dma-api/storage.ts';
import { STORAGE_MACHINES } from '../../src/machine/measured/dma-api/storage-machines.ts';
import { DMA_API_MODES, type DmaApiSetUp } from '../../src/machine/measured/dma-api/values.ts';
import { INVALIDATING_MACHINES } from '../../src/machine/measured/invalidating-machines.ts';
import { meanWait, QueueOwner } from '../../src/machine/measured/queue-owner.ts';
import type { Submitter } from '../../src/machine/measured/unit-queue.ts';

const MODERN = valuesOf(MODERN_LINUX, 'silver');
const run = (setUp: Omit<DmaApiSetUp, 'seed'>, values = MODERN) => dmaApi(values, { seed: 1, ...setUp });
const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

describe('A spin lock', () => {
  it('goes to who has waited longest, one transfer of its line later', () => {
    const engine = new Engine();
    const lock = new SpinLock(engine, { transfer: 50, atomic: 10 }, 'a lock');
    const cpus = [0, 1, 2].map((i) => new SimulatedCpu(engine, i));
    const got: [number, number][] = [];
    const hold = function* (cpu: SimulatedCpu): Script {
      yield* lock.acquire(cpu, 'queue-lock');
      got.push([cpu.index, engine.now / 1000]);
      yield* cpu.spend('work', 100);
      lock.release();
    };
    const script = function* (cpu: SimulatedCpu, start: number, times: number): Script {
      yield* cpu.spend('idle', start);
      for (let i = 0; i < times; i++) yield* hold(cpu);
      cpu.enter('idle');
    };
    engine.spawn(script(cpus[0]!, 0, 1));
    engine.spawn(script(cpus[1]!, 30, 1));
    engine.spawn(script(cpus[2]!, 20, 2));
    engine.run();
    // The line comes at 50, and goes on at 150, at 300 and at 450.
    expect(got).toEqual([
      [0, 50],
      [2, 200],
      [1, 350],
      [2, 500],
    ]);
    // The last asked at 20 and, behind the second, again at 300.
    expect(cpus.map((cpu) => cpu.taken()['queue-lock'])).toEqual([50_000, 320_000, 180_000 + 200_000]);
    for (const cpu of cpus) expect(sum(Object.values(cpu.taken()))).toBe(engine.now);
  });
});

describe('Two cores at one invalidation queue', () => {
  it('submit one after the other, look by turns, and are served one after the other', () => {
    const { register, fetch, cache, descriptor } = INVALIDATING_MACHINES.riommu;
    const [look, access, describing] = [register.value, fetch.value + cache.value, 2 * descriptor.value];
    const transfer = 50;
    const engine = new Engine();
    const queue = new QueueOwner('riommu', engine);
    const lock = new SpinLock(engine, { transfer, atomic: 0 }, 'the queue');
    const ends: number[] = [];
    for (const index of [0, 1]) {
      const cpu = new SimulatedCpu(engine, index);
      const core: Submitter = {
        enter: (doing) => cpu.enter(doing),
        lock: () => lock.acquire(cpu, 'queue-lock'),
        unlock: () => lock.release(),
        part: () => 0,
      };
      engine.spawn(
        (function* (): Script {
          yield* queue.submit([{ cache: 'iotlb', scope: 'global' }], core);
          ends[index] = engine.now / 1000;
        })(),
      );
    }
    engine.run();
    // Each batch: two descriptors are read and a status is written.
    const first = transfer + describing;
    const second = first + look + transfer + describing;
    const ready = [first + look / 2 + 3 * access, 0];
    ready[1] = Math.max(ready[0]!, second + look / 2) + 3 * access;
    // They look by turns: the one reads a register while the other waits for the lock.
    const expected: number[] = [];
    let now = second;
    for (let turn = 1; expected.filter(Boolean).length < 2; turn++) {
      const core = turn % 2;
      const isAlone = expected[1 - core] !== undefined;
      if (expected[core] === undefined) {
        if (ready[core]! <= now) {
          now += cache.value;
          expected[core] = now;
          now += isAlone ? 0 : transfer;
        } else now += look + (isAlone ? 0 : transfer);
      }
    }
    expect(ends.map((end) => Math.round(end * 1000))).toEqual(expected.map((end) => Math.round(end * 1000)));
  });
});

describe('More cores than the ring of a queue has places for', () => {
  it('wait until others have seen the end of theirs', () => {
    const { fetch, cache } = INVALIDATING_MACHINES.riommu;
    const queue = new QueueOwner('riommu');
    const tasks = Array.from({ length: 150 }, () =>
      queue.engine.spawn(queue.submit([{ cache: 'iotlb', scope: 'global' }])),
    );
    queue.engine.run();
    for (const task of tasks) expect(task.ended).toBe(true);
    expect(queue.engine.now).toBeGreaterThan(150 * 3 * (fetch.value + cache.value) * 1000);
  });

  it('but nobody submits more at once than it takes', () => {
    const all = Array.from({ length: 255 }, () => ({ cache: 'iotlb', scope: 'global' }) as const);
    expect(() => new QueueOwner('riommu').nanoseconds(all)).toThrow(/the ring takes 254/);
    expect(new QueueOwner('riommu').nanoseconds(all.slice(1))).toBeGreaterThan(0);
  });
});

describe('Magazines of addresses', () => {
  it('are two for each CPU, and then a depot that others take from', () => {
    const magazines = new IovaMagazines(2, 1);
    for (let i = 0; i < 2 * 127; i++) expect(magazines.put(0, i)).toBe(true);
    expect(magazines.put(0, 254)).toBe(false);
    expect(magazines.takeFull(1)).toBe(false);
    expect(magazines.putFull(0)).toEqual([]);
    expect(magazines.put(0, 254)).toBe(true);
    expect(magazines.take(0)).toBe(254);
    expect(magazines.take(1)).toBeUndefined();
    expect(magazines.takeFull(1)).toBe(true);
    expect(magazines.take(1)).toBeDefined();
  });

  it('come back from a depot without room', () => {
    const magazines = new IovaMagazines(1, 0);
    for (let i = 0; i < 2 * 127; i++) magazines.put(0, i);
    expect(magazines.putFull(0)).toHaveLength(127);
  });
});

describe('CPUs that map and unmap', () => {
  it.each(DMA_API_MODES)('spend all of their time on something: %s', (mode) => {
    for (const setUp of [
      { cpus: 1, mode },
      { cpus: 5, mode, pages: 3, outstanding: 7, work: 300 },
      { cpus: 8, mode },
    ]) {
      const { shares, time } = run(setUp);
      expect(sum(SHARES.map((share) => shares[share]))).toBe(time);
    }
  });

  it('take alone what is said of each part', () => {
    const v = MODERN;
    const own = v.allocateCached + v.mapTable + v.mapOther;
    expect(run({ cpus: 1, mode: 'strict' }).map).toBeCloseTo(own, 2);
    expect(run({ cpus: 1, mode: 'lazy' }).map).toBeCloseTo(own, 2);
    expect(run({ cpus: 1, mode: 'pass-through' }).unmap).toBeCloseTo(v.unmapOther, 2);
    const queue = meanWait('silver', [{ cache: 'iotlb', scope: 'domain', did: 1 }]);
    const strict = v.unmapOther + v.unmapTable + queue + v.freeCached;
    // Where looks fall is a matter of some nanoseconds.
    expect(run({ cpus: 1, mode: 'strict' }).unmap).toBeCloseTo(strict, -1);
    const lazy = strict + v.note - queue * (1 - 1 / v.flushEntries);
    expect(run({ cpus: 1, mode: 'lazy' }).unmap).toBeCloseTo(lazy, 0);
  });

  it('write an entry more for each further page', () => {
    const [one, eight] = [1, 8].map((pages) => run({ cpus: 1, mode: 'lazy', pages }));
    expect(eight!.map - one!.map).toBeCloseTo(7 * MODERN.furtherPage, 2);
  });

  it('have the unit forget once for each unmap, or for a full list, or never', () => {
    const invalidations = DMA_API_MODES.map((mode) => run({ cpus: 2, mode }).invalidations);
    expect(invalidations[0]).toBeCloseTo(1, 2);
    expect(invalidations[1]).toBeCloseTo(1 / 255, 2);
    expect(invalidations[2]).toBe(0);
  });

  it('flush a list that is not full when its time is up', () => {
    // 100 us for each: 100 in 10 ms.
    expect(run({ cpus: 1, mode: 'lazy', work: 100_000 }).invalidations).toBeCloseTo(1 / 101, 3);
  });

  const PER_CPU = DMA_API_MODES.map((mode) => [1, 2, 3, 4, 8, 16].map((cpus) => run({ cpus, mode }).perSecondAndCpu));

  it('are each no faster for more of them', () => {
    // Flushes of a list fall into a measurement or not, and so do looks: two thousandths.
    for (const rates of PER_CPU) {
      for (const [i, rate] of rates.slice(1).entries()) expect(rate).toBeLessThanOrEqual(rates[i]! * 1.002);
    }
  });

  it('are no faster with more protection', () => {
    const [strict, lazy, none] = PER_CPU;
    strict!.forEach((rate, i) => {
      expect(rate).toBeLessThanOrEqual(lazy![i]!);
      expect(lazy![i]).toBeLessThanOrEqual(none![i]!);
    });
  });

  it('wait for the lock of the queue when they are many, and two queues serve twice as many', () => {
    const [one, many] = [1, 16].map((cpus) => run({ cpus, mode: 'strict' }));
    expect(one!.shares['queue-lock']).toBe(0);
    expect(many!.shares['queue-lock'] / many!.time).toBeGreaterThan(0.8);
    const twice = run({ cpus: 16, mode: 'strict' }, valuesOf(TWO_SOCKETS, 'silver'));
    expect(twice.perSecond / many!.perSecond).toBeCloseTo(2, 1);
  });

  it.each(['linux-6.10', 'linux-6-amd'] as const)(
    'invalidate one after the other where a lock of the domain is kept: %s',
    (name) => {
      const values = dmaApiValues(name);
      const { ring } = new QueueOwner(values.machine);
      const alone = meanWait(values.machine, [ring.forget({ page: 0, mask: 0 })]);
      for (const cpus of [2, 16]) {
        const { perSecond, shares, time } = run({ cpus, mode: 'strict' }, values);
        // Each has both locks from another.
        expect(perSecond / (1e9 / (alone + 2 * values.transfer))).toBeCloseTo(1, 2);
        if (cpus === 16) expect(shares['queue-lock'] / time).toBeGreaterThan(0.9);
      }
    },
  );

  it('wait for the tree of addresses where it has no caches before it', () => {
    const values = valuesOf(riommuParameters('strict'), 'riommu');
    expect(run({ cpus: 8, mode: 'strict' }, values).shares['iova-lock']).toBeGreaterThan(0);
    expect(run({ cpus: 8, mode: 'strict' }).shares['iova-lock']).toBe(0);
  });

  it('do the same again with the same seed', () => {
    const setUp = { cpus: 3, mode: 'strict', work: 500 } as const;
    expect(run(setUp)).toEqual(run(setUp));
    expect(dmaApi(MODERN, { ...setUp, seed: 2 }).time).not.toBe(run(setUp).time);
  });
});

describe('A set-up that cannot be', () => {
  it.each<[Partial<DmaApiSetUp>, RegExp]>([
    [{ cpus: 0 }, /cpus is 0: a whole number from 1 to 256/],
    [{ cpus: 2.5 }, /cpus is 2.5/],
    [{ pages: 513 }, /pages is 513/],
    [{ outstanding: -1 }, /outstanding is -1/],
    [{ work: Number.NaN }, /work is NaN/],
    [{ mode: 'off' as 'lazy' }, /mode is "off": strict, lazy, pass-through/],
  ])('is refused in one sentence: %j', (fields, message) => {
    expect(() => run({ cpus: 1, mode: 'strict', ...fields })).toThrow(message);
  });
});

describe('CPUs that read drives', () => {
  const { dmaApi: parameters, queue, storage } = STORAGE_MACHINES.c6620;
  const values = { drives: 1, rate: 100_000, latency: storage.latency.value, work: storage.work.value };
  const read = (cpus: number, depth: number, drive = values, mode: DmaApiSetUp['mode'] = 'strict') =>
    readDrives(valuesOf(parameters, queue), drive, { cpus, depth, mode });

  it('read what the drives give, or what they can', () => {
    expect(read(2, 32).perSecond).toBeCloseTo(values.rate, -2);
    const fast = { ...values, rate: 1e9 };
    const { perSecondAndCpu, map, unmap, shares } = read(1, 256, fast);
    expect(perSecondAndCpu).toBeCloseTo(1e9 / (values.work + map + unmap), -2);
    expect(shares.idle).toBe(0);
  });

  it('wait for one read at a time where they have no other', () => {
    const { perSecond, map, unmap } = read(1, 1, { ...values, rate: 1e9 });
    expect(perSecond).toBeCloseTo(1e9 / (values.work + map + values.latency + unmap), -1);
  });
});

describe('Every value of these machines', () => {
  it('says its unit, what it is, and where it comes from unless it is assumed', () => {
    const all = [MODERN_LINUX, TWO_SOCKETS, ...RIOMMU_COLUMNS.map(riommuParameters)].flatMap((one) =>
      Object.values(one),
    );
    const drives = Object.values(STORAGE_MACHINES).flatMap(({ storage: of }) => Object.values(of));
    for (const { unit, meaning, certainty, source } of [...all, ...drives]) {
      expect([unit, meaning]).not.toContain('');
      if (certainty !== 'assumed') expect(source, meaning).not.toBe('');
    }
  });
});
