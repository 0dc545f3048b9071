/** What drivers inside the kernel have of a device with an MMU: faults, page requests, domains. */
import { describe, expect, it } from 'vitest';
import { type Script, us } from '../../hardware/sim/index.ts';
import type { DeviceBuffer, KernelDriver } from '../../src/kernel/drivers/index.ts';
import type { IommuFault } from '../../src/kernel/index.ts';
import type { PageRequestGroup } from '../../src/kernel/iommu/attachments.ts';
import { DmaEngineDriver, registersOf } from '../../src/machine/index.ts';
import { EBUSY, EINVAL, EOPNOTSUPP, formatResult } from '../../src/uapi/index.ts';
import { BENCHES, everything, forgetFlushes, type MmuBench, run, WINDOW } from './device-mmu-bench.ts';
import { PAGE } from './machine-bench.ts';
import { sure } from './scalable-bench.ts';

const K4 = BigInt(PAGE);
const RW = { read: true, write: true };

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

  it('lends the device memory at addresses that the kernel chooses, as every driver does', () => {
    const all = make();
    const before = everything(all);
    run(all, function* () {
      const { driver, engine } = take(all);
      yield* driver.setBusMaster(true);
      const buffer = pageOf(driver);
      driver.memory.write(buffer, 0, Uint8Array.of(42));
      const iova = yield* driver.dma.map(buffer, 'both');
      expect(yield* engine.read(BigInt(iova), 1)).toEqual({ ok: true, data: Uint8Array.of(42) });
      expect(all.asked).toEqual([WINDOW + BigInt(iova)]);
      expect(yield* driver.dma.unmap(BigInt(iova))).toBe(0);
      expect(yield* engine.read(BigInt(iova), 1)).toMatchObject({ error: 'NO_TRANSLATION' });
      yield us(20);
      expect(yield* driver.release()).toBe(0);
    });
    expect(all.asked).toHaveLength(1);
    expect(everything(all)).toEqual(before);
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
      const foreign = { parent: one, table: 1, pasidBits: 9, levels: 4, usesPasidZero: true } as const;
      expect(yield* unit.allocatePasidTable(foreign)).toBe(-EOPNOTSUPP);
      expect(unit.prepare(driver.device, { deviceTlb: true, pageRequests: false })).toBe(-EOPNOTSUPP);
      expect(yield* one.attach(driver.device)).toBe(0);
      expect(yield* two.attach(driver.device)).toBe(-EBUSY);
      expect(yield* two.detach(driver.device)).toBe(-EINVAL);
      expect(yield* one.detach(driver.device, 1)).toBe(-EINVAL);
      expect(yield* one.detach(driver.device)).toBe(0);
    });
  });
});

/** Units that leave addresses as they are where they are asked to, and that keep track of what is written. */
const CAPABLE: readonly string[] = ['VT-d in scalable mode', 'AMD-Vi'];

describe.each(BENCHES)('What devices with MMUs and units of %s can do together', (name, make) => {
  it('is what each can: mapping by the one, keeping DMA coherent and track of it by the other', () => {
    const [plain, composed] = [0, 2].map((group) => make().bench.kernel.iommu.groups[group]!.driver.abilities);
    expect(composed).toEqual({
      pageShifts: [12],
      geometry: { last: 0xf_ffff, reserved: [] },
      enforcesSnoop: plain!.enforcesSnoop,
      nestedLevels: [],
      pasidTableBits: 0,
      pasidBits: 0,
      deviceTlb: false,
      pageRequests: false,
      dirtyTracking: CAPABLE.includes(name),
    });
  });
});

describe.each(BENCHES.filter(([name]) => CAPABLE.includes(name)))(
  'A device with an MMU, behind a unit of %s that can do more,',
  (_, make) => {
    it('has pages that are told as written, by its own addresses', () => {
      const all = make();
      run(all, function* () {
        const { driver, engine } = take(all);
        yield* driver.setBusMaster(true);
        const domain = yield* sure(driver.domain({ dirtyTracking: true }));
        const buffer = pageOf(driver);
        for (const page of [5, 6]) yield* driver.map(domain, page, buffer, RW);
        expect(yield* driver.attach(domain)).toBe(0);
        expect(yield* domain.readDirty(0, 16)).toBe(-EINVAL);
        expect(yield* domain.setDirtyTracking(true)).toBe(0);
        yield* engine.write(6n * K4, Uint8Array.of(1));
        yield* engine.read(5n * K4, 1);
        yield us(20);
        expect(yield* domain.readDirty(0, 16)).toEqual([{ first: 6, pages: 1 }]);
        expect(yield* domain.readDirty(0, 16)).toEqual([]);
        expect(yield* driver.release()).toBe(0);
      });
    });

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

function pageOf(driver: KernelDriver): DeviceBuffer {
  const buffer = driver.memory.allocate(1);
  if (typeof buffer === 'number') throw new Error(formatResult(buffer));
  return buffer;
}
