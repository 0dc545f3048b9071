import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { FAULT_POINTS, type FaultPoint } from '../../src/kernel/fault-points.ts';
import {
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
  VFIO_UNBIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { Bench, DEV, engineOf, held, map, PAGE, type Setup, setUp, tryEverything, unmap } from './bench.ts';

const K4 = BigInt(PAGE);

/** A program that uses everything once. */
function* useEverything(bench: Bench): Script<Setup> {
  const s = yield* setUp(bench);
  yield* map(s, 0n, s.memory, 8n * K4);
  yield* map(s, 1n << 40n, s.memory, K4);
  const second = yield* s.program.open(DEV[1]);
  yield* s.program.ioctl(second, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
  yield* s.program.ioctl(second, VFIO_ATTACH_IOASID, { ioasid: s.ioasid });
  const driver = yield* engineOf(s);
  yield* driver.read(0n, 64);
  yield* unmap(s, 1n << 40n, K4);
  return s;
}

describe('the lifetime of objects', () => {
  it('leaves nothing behind when the program exits', () => {
    const bench = Bench.up();
    const before = held(bench);
    bench.run(
      (function* () {
        const { program } = yield* useEverything(bench);
        expect(bench.kernel.pages.pinned).toBe(8);
        yield* program.exit();
      })(),
    );
    expect(held(bench)).toEqual(before);
    expect(bench.kernel.pages.pinned).toBe(0);
  });

  it.each([
    ['ioasid first', (s: Setup) => [s.ioasidFd, s.deviceFd, s.deviceFd + 1]],
    ['devices first', (s: Setup) => [s.deviceFd, s.deviceFd + 1, s.ioasidFd]],
    ['ioasid in the middle', (s: Setup) => [s.deviceFd + 1, s.ioasidFd, s.deviceFd]],
  ])('lets go of everything in whatever order descriptors are closed: %s', (_, order) => {
    const bench = Bench.up();
    const before = held(bench);
    bench.run(
      (function* () {
        const s = yield* useEverything(bench);
        for (const fd of order(s)) expect(yield* s.program.close(fd)).toBe(0);
        expect(bench.kernel.pages.pinned).toBe(0);
        expect(bench.kernel.allocator.inUse['I/O page table']).toBeUndefined();
        yield* s.program.exit();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('keeps the I/O address space alive behind a closed /dev/ioasid while a device is bound to it', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        const driver = yield* engineOf(s);
        yield* s.program.close(s.ioasidFd);
        expect((yield* driver.read(0n, 4)).ok).toBe(true);
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_UNBIND_IOASID_FD)).toBe(0);
        expect(bench.kernel.pages.pinned).toBe(0);
      })(),
    );
  });

  it('does not free a pinned page that its process has given up', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, 16n * K4);
        const driver = yield* engineOf(s);
        s.program.write(s.memory, Uint8Array.of(42));
        const { free, inUse } = bench.kernel.allocator;
        expect(yield* s.program.munmap(s.memory, 16 * PAGE)).toBe(0);
        expect(bench.kernel.allocator.inUse['user']).toBe(inUse['user']);
        expect(yield* driver.read(0n, 1)).toEqual({ ok: true, data: Uint8Array.of(42) });
        yield* unmap(s, 0n, 16n * K4);
        expect(bench.kernel.allocator.free).toBeGreaterThanOrEqual(free + 16);
      })(),
    );
  });

  it('drops all mappings with the last device, so that a space starts empty when it is attached again', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid });
        expect(bench.kernel.pages.pinned).toBe(0);
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: s.ioasid })).toBe(0);
        expect(yield* map(s, 0n, s.memory, K4)).toBe(0);
      })(),
    );
  });

  it('serves two scripts of one program that use the same descriptors at the same time', () => {
    const bench = Bench.up();
    const before = held(bench);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const tasks = Array.from({ length: 8 }, (_, i) =>
          bench.engine.spawn(
            (function* (): Script<number[]> {
              const results: number[] = [];
              for (let k = 0; k < 4; k++) {
                results.push(yield* map(s, BigInt(i) * K4, s.memory, K4));
                results.push((yield* unmap(s, BigInt(i) * K4, K4)).result);
              }
              return results;
            })(),
          ),
        );
        for (const task of tasks) yield task.done;
        expect(tasks.flatMap(({ result }) => result).every((result) => result === 0)).toBe(true);
        yield* s.program.exit();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('finishes a call that is under way when its descriptor is closed, and lets go of everything afterwards', () => {
    const bench = Bench.up();
    const before = held(bench);
    bench.run(
      (function* (): Script {
        const s = yield* setUp(bench);
        const mapping = bench.engine.spawn(map(s, 0n, s.memory, 16n * K4));
        const exit = bench.engine.spawn(s.program.exit());
        yield mapping.done;
        yield exit.done;
      })(),
    );
    expect(held(bench)).toEqual(before);
    expect(bench.kernel.pages.pinned).toBe(0);
  });
});

describe('when an allocation fails', () => {
  it('every single one, in turn, the call fails with its errno and everything is given back', () => {
    for (let failing = 0; ; failing++) {
      const bench = Bench.up();
      const before = held(bench);
      const asked: string[] = [];
      bench.kernel.faultPoints.refuse = (point) => asked.push(point) === failing + 1;
      const results = bench.run(
        (function* () {
          const tried = yield* tryEverything(bench, DEV[0], [0n, 1n << 40n]);
          expect([0, 2, 4]).toContain(bench.kernel.pages.pinned);
          yield* tried.program.exit();
          return tried.results;
        })(),
      );
      expect(held(bench)).toEqual(before);
      expect(bench.kernel.pages.pinned).toBe(0);
      if (asked.length <= failing) {
        expect(results).toEqual(new Array(8).fill(0));
        expect(failing).toBeGreaterThan(8);
        break;
      }
      expect(results).toContain(-FAULT_POINTS[asked[failing] as FaultPoint]!);
    }
  });

  it('at boot, the kernel comes up without the IOMMU and says so', () => {
    const bench = new Bench();
    bench.kernel.faultPoints.refuse = (purpose) => purpose === 'context tables';
    bench.run(bench.kernel.boot());
    expect(bench.kernel.log.toString()).toContain('could not be taken into service');
    expect(bench.kernel.iommu.groups).toEqual([]);
  });
});
