/** What becomes of lent memory when an allocation fails, or hardware does not answer. */
import { describe, expect, it } from 'vitest';
import { ms, type Script } from '../../hardware/sim/index.ts';
import { FAULT_POINTS, type FaultPoint } from '../../src/kernel/fault-points.ts';
import type { KernelOptions } from '../../src/kernel/index.ts';
import type { DeviceBuffer } from '../../src/machine/index.ts';
import { EIO } from '../../src/uapi/index.ts';
import { Bench } from './bench.ts';
import { address, byteAt, type Driving, driving, marked, PASSING, PLATFORMS, take } from './dma-bench.ts';
import { held, PAGE } from './machine-bench.ts';

const ALL = Object.entries(PLATFORMS);
const POLICIES: readonly Partial<KernelOptions>[] = [{ dmaPolicy: 'strict' }, { dmaPolicy: 'lazy' }];
const TOP = 0xffff_f000n;

/** Does everything that allocates, and gives back what it got; the results. */
function* everything({ driver }: Driving, buffer: DeviceBuffer): Script<unknown[]> {
  const results: unknown[] = [];
  const wide = yield* driver.dma.map(buffer, 'both');
  const shared = yield* driver.dma.allocCoherent(3 * PAGE);
  const scattered = yield* driver.dma.mapSg([{ buffer, offset: 5 }, { buffer }], 'to device');
  results.push(wide, shared, scattered);
  if (typeof wide !== 'number') results.push(yield* driver.dma.unmap(wide));
  if (typeof shared !== 'number') results.push(yield* driver.dma.freeCoherent(shared.iova));
  if (typeof scattered !== 'number') results.push(yield* driver.dma.unmap(scattered[0]!.iova));
  return results.filter((result) => typeof result === 'number');
}

describe.each(ALL)('On %s', (name, platform) => {
  const options = PASSING.some((one) => one === name)
    ? [...POLICIES, { defaultDomain: 'identity' } as const]
    : POLICIES;

  it.each(options)(
    'an allocation that fails, each in turn (%o), costs one call and leaves nothing behind.',
    (kernel) => {
      for (let failing = 0; ; failing++) {
        const driven = driving(platform, kernel);
        const { bench, driver } = driven;
        const before = held(bench);
        const buffer = driver.memory.allocate(600, { contiguous: true });
        if (typeof buffer === 'number') throw new Error(`no pages: ${buffer}`);
        const asked: string[] = [];
        bench.kernel.faultPoints.refuse = (point) => asked.push(point) === failing + 1;
        const results = bench.run(everything(driven, buffer));
        bench.kernel.faultPoints.refuse = null;
        // Nothing is in the way of another try, and no address is lost.
        const again = bench.run(everything(driven, buffer));
        expect(again).toEqual([0, 0, 0]);
        expect(bench.run(driver.release())).toBe(0);
        expect(held(bench)).toEqual(before);
        if (asked.length <= failing) {
          expect(results).toEqual([0, 0, 0]);
          expect(failing).toBeGreaterThan(kernel.defaultDomain === 'identity' ? 0 : 8);
          break;
        }
        const errno = FAULT_POINTS[asked[failing] as FaultPoint];
        if (errno === null) expect(results).toEqual([0, 0, 0]);
        else expect(results.filter((result) => result === -errno)).toHaveLength(1);
      }
    },
  );

  it('what hardware may still reach is never used again, with the strict policy.', () => {
    const { bench, driver, dma } = driving(platform);
    const { allocator, log } = bench.kernel;
    bench.run(
      (function* () {
        const buffer = marked(driver, 1, 0x40);
        const shared = yield* driver.dma.allocCoherent(PAGE);
        if (typeof shared === 'number') throw new Error('no memory');
        const iova = yield* address(driver.dma.map(buffer, 'to device'));
        expect([shared.iova, iova]).toEqual([TOP, TOP - 0x1000n]);
        yield* dma.read(shared.iova, 1);
        const before = allocator.inUse['driver memory'];
        bench.tap = () => false;
        expect(yield* driver.dma.freeCoherent(shared.iova)).toBe(-EIO);
        expect(yield* driver.dma.unmap(iova)).toBe(-EIO);
        expect(allocator.inUse['driver memory']).toBe(before);
        bench.tap = null;
        expect(log.toString()).toContain('dma: hardware does not forget; 1 pages of addresses are never used again');
        const next = yield* driver.dma.map(buffer, 'to device');
        expect([TOP, TOP - 0x1000n]).not.toContain(next);
        expect(yield* driver.release()).toBe(-EIO);
      })(),
    );
    expect(allocator.inUse['driver memory']).toBe(2);
  });

  it('what waits for a flush that hardware does not do is never used again, and a driver cannot go.', () => {
    const { bench, driver } = driving(platform, { dmaPolicy: 'lazy' });
    const { allocator } = bench.kernel;
    bench.run(
      (function* () {
        const shared = yield* driver.dma.allocCoherent(4 * PAGE);
        if (typeof shared === 'number') throw new Error('no memory');
        expect(yield* driver.dma.freeCoherent(shared.iova)).toBe(0);
        const tables = allocator.inUse['I/O page table'];
        bench.tap = () => false;
        yield ms(50);
        bench.tap = null;
        expect(bench.kernel.log.toString()).toContain('4 pages of addresses are never used again');
        expect(allocator.inUse).toMatchObject({ 'driver memory': 4, 'I/O page table': tables });
        expect(yield* driver.release()).toBe(-EIO);
      })(),
    );
    expect(allocator.inUse['driver memory']).toBe(4);
  });
});

/** On other units hardware need not forget anything before a device can be let in. */
const ASKED = ['VT-d in caching mode', 'AMD-Vi with host tables', 'AMD-Vi with all it has'] as const;

describe.each(ASKED)('A device on %s', (name) => {
  it('that hardware does not let in is not used, and its driver cannot go.', () => {
    const { bench, driver } = driving(PLATFORMS[name]!);
    const buffer = marked(driver, 1, 0);
    bench.tap = () => false;
    for (let i = 0; i < 2; i++) expect(bench.run(driver.dma.map(buffer, 'both'))).toBe(-EIO);
    expect(bench.run(driver.release())).toBe(-EIO);
    expect(bench.kernel.allocator.inUse['driver memory']).toBe(1);
  });
});

/** Where CAP and ECAP of the bench put the IOTLB register, and its start bit: while it stays, nothing is invalidated. */
const IOTLB_OFFSET = 0xf8;
const IVT = 1n << 63n;

describe.each(POLICIES)('A unit that comes to its senses (%o)', (kernel) => {
  it('lets the driver go after all: one flush that succeeds is enough for all that failed.', () => {
    const bench = Bench.up({ ecap: { QI: 0 }, kernel });
    const before = held(bench);
    const { driver, dma } = take(bench, 'dev0');
    bench.run(
      (function* () {
        const shared = yield* driver.dma.allocCoherent(PAGE);
        if (typeof shared === 'number') throw new Error('no memory');
        yield* dma.read(shared.iova, 1);
        bench.readTap = (offset, value) => (offset === IOTLB_OFFSET ? value | IVT : value);
        yield* driver.dma.freeCoherent(shared.iova);
        yield ms(50);
        expect(yield* driver.release()).toBe(-EIO);
        expect(bench.kernel.allocator.inUse['driver memory']).toBe(1);
        bench.readTap = null;
        expect(yield* driver.release()).toBe(0);
        yield* driver.setBusMaster(true);
        expect(yield* byteAt(dma, shared.iova)).toBe(null);
      })(),
    );
    expect(held(bench)).toEqual(before);
  });
});
