/** What a driver in front of another holds, and when it gives it back. */
import { describe, expect, it } from 'vitest';
import { MMU_ENGINE, MmuEngine } from '../../hardware/devices/mmu-engine/index.ts';
import type { Engine, Script } from '../../hardware/sim/index.ts';
import { FAULT_POINTS, type FaultPoint } from '../../src/kernel/fault-points.ts';
import {
  EIO,
  ENODEV,
  ENOMEM,
  ENOSPC,
  EOPNOTSUPP,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import { Bench } from './bench.ts';
import { BENCHES, everything, MMU_DEV, type MmuBench, run } from './device-mmu-bench.ts';
import { engineOf, held, map, named, PAGE, type Setup, setUp, tryEverything, unmap } from './machine-bench.ts';
import { Version2 } from './v2-bench.ts';

const K4 = BigInt(PAGE);
/** What one table of the device covers. */
const SPAN = 4n << 20n;

/** A program that uses both devices. */
function* useEverything({ bench }: MmuBench): Script<Setup> {
  const s = yield* setUp(bench, 16 * PAGE, MMU_DEV[0]);
  yield* map(s, 0n, s.memory, 8n * K4);
  yield* map(s, SPAN - K4, s.memory, 2n * K4);
  const second = yield* s.program.open(MMU_DEV[1]);
  yield* s.program.ioctl(second, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
  yield* s.program.ioctl(second, VFIO_ATTACH_IOASID, { ioasid: s.ioasid });
  for (const deviceFd of [s.deviceFd, second]) {
    expect((yield* (yield* engineOf({ ...s, deviceFd })).read(SPAN - 8n, 16)).ok).toBe(true);
  }
  yield* unmap(s, SPAN - K4, 2n * K4);
  return s;
}

/** Registers by which the units are given invalidations. */
const TAILS: readonly number[] = [0x88, 0x2008];

function* unmapped(s: Setup): Script<number> {
  return (yield* unmap(s, 0n, K4)).result;
}

describe.each(BENCHES)('In front of a unit of %s, the driver of devices’ MMUs', (_, make) => {
  it.each([
    ['ioasid first', (s: Setup) => [s.ioasidFd, s.deviceFd, s.deviceFd + 1]],
    ['devices first', (s: Setup) => [s.deviceFd, s.deviceFd + 1, s.ioasidFd]],
    ['ioasid in the middle', (s: Setup) => [s.deviceFd + 1, s.ioasidFd, s.deviceFd]],
  ])('lets go of everything in whatever order descriptors are closed: %s', (_order, order) => {
    const all = make();
    const before = everything(all);
    run(all, function* () {
      const s = yield* useEverything(all);
      expect(all.bench.kernel.pages.pinned).toBe(8);
      for (const fd of order(s)) expect(yield* s.program.close(fd)).toBe(0);
      yield* s.program.exit();
    });
    expect(everything(all)).toEqual(before);
    for (const { state } of all.engines) expect(state.mmu.registers['MMU_CONTROL']).toBe(0);
  });

  it('finds a device again that was reset when its program went, and everything is given back', () => {
    const all = make([], { resetOnRelease: true });
    const before = everything(all);
    for (let round = 0; round < 2; round++) {
      run(all, function* () {
        yield* (yield* useEverything(all)).program.exit();
      });
      expect(everything(all)).toEqual(before);
      for (const { state } of all.engines) expect(state.mmu).toMatchObject({ misses: 0, flushes: 0, kept: [] });
    }
  });

  it('gives everything back, whichever allocation fails', () => {
    for (let failing = 0; ; failing++) {
      const all = make();
      const { bench } = all;
      const before = everything(all);
      const asked: string[] = [];
      bench.kernel.faultPoints.refuse = (point) => asked.push(point) === failing + 1;
      let results: readonly number[] = [];
      run(all, function* () {
        const tried = yield* tryEverything(bench, MMU_DEV[0]!, [0n, 0xfff0_0000n]);
        ({ results } = tried);
        yield* tried.program.exit();
      });
      expect(everything(all)).toEqual(before);
      if (asked.length <= failing) {
        expect(results).toEqual(new Array(8).fill(0));
        expect(failing).toBeGreaterThan(6);
        break;
      }
      expect(results).toContain(-FAULT_POINTS[asked[failing] as FaultPoint]!);
    }
  });

  it('says ENOMEM when a device has no memory for another table, and has it again after an unmap', () => {
    const all = make([{ tablePages: 4 }]);
    run(all, function* () {
      const s = yield* setUp(all.bench, 4 * PAGE, MMU_DEV[0]);
      s.program.write(s.memory, new Uint8Array(2 * PAGE));
      for (let n = 0n; n < 3n; n++) expect(yield* map(s, n * SPAN + n * K4, s.memory, K4)).toBe(0);
      const before = everything(all);
      expect(yield* named(map(s, 3n * SPAN, s.memory, K4))).toBe('-ENOMEM');
      expect(yield* named(map(s, 3n * SPAN - K4, s.memory, 2n * K4))).toBe('-ENOMEM');
      expect(everything(all)).toEqual(before);
      // The table of the second goes; that of the fourth takes its place, with nothing at the same index.
      expect((yield* unmap(s, SPAN + K4, K4)).result).toBe(0);
      expect(yield* map(s, 3n * SPAN - K4, s.memory, 2n * K4)).toBe(0);
      const driver = yield* engineOf(s);
      const reached = [0n, 2n * SPAN + 2n * K4, 3n * SPAN - K4, 3n * SPAN];
      const missing = [SPAN + K4, 3n * SPAN + K4, 3n * SPAN - 2n * K4];
      for (const iova of reached) expect((yield* driver.read(iova, 4)).ok).toBe(true);
      for (const iova of missing) expect(yield* driver.read(iova, 4)).toMatchObject({ error: 'NO_TRANSLATION' });
    });
  });

  it.each([
    ['has no memory for what is mapped already', -ENOMEM, [{}, { tablePages: 1 }], () => {}],
    [
      'cannot have an interrupt',
      -ENOSPC,
      [],
      ({ bench }: MmuBench) => Object.assign(bench.kernel.interrupts, { allocate: () => -ENOSPC }),
    ],
  ])('refuses a device that %s, and leaves it blocked', (_why, errno, specs, prepare) => {
    const all = make(specs);
    run(all, function* () {
      const s = yield* setUp(all.bench, 4 * PAGE, MMU_DEV[0]);
      const second = yield* s.program.open(MMU_DEV[1]);
      yield* s.program.ioctl(second, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
      yield* map(s, 0n, s.memory, K4);
      const before = everything(all);
      prepare(all);
      expect(yield* s.program.ioctl(second, VFIO_ATTACH_IOASID, { ioasid: s.ioasid })).toBe(errno);
      expect(everything(all)).toEqual(before);
      expect(all.engines[1]!.state.mmu.registers['MMU_CONTROL']).toBe(0);
      expect((yield* (yield* engineOf({ ...s, deviceFd: second })).read(0n, 4)).ok).toBe(false);
      expect((yield* (yield* engineOf(s)).read(0n, 4)).ok).toBe(true);
    });
  });

  it.each([
    ['an unmap', (s: Setup) => unmapped(s)],
    ['a detach', (s: Setup) => s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid })],
  ])('keeps the memory when the unit does not confirm %s, although the device does', (_what, forget) => {
    const all = make();
    const { bench, engines } = all;
    run(all, function* () {
      const s = yield* setUp(bench, 4 * PAGE, MMU_DEV[0]);
      yield* map(s, 0n, s.memory, K4);
      const driver = yield* engineOf(s);
      yield* driver.read(0n, 4);
      bench.tap = (offset) => !TAILS.includes(offset);
      expect(yield* forget(s)).toBe(-EIO);
      expect((yield* driver.read(0n, 4)).ok).toBe(false);
      yield* s.program.exit();
    });
    expect(bench.kernel.pages.pinned).toBe(1);
    expect(engines[0]!.state.mmu.registers['MMU_CONTROL']).toBe(0);
  });

  it('refuses a device whose registers say nothing that it knows, in both versions', () => {
    const all = make();
    run(all, function* () {
      all.engines[0]!.mmu.registerRead = (_offset, into, length) => into.fill(0xff, 0, length);
      const before = everything(all);
      const s = yield* setUp(all.bench, PAGE, MMU_DEV[0]);
      const attach = s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: s.ioasid });
      expect(yield* attach).toBe(-ENODEV);
      yield* s.program.exit();
      expect(everything(all)).toEqual(before);
      const second = yield* new Version2(all.bench).begin();
      const fd = yield* second.program.open(MMU_DEV[0]);
      const iommu_fd = second.iommuFd;
      expect(yield* second.program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd })).toBe(0);
      const ioasid = yield* second.alloc({ addr_width: 32 });
      expect(yield* second.program.ioctl(fd, VFIO_ATTACH_IOASID_2, { iommu_fd, ioasid })).toBe(-ENODEV);
      yield* second.program.exit();
      expect(everything(all)).toEqual(before);
    });
  });
});

describe('A unit that cannot map as much as a device’s MMU', () => {
  it('lets the device be attached to nothing, and nothing stays behind', () => {
    const engines = (engine: Engine) => [new MmuEngine(engine, { ...MMU_ENGINE, name: 'mmu0', requester: 0x20 })];
    const bench = Bench.up({ cap: { SAGAW: 0b00010, MGAW: 31 }, more: engines });
    const before = held(bench);
    bench.run(
      (function* () {
        const s = yield* setUp(bench, PAGE, MMU_DEV[0]);
        const attach = s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: s.ioasid });
        expect(yield* attach).toBe(-EOPNOTSUPP);
        yield* s.program.exit();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });
});
