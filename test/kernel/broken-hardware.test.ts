import { describe, expect, it } from 'vitest';
import { ms } from '../../hardware/sim/index.ts';
import { EIO } from '../../src/uapi/index.ts';
import { Bench, type BenchOptions, held, map, PAGE, setUp, unmap } from './bench.ts';

const K4 = BigInt(PAGE);
const FSTS_OFFSET = 0x34;
const ITE = 1n << 6n;
/** Where CAP and ECAP of the bench put the IOTLB register, and its start bit. */
const IOTLB_OFFSET = 0xf8;
const IVT = 1n << 63n;

describe('when the IOMMU does not answer', () => {
  it.each<[string, BenchOptions, (bench: Bench) => void]>([
    [
      'the invalidation queue',
      {},
      (bench) => {
        bench.tap = () => false;
      },
    ],
    [
      'the invalidation registers',
      { ecap: { QI: 0 } },
      (bench) => {
        bench.readTap = (offset, value) => (offset === IOTLB_OFFSET ? value | IVT : value);
      },
    ],
  ])('in time (%s), an unmap ends with EIO and the pages are never used again', (_, options, fail) => {
    const bench = Bench.up(options);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        fail(bench);
        expect(yield* unmap(s, 0n, K4)).toMatchObject({ result: -EIO });
        expect(bench.kernel.pages.pinned).toBe(1);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(1);
    expect(bench.kernel.allocator.inUse['user']).toBe(1);
    expect(bench.kernel.log.toString()).toContain('may still reach 4096 bytes');
  });

  it('and then does again, the unmap can be repeated and everything is given back', () => {
    const bench = Bench.up({ ecap: { QI: 0 } });
    const before = held(bench);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        bench.readTap = (offset, value) => (offset === IOTLB_OFFSET ? value | IVT : value);
        expect(yield* unmap(s, 0n, K4)).toMatchObject({ result: -EIO });
        bench.readTap = null;
        expect(yield* unmap(s, 0n, K4)).toEqual({ result: 0, size: K4 });
        yield* s.program.exit();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('at boot, the kernel gives the unit up after a bounded time', () => {
    const bench = new Bench();
    bench.tap = () => false;
    bench.run(bench.kernel.boot());
    expect(bench.kernel.iommu.groups).toEqual([]);
    expect(bench.kernel.log.toString()).toContain('did not finish in time');
  });

  it('because it refuses a descriptor, the call ends with EIO and the queue goes on', () => {
    const bench = new Bench();
    let ring = 0;
    let spoil = false;
    bench.tap = (offset, value) => {
      if (offset === 0x90) ring = Number(value & ~0xfffn);
      if (offset === 0x88 && spoil) {
        spoil = false;
        const first = Number(value) - 2 * 16;
        bench.memory.write(ring + first, new Uint8Array(16).fill(0xff));
      }
      return true;
    };
    bench.run(bench.kernel.boot());
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        spoil = true;
        expect(yield* unmap(s, 0n, K4)).toMatchObject({ result: -EIO });
        expect(yield* unmap(s, 0n, K4)).toEqual({ result: 0, size: K4 });
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('is refused: INVALID_TYPE');
    expect(bench.kernel.pages.pinned).toBe(0);
  });

  it('because a device does not answer it, the unit is given up after some tries', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        bench.tap = () => false;
        bench.readTap = (offset, value) => (offset === FSTS_OFFSET ? value | ITE : value);
        const start = bench.engine.now;
        expect(yield* unmap(s, 0n, K4)).toMatchObject({ result: -EIO });
        expect(bench.engine.now - start).toBeLessThan(ms(1));
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('a device does not answer invalidations');
  });
});
