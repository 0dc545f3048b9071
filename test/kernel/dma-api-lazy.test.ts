/** When what a driver has unmapped is out of its device's reach, and when its address can be used again. */
import { describe, expect, it } from 'vitest';
import { ms, type Script, us } from '../../hardware/sim/index.ts';
import { address, byteAt, type Driving, driving, marked, PLATFORMS, take } from './dma-bench.ts';
import { held, PAGE } from './machine-bench.ts';

const ALL = Object.entries(PLATFORMS);
const LAZY = { dmaPolicy: 'lazy' } as const;
const TOP = 0xffff_f000n;

/** Invalidations that a map needs: what is not there may be cached, too. */
function perMapOf(unit: string): number {
  return unit.endsWith('caching mode') ? 1 : 0;
}

/** Maps and unmaps one page so many times; the addresses. */
function* mapAndUnmap({ driver }: Driving, times: number): Script<bigint[]> {
  const buffer = marked(driver, 1, 0x40);
  const seen: bigint[] = [];
  for (let i = 0; i < times; i++) {
    const iova = yield* address(driver.dma.map(buffer, 'to device'));
    seen.push(iova);
    expect(yield* driver.dma.unmap(iova)).toBe(0);
  }
  return seen;
}

describe.each(ALL)('With the strict policy on %s', (unit, platform) => {
  it('each unmap is an invalidation, and the address can be used at once.', () => {
    const driven = driving(platform);
    driven.bench.run(
      (function* () {
        // The first one makes the domain.
        yield* mapAndUnmap(driven, 1);
        const perMap = perMapOf(unit);
        driven.invalidations();
        expect(yield* mapAndUnmap(driven, 10)).toEqual(new Array(10).fill(TOP));
        expect(driven.invalidations()).toBe(10 * (1 + perMap));
      })(),
    );
  });
});

/** On the other platform a map needs hardware, too. */
const QUIET = ALL.filter(([unit]) => perMapOf(unit) === 0);

describe.each(QUIET)('What is mapped while an unmap waits on %s', (_, platform) => {
  it.each(['strict', 'lazy'] as const)(
    'beside it is in reach, though hardware knows the old tables (%s).',
    (dmaPolicy) => {
      const { bench, driver, dma } = driving(platform, { dmaPolicy });
      bench.run(
        (function* () {
          const buffer = marked(driver, 1, 0x40);
          const old = yield* address(driver.dma.map(buffer, 'to device'));
          expect(yield* byteAt(dma, old)).toBe(0x40);
          bench.tap = () => false;
          bench.engine.spawn(driver.dma.unmap(old));
          const fresh = yield* address(driver.dma.map(buffer, 'to device'));
          expect(fresh).toBe(old - 0x1000n);
          expect([yield* byteAt(dma, fresh), yield* byteAt(dma, old)]).toEqual([0x40, 0x40]);
        })(),
      );
    },
  );
});

describe.each(ALL)('With the lazy policy on %s', (unit, platform) => {
  it('the device reaches memory after its unmap until the flush 10 ms later, and not after it.', () => {
    const { bench, driver, dma } = driving(platform, LAZY);
    bench.run(
      (function* () {
        const buffer = marked(driver, 1, 0x40);
        const iova = yield* address(driver.dma.map(buffer, 'to device'));
        expect(yield* byteAt(dma, iova)).toBe(0x40);
        expect(yield* driver.dma.unmap(iova)).toBe(0);
        yield us(9_900);
        expect(yield* byteAt(dma, iova)).toBe(0x40);
        yield us(200);
        expect(yield* byteAt(dma, iova)).toBe(null);
        yield us(20);
      })(),
    );
    expect(bench.kernel.faults).toHaveLength(1);
  });

  it('an address is not used again before the flush.', () => {
    const { bench, driver } = driving(platform, LAZY);
    bench.run(
      (function* () {
        const buffer = marked(driver, 1, 0x40);
        const first = yield* address(driver.dma.map(buffer, 'to device'));
        expect(yield* driver.dma.unmap(first)).toBe(0);
        const second = yield* address(driver.dma.map(buffer, 'to device'));
        expect([first, second]).toEqual([TOP, TOP - 0x1000n]);
        yield ms(11);
        expect(yield* address(driver.dma.map(buffer, 'to device'))).toBe(first);
      })(),
    );
  });

  it('the 256th unmap has the 255 before it flushed, with one invalidation, and waits itself.', () => {
    const driven = driving(platform, LAZY);
    const { bench, driver, dma, invalidations } = driven;
    bench.run(
      (function* () {
        const buffer = marked(driver, 256, 0);
        const segments: bigint[] = [];
        for (let i = 0; i < 256; i++) {
          segments.push(yield* address(driver.dma.map(buffer, 'to device', { offset: i * PAGE, length: PAGE })));
        }
        const last = segments.pop()!;
        for (const iova of [segments[0]!, segments[254]!, last]) yield* dma.read(iova, 1);
        const start = bench.engine.now;
        invalidations();
        for (const iova of segments) expect(yield* driver.dma.unmap(iova)).toBe(0);
        expect(invalidations()).toBe(0);
        expect([yield* byteAt(dma, segments[0]!), yield* byteAt(dma, segments[254]!)]).toEqual([0, 254]);
        expect(yield* driver.dma.unmap(last)).toBe(0);
        expect(invalidations()).toBe(1);
        expect([yield* byteAt(dma, segments[0]!), yield* byteAt(dma, segments[254]!)]).toEqual([null, null]);
        expect(bench.engine.now - start, 'long before the time is up').toBeLessThan(ms(5));
        // The flush was the whole domain's, and so the last page is out of reach as well; but its address still waits.
        expect(yield* byteAt(dma, last)).toBe(null);
        const next: bigint[] = [];
        for (let i = 0; i < 255; i++) next.push(yield* address(driver.dma.map(buffer, 'to device', { length: PAGE })));
        expect([...next].sort()).toEqual([...segments].sort());
        invalidations();
        yield ms(10);
        expect(invalidations()).toBe(1);
        expect(yield* address(driver.dma.map(buffer, 'to device', { length: PAGE }))).toBe(last);
      })(),
    );
  });

  it('tables are kept until the flush, and so is memory that a driver shared.', () => {
    const { bench, driver, dma } = driving(platform, LAZY);
    const { allocator } = bench.kernel;
    bench.run(
      (function* () {
        const kept = yield* address(driver.dma.map(marked(driver, 1, 0x40), 'to device'));
        // More than one table maps: what lies in between becomes empty.
        const wide = marked(driver, 1024, 0);
        const before = { ...allocator.inUse };
        const shared = yield* driver.dma.allocCoherent(PAGE);
        if (typeof shared === 'number') throw new Error('no memory');
        const iova = yield* address(driver.dma.map(wide, 'to device'));
        const mapped = { ...allocator.inUse };
        expect(mapped['I/O page table']).toBeGreaterThan(before['I/O page table']!);
        driver.memory.write(shared.buffer, 0, Uint8Array.of(7));
        expect(yield* byteAt(dma, shared.iova)).toBe(7);
        expect([yield* driver.dma.unmap(iova), yield* driver.dma.freeCoherent(shared.iova)]).toEqual([0, 0]);
        expect(allocator.inUse).toEqual(mapped);
        expect(yield* byteAt(dma, shared.iova)).toBe(7);
        yield ms(11);
        expect(allocator.inUse).toEqual(before);
        expect([yield* byteAt(dma, shared.iova), yield* byteAt(dma, kept)]).toEqual([null, 0x40]);
      })(),
    );
  });

  it('the clock runs from the first unmap that waits, and again from the first after the flush.', () => {
    const driven = driving(platform, LAZY);
    const { bench, invalidations } = driven;
    bench.run(
      (function* () {
        const flushes: number[] = [];
        yield* mapAndUnmap(driven, 1);
        invalidations();
        for (let i = 0; i < 4; i++) {
          yield ms(4);
          flushes.push(invalidations());
          if (i < 3) yield* mapAndUnmap(driven, 1);
        }
        // The first flush took two entries more with it; one more came after it.
        const perMap = perMapOf(unit);
        expect(flushes).toEqual([0, perMap, 1 + perMap, perMap]);
        yield ms(10);
        expect(invalidations()).toBe(1);
        yield ms(30);
        expect(invalidations(), 'nothing waits').toBe(0);
      })(),
    );
  });

  it('a driver that goes waits for the flush, and leaves nothing.', () => {
    const driven = driving(platform, LAZY);
    const { bench, driver, dma } = driven;
    const before = held(bench);
    bench.run(
      (function* () {
        const [iova] = yield* mapAndUnmap(driven, 3);
        yield* driver.dma.allocCoherent(PAGE);
        expect(yield* driver.release()).toBe(0);
        expect(held(bench)).toEqual(before);
        const next = bench.kernel.driver('dev0');
        if (typeof next === 'number') throw new Error(`the device was not given back: ${next}`);
        yield* next.setBusMaster(true);
        expect(yield* byteAt(dma, iova!)).toBe(null);
        expect(yield* next.release()).toBe(0);
      })(),
    );
    expect(bench.engine.pending).toBe(0);
  });
});

describe('Two drivers with the lazy policy', () => {
  it('have a queue each: what one flushes is not the other’s.', () => {
    const driven = driving(PLATFORMS['VT-d in legacy mode']!, LAZY);
    const other = take(driven.bench, 'dev1');
    driven.bench.run(
      (function* () {
        const iova = yield* address(other.driver.dma.map(marked(other.driver, 1, 0x60), 'to device'));
        expect(yield* byteAt(other.dma, iova)).toBe(0x60);
        expect(yield* other.driver.dma.unmap(iova)).toBe(0);
        yield* mapAndUnmap(driven, 300);
        expect(yield* byteAt(other.dma, iova)).toBe(0x60);
      })(),
    );
  });
});
