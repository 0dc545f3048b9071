/** What drivers inside the kernel lend to their devices, seen by the DMA of a device. */
import { describe, expect, it } from 'vitest';
import { ns } from '../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { address, byteAt, driving, marked, PASSING, PLATFORMS } from './dma-bench.ts';
import { held, PAGE } from './machine-bench.ts';

const ALL = Object.entries(PLATFORMS);
/** Where the highest page below 4 GiB begins. */
const TOP = 0xffff_f000n;

describe.each(ALL)('The DMA API on %s', (_, platform) => {
  it('lends memory at the top of 32 bits, and takes it back before the unmap returns.', () => {
    const { bench, driver, dma } = driving(platform);
    bench.run(
      (function* () {
        const buffer = marked(driver, 2, 0x40);
        const iova = yield* address(driver.dma.map(buffer, 'both'));
        expect(iova).toBe(0xffff_e000n);
        expect([yield* byteAt(dma, iova), yield* byteAt(dma, iova + 0x1000n)]).toEqual([0x40, 0x41]);
        yield* dma.write(iova + 5n, Uint8Array.of(7));
        yield ns(10_000);
        expect(driver.memory.read(buffer, 5, 1)[0]).toBe(7);
        expect(yield* driver.dma.unmap(iova)).toBe(0);
        expect(yield* byteAt(dma, iova)).toBe(null);
        expect(yield* driver.dma.unmap(iova)).toBe(-EINVAL);
      })(),
    );
    expect(bench.kernel.faults).toHaveLength(1);
  });

  it('lets the device only read what goes to it, and at most write what comes from it.', () => {
    const { bench, driver, dma } = driving(platform);
    bench.run(
      (function* () {
        const sent = marked(driver, 1, 0x40);
        const received = marked(driver, 1, 0x50);
        const out = yield* address(driver.dma.map(sent, 'to device'));
        const into = yield* address(driver.dma.map(received, 'from device'));
        yield* dma.write(out, Uint8Array.of(1));
        yield* dma.write(into, Uint8Array.of(2));
        yield ns(10_000);
        expect(yield* byteAt(dma, out)).toBe(0x40);
        expect(driver.memory.read(received, 0, 1)[0]).toBe(2);
      })(),
    );
    expect(bench.kernel.faults.map(({ access }) => access)).toEqual(['write']);
  });

  it('gives a part of a buffer the address of its first byte, and lends the whole page.', () => {
    const { bench, driver, dma } = driving(platform);
    bench.run(
      (function* () {
        const buffer = marked(driver, 3, 0x40);
        driver.memory.write(buffer, PAGE + 0x234, Uint8Array.of(9));
        const iova = yield* address(driver.dma.map(buffer, 'to device', { offset: PAGE + 0x234, length: 16 }));
        expect(iova).toBe(TOP + 0x234n);
        expect([yield* byteAt(dma, iova), yield* byteAt(dma, TOP)]).toEqual([9, 0x41]);
        // From one page into the next.
        const both = yield* address(driver.dma.map(buffer, 'to device', { offset: PAGE - 1, length: 2 }));
        expect([yield* byteAt(dma, both), yield* byteAt(dma, both + 1n)]).toEqual([0, 0x41]);
        expect(both).toBe(0xffff_cfffn);
        expect(yield* driver.dma.unmap(iova)).toBe(0);
        expect(yield* driver.dma.unmap(both)).toBe(0);
      })(),
    );
  });

  it('lends scattered memory in one row, and joins what the device sees without a gap.', () => {
    const { bench, driver, dma } = driving(platform);
    bench.run(
      (function* () {
        const one = marked(driver, 2, 0x40);
        const other = marked(driver, 2, 0x50);
        const segments = yield* driver.dma.mapSg(
          [
            { buffer: other, offset: 0x800 },
            { buffer: one, length: 0x1001 },
            { buffer: other, offset: PAGE, length: 1 },
          ],
          'to device',
        );
        expect(segments).toEqual([
          { iova: 0xffff_8800n, length: 0x1800 + 0x1001 },
          { iova: 0xffff_c000n, length: 1 },
        ]);
        const bytes: (number | null)[] = [];
        for (const iova of [0xffff_9000n, 0xffff_a000n, 0xffff_b000n, 0xffff_c000n])
          bytes.push(yield* byteAt(dma, iova));
        expect(bytes).toEqual([0x51, 0x40, 0x41, 0x51]);
        expect(yield* driver.dma.unmap(0xffff_8800n)).toBe(0);
        expect(yield* byteAt(dma, 0xffff_c000n)).toBe(null);
      })(),
    );
  });

  it('shares memory that is cleared, for as long as the driver likes.', () => {
    const { bench, driver, dma } = driving(platform);
    const before = bench.kernel.allocator.inUse['driver memory'];
    bench.run(
      (function* () {
        const shared = yield* driver.dma.allocCoherent(PAGE + 1);
        if (typeof shared === 'number') throw new Error(`no memory: ${shared}`);
        expect(driver.memory.read(shared.buffer, 0, 2 * PAGE).every((byte) => byte === 0)).toBe(true);
        yield* dma.write(shared.iova + BigInt(PAGE), Uint8Array.of(3));
        yield ns(10_000);
        expect(driver.memory.read(shared.buffer, PAGE, 1)[0]).toBe(3);
        expect(yield* driver.dma.unmap(shared.iova), 'as if it were the driver’s').toBe(-EINVAL);
        expect(yield* driver.dma.freeCoherent(shared.iova)).toBe(0);
        expect(yield* driver.dma.freeCoherent(shared.iova)).toBe(-EINVAL);
        expect(yield* byteAt(dma, shared.iova)).toBe(null);
      })(),
    );
    expect(bench.kernel.allocator.inUse['driver memory']).toBe(before);
  });

  it.each<[string, number, number]>([
    ['nothing', 0, 0],
    ['a negative length', 0, -1],
    ['what begins before its buffer', -1, 2],
    ['what ends behind its buffer', PAGE - 1, 2],
    ['half a byte', 0.5, 0.5],
  ])('lends no %s', (_title, offset, length) => {
    const { bench, driver } = driving(platform);
    const buffer = marked(driver, 1, 0);
    expect(bench.run(driver.dma.map(buffer, 'both', { offset, length }))).toBe(-EINVAL);
    expect(bench.run(driver.dma.mapSg([{ buffer }, { buffer, offset, length }], 'both'))).toBe(-EINVAL);
    expect(bench.run(driver.dma.mapSg([], 'both'))).toBe(-EINVAL);
    for (const bytes of [0, -1, 0.5]) expect(bench.run(driver.dma.allocCoherent(bytes))).toBe(-EINVAL);
  });

  it('leaves nothing when the driver goes, whatever is still lent.', () => {
    const { bench, driver, dma } = driving(platform);
    const before = held(bench);
    expect(driver.dma.domainType).toBe('blocked');
    bench.run(
      (function* () {
        const iova = yield* address(driver.dma.map(marked(driver, 3, 0x40), 'both'));
        yield* driver.dma.allocCoherent(PAGE);
        expect(driver.dma.domainType).toBe('dma');
        expect(yield* byteAt(dma, iova)).toBe(0x40);
        expect(yield* driver.release()).toBe(0);
        expect(driver.dma.domainType).toBe('blocked');
        // Bus mastering is off; the next driver has it, and nothing of the last one's memory.
        const next = bench.kernel.driver('dev0');
        if (typeof next === 'number') throw new Error('the device was not given back');
        yield* next.setBusMaster(true);
        expect(yield* byteAt(dma, iova)).toBe(null);
        yield* next.release();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('is not for a device that its driver has attached elsewhere.', () => {
    const { bench, driver } = driving(platform);
    const before = held(bench);
    bench.run(
      (function* () {
        const domain = yield* driver.domain();
        if (typeof domain === 'number') throw new Error('no domain');
        expect(yield* driver.attach(domain)).toBe(0);
        const buffer = marked(driver, 1, 0);
        expect(yield* driver.dma.map(buffer, 'both')).toBe(-EBUSY);
        expect(driver.dma.domainType).toBe('blocked');
        expect(yield* driver.detach(domain)).toBe(0);
        yield* address(driver.dma.map(buffer, 'both'));
        expect(yield* driver.release()).toBe(0);
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('keeps two drivers that begin at the same time apart.', () => {
    const { bench, driver } = driving(platform);
    const tasks = [0, 1].map((i) => bench.engine.spawn(driver.dma.map(marked(driver, 1, i), 'both')));
    bench.engine.run();
    expect(tasks.map(({ result }) => result)).toEqual([TOP, TOP - 0x1000n]);
    expect(bench.run(driver.release())).toBe(0);
  });
});

describe.each(PASSING)('Without translation on %s', (name) => {
  const identity = { defaultDomain: 'identity' } as const;

  it('memory has its own address, and the device reaches all of it.', () => {
    const { bench, driver, dma, invalidations } = driving(PLATFORMS[name]!, identity);
    const before = held(bench);
    bench.run(
      (function* () {
        const buffer = marked(driver, 2, 0x40);
        const [frame] = buffer.frames;
        const iova = yield* address(driver.dma.map(buffer, 'to device', { offset: 5, length: 3 }));
        expect(iova).toBe(BigInt(frame! * PAGE + 5));
        expect(driver.dma.domainType).toBe('identity');
        invalidations();
        expect(yield* driver.dma.map(buffer, 'to device', { offset: 7, length: 1 })).toBe(BigInt(frame! * PAGE + 7));
        expect([yield* driver.dma.unmap(iova), yield* driver.dma.unmap(iova)]).toEqual([0, 0]);
        expect(yield* driver.dma.unmap(iova)).toBe(-EINVAL);
        expect(invalidations()).toBe(0);
        expect(yield* byteAt(dma, BigInt(buffer.frames[1]! * PAGE))).toBe(0x41);
        expect(yield* driver.release()).toBe(0);
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('scattered memory has several addresses, and what a driver shares with its device stands in a row.', () => {
    const { bench, driver, dma } = driving(PLATFORMS[name]!, identity);
    bench.run(
      (function* () {
        const buffers = [marked(driver, 1, 1), marked(driver, 1, 2), marked(driver, 1, 3)];
        const frames = buffers.map((buffer) => buffer.frames[0]!);
        const scattered = { frames: Float64Array.of(frames[2]!, frames[0]!), length: 2 * PAGE };
        expect(yield* driver.dma.map(scattered, 'both')).toBe(-EINVAL);
        expect(yield* driver.dma.mapSg([{ buffer: scattered }], 'both')).toEqual([
          { iova: BigInt(frames[2]! * PAGE), length: PAGE },
          { iova: BigInt(frames[0]! * PAGE), length: PAGE },
        ]);
        const shared = yield* driver.dma.allocCoherent(3 * PAGE);
        if (typeof shared === 'number') throw new Error(`no memory: ${shared}`);
        driver.memory.write(shared.buffer, 2 * PAGE, Uint8Array.of(8));
        expect(yield* byteAt(dma, shared.iova + BigInt(2 * PAGE))).toBe(8);
        expect(yield* driver.dma.freeCoherent(shared.iova)).toBe(0);
        expect(driver.dma.setMask(13)).toBe(0);
        expect(yield* driver.dma.map(buffers[0]!, 'both')).toBe(-EINVAL);
      })(),
    );
  });
});

describe('A unit that cannot pass addresses through', () => {
  it('has its devices’ memory mapped, and the kernel says so.', () => {
    const { bench, driver } = driving(PLATFORMS['VT-d in legacy mode']!, { defaultDomain: 'identity' });
    const unit = bench.kernel.iommu.groups[0]!.driver;
    expect(bench.run(unit.allocateIdentity())).toBe(-EOPNOTSUPP);
    expect(bench.run(driver.dma.map(marked(driver, 1, 0), 'both'))).toBe(TOP);
    expect(driver.dma.domainType).toBe('dma');
    expect(bench.kernel.log.toString()).toContain('no pass-through; its memory is mapped');
  });
});
