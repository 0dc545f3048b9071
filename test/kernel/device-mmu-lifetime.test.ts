/** What a driver in front of another holds, when it gives it back, and what it tells of faults. */
import { describe, expect, it } from 'vitest';
import { MMU_ENGINE, MmuEngine } from '../../hardware/devices/mmu-engine/index.ts';
import { type Engine, type Script, us } from '../../hardware/sim/index.ts';
import type { DeviceBuffer, KernelDriver } from '../../src/kernel/drivers/index.ts';
import type { IommuFault } from '../../src/kernel/index.ts';
import type { PageRequestGroup } from '../../src/kernel/iommu/attachments.ts';
import { DmaEngineDriver, registersOf } from '../../src/machine/index.ts';
import {
  EBUSY,
  EINVAL,
  EIO,
  ENODEV,
  ENOMEM,
  ENOSPC,
  EOPNOTSUPP,
  formatResult,
  IOASID_ALLOC,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import { Bench } from './bench.ts';
import { BENCHES, forgetFlushes, MMU_DEV, type MmuBench, WINDOW } from './device-mmu-bench.ts';
import { engineOf, held, map, named, PAGE, type Setup, setUp, unmap } from './machine-bench.ts';
import { sure } from './scalable-bench.ts';

const K4 = BigInt(PAGE);
/** What one table of the device covers. */
const SPAN = 4n << 20n;
const RW = { read: true, write: true };

/** Everything that is given out, interrupt vectors too. */
function everything({ bench }: MmuBench) {
  const { kernel } = bench;
  const vectors = kernel.interrupts.counts.handled.map(({ name }) => name);
  return { ...held(bench), pinned: kernel.pages.pinned, vectors };
}

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

function run(all: MmuBench, body: () => Script): void {
  all.bench.run(body());
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
      let count = 0;
      bench.kernel.allocator.refuse = () => count++ === failing;
      const results: number[] = [];
      run(all, function* () {
        const program = bench.program();
        const memory = yield* program.mmap(4 * PAGE);
        if (memory < 0n) results.push(Number(memory));
        const ioasidFd = yield* program.open('/dev/ioasid');
        const deviceFd = yield* program.open(MMU_DEV[0]);
        results.push(yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd }));
        const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
        results.push(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid }));
        const s = { program, ioasidFd, deviceFd, ioasid, memory };
        if (!results.some((result) => result < 0)) {
          results.push(yield* map(s, 0n, memory, 2n * K4));
          results.push(yield* map(s, 0xfff0_0000n, memory + K4, 2n * K4));
        }
        yield* program.exit();
      });
      expect(everything(all)).toEqual(before);
      if (count <= failing) {
        expect(results).toEqual([0, 0, 0, 0]);
        expect(failing).toBeGreaterThan(6);
        break;
      }
      expect(results).toContain(-ENOMEM);
    }
  });

  it('says ENOMEM when a device has no memory for another table, and has it again after an unmap', () => {
    const all = make([{ tablePages: 4 }]);
    run(all, function* () {
      const s = yield* setUp(all.bench, 4 * PAGE, MMU_DEV[0]);
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

  it('refuses a device whose registers say nothing that it knows', () => {
    const all = make();
    run(all, function* () {
      all.engines[0]!.mmu.registerRead = (_offset, into, length) => into.fill(0xff, 0, length);
      const before = everything(all);
      const s = yield* setUp(all.bench, PAGE, MMU_DEV[0]);
      const attach = s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: s.ioasid });
      expect(yield* attach).toBe(-ENODEV);
      yield* s.program.exit();
      expect(everything(all)).toEqual(before);
    });
  });
});

/** A driver inside the kernel that has one of the devices, and what knows its registers. */
function take(all: MmuBench, name = 'mmu0'): { driver: KernelDriver; engine: DmaEngineDriver } {
  const driver = all.bench.kernel.driver(name);
  if (typeof driver === 'number') throw new Error(formatResult(driver));
  return { driver, engine: new DmaEngineDriver(registersOf(driver, 0)) };
}

const PAGE_NUMBER = 0x300;
const IOVA = BigInt(PAGE_NUMBER) * K4;

describe.each(BENCHES)('A driver in the kernel whose device has an MMU, in front of a unit of %s,', (_, make) => {
  it('hears of faults of both by the address that the device has used', () => {
    const all = make();
    run(all, function* () {
      const { driver, engine } = take(all);
      yield* driver.setBusMaster(true);
      const domain = yield* sure(driver.domain());
      const buffer = pageOf(driver);
      const heard: IommuFault[] = [];
      const onFault = (fault: IommuFault): void => void heard.push(fault);
      expect(yield* driver.attach(domain, { onFault })).toBe(0);
      yield* engine.read(IOVA, 4);
      yield* driver.map(domain, PAGE_NUMBER, buffer, RW);
      yield* engine.read(IOVA, 4);
      forgetFlushes(all.engines[0]!);
      yield* driver.unmap(domain, PAGE_NUMBER, 1);
      yield* engine.read(IOVA, 4);
      yield us(20);
      expect(heard.map(({ address, access }) => ({ address, access }))).toEqual([
        { address: IOVA, access: 'read' },
        { address: IOVA, access: 'read' },
      ]);
      expect(heard[0]).toMatchObject({
        unit: '0000:00:04.0 MMU',
        name: 'NO_TABLE',
        code: 2,
        requester: 0x20,
        pasid: -1,
      });
      // The log has it as the unit saw it.
      expect(all.bench.kernel.faults.map(({ address }) => address)).toEqual([IOVA, WINDOW + IOVA]);
      expect(yield* driver.release()).toBe(0);
    });
  });

  it.each([
    ['success', true],
    ['invalid', false],
  ] as const)('is asked for a page that the MMU misses, and its answer %s decides', (answer, goesOn) => {
    const all = make();
    const before = everything(all);
    run(all, function* () {
      const { driver, engine } = take(all);
      yield* driver.setBusMaster(true);
      const domain = yield* sure(driver.domain());
      const buffer = pageOf(driver);
      const asked: unknown[] = [];
      const onPageRequest = (group: PageRequestGroup): void => {
        asked.push(...group.requests);
        all.bench.engine.spawn(serve(group));
      };
      function* serve(group: PageRequestGroup): Script {
        yield us(20);
        if (goesOn) yield* driver.map(domain, PAGE_NUMBER, buffer, RW);
        yield* group.respond(answer);
      }
      expect(yield* driver.attach(domain, { onPageRequest })).toBe(0);
      expect((yield* engine.write(IOVA + 8n, Uint8Array.of(42))).ok).toBe(goesOn);
      yield us(20);
      expect(driver.memory.read(buffer, 8, 1)).toEqual(Uint8Array.of(goesOn ? 42 : 0));
      expect(asked).toEqual([{ page: PAGE_NUMBER, read: false, write: true, execute: false, privileged: false }]);
      expect(yield* driver.release()).toBe(0);
    });
    expect(all.bench.kernel.faults).toHaveLength(goesOn ? 0 : 1);
    expect(everything(all)).toEqual(before);
  });

  it('is asked for one page at a time, however often a device says that it waits', () => {
    const all = make();
    const before = everything(all);
    run(all, function* () {
      const { driver } = take(all);
      yield* driver.setBusMaster(true);
      const domain = yield* sure(driver.domain());
      let groups = 0;
      yield* driver.attach(domain, { onPageRequest: () => void groups++ });
      const { mmu, function: fn } = all.engines[0]!;
      const read = mmu.registerRead.bind(mmu);
      mmu.registerRead = (offset, into, length) =>
        offset === 0x18 ? into.fill(0x35, 0, length) : read(offset, into, length);
      for (let n = 0; n < 20; n++) {
        yield* fn.interrupt(1);
        yield us(5);
      }
      expect(groups).toBe(1);
      expect(yield* driver.release()).toBe(0);
    });
    expect(everything(all)).toEqual(before);
  });

  it('lets the device go on, with an error, when it is detached while the device waits for a page', () => {
    const all = make();
    const before = everything(all);
    run(all, function* () {
      const { driver, engine } = take(all);
      yield* driver.setBusMaster(true);
      const domain = yield* sure(driver.domain());
      let groups = 0;
      yield* driver.attach(domain, { onPageRequest: () => void groups++ });
      const write = all.bench.engine.spawn(engine.write(IOVA, Uint8Array.of(42)));
      yield us(20);
      expect([groups, write.ended]).toEqual([1, false]);
      expect(yield* driver.release()).toBe(0);
      yield write.done;
      expect(write.result.ok).toBe(false);
      yield us(20);
    });
    expect(everything(all)).toEqual(before);
    expect(all.bench.kernel.faults).toEqual([]);
  });

  it('may map while another device is being attached: both reach everything in the end', () => {
    const all = make();
    run(all, function* () {
      const { kernel, engine } = all.bench;
      const [one, two] = [take(all), take(all, 'mmu1')];
      for (const { driver } of [one, two]) yield* driver.setBusMaster(true);
      const domain = yield* sure(one.driver.domain());
      const buffer = pageOf(one.driver);
      for (let n = 0; n < 8; n++) yield* one.driver.map(domain, n * 1024, buffer, RW);
      yield* one.driver.attach(domain);
      const attach = engine.spawn(two.driver.attach(domain));
      const pages = [1, 1025, 8 * 1024];
      const maps = pages.map((page) => engine.spawn(one.driver.map(domain, page, buffer, RW)));
      for (const task of [attach, ...maps]) expect(yield task.done).toBe(0);
      for (const page of [0, 7 * 1024, ...pages]) {
        for (const { engine: dma } of [one, two]) expect((yield* dma.read(BigInt(page) * K4, 4)).ok).toBe(true);
      }
      for (const { driver } of [two, one]) expect(yield* driver.release()).toBe(0);
      expect(kernel.faults).toEqual([]);
    });
  });

  it('gets no PASIDs, no nesting and no device-TLBs, and no second domain at a time', () => {
    const all = make();
    run(all, function* () {
      const { driver } = take(all);
      const unit = all.bench.kernel.iommu.groupOf(driver.device)!.driver;
      const [one, two] = [yield* sure(driver.domain()), yield* sure(driver.domain())];
      expect(yield* one.attach(driver.device, { pasid: 1 })).toBe(-EOPNOTSUPP);
      expect(yield* unit.allocateNested({ parent: one, table: 1, levels: 4 })).toBe(-EOPNOTSUPP);
      expect(unit.prepare(driver.device, { deviceTlb: true, pageRequests: false })).toBe(-EOPNOTSUPP);
      expect(yield* one.attach(driver.device)).toBe(0);
      expect(yield* two.attach(driver.device)).toBe(-EBUSY);
      expect(yield* two.detach(driver.device)).toBe(-EINVAL);
      expect(yield* one.detach(driver.device, 1)).toBe(-EINVAL);
      expect(yield* one.detach(driver.device)).toBe(0);
    });
  });
});

describe.each(BENCHES.filter(([name]) => ['VT-d in scalable mode', 'AMD-Vi'].includes(name)))(
  'A device with an MMU, behind a unit of %s that can leave addresses as they are,',
  (_, make) => {
    it('leaves them as they are, too, whatever its MMU was told before', () => {
      const all = make();
      run(all, function* () {
        const { driver, engine } = take(all);
        yield* driver.setBusMaster(true);
        const unit = all.bench.kernel.iommu.groupOf(driver.device)!.driver;
        const identity = yield* sure(unit.allocateIdentity());
        expect(identity.driver).toBe(unit);
        const buffer = pageOf(driver);
        driver.memory.write(buffer, 0, Uint8Array.of(42));
        yield* driver.write(2, 0x08, 4, 1n);
        expect(yield* driver.attach(identity)).toBe(0);
        const data = Uint8Array.of(42);
        expect(yield* engine.read(BigInt(buffer.frames[0]!) * K4, 1)).toEqual({ ok: true, data });
        expect(yield* driver.release()).toBe(0);
      });
    });
  },
);

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

function pageOf(driver: KernelDriver): DeviceBuffer {
  const buffer = driver.memory.allocate(1);
  if (typeof buffer === 'number') throw new Error(formatResult(buffer));
  return buffer;
}
