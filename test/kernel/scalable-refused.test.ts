/** What is left when hardware refuses one invalidation of a change in scalable mode, and goes on with the next. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { EIO } from '../../src/uapi/index.ts';
import { type Bench, held } from './bench.ts';
import { behind, cached, dmaRead, mapPage, scalableBench, sure } from './scalable-bench.ts';

const AT = 0x40_0000;
const IOVA_PAGE = AT / PAGE_SIZE;
const IQH_OFFSET = 0x80;
const IQT_OFFSET = 0x88;
const IQA_OFFSET = 0x90;
const NOTHING = { iotlb: 0, contexts: 0, pasids: 0, firstStage: 0, secondStage: 0 };

/** Hardware refuses the first descriptor of the batch with this number, counted from 1 and from now on. */
function refuse(bench: Bench, number: number): void {
  let batches = 0;
  bench.tap = (offset) => {
    if (offset === IQT_OFFSET && ++batches === number) {
      const ring = Number(bench.unit.read(IQA_OFFSET, 8) & ~0xfffn);
      bench.memory.write64(ring + Number(bench.unit.read(IQH_OFFSET, 8)), 0xfn);
    }
    return true;
  };
}

describe('An attachment', () => {
  it.each([
    ['context entry', 1],
    ['PASID-table entry', 2],
  ])('whose %s could not be announced in caching mode can be detached, and leaves nothing.', (_, number) => {
    const bench = scalableBench({ cap: { CM: 1 } });
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* mapPage(bench, domain, IOVA_PAGE, 7);
        const before = held(bench);
        refuse(bench, number);
        expect(yield* domain.attach(device)).toBe(-EIO);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe('UNSUPPORTED_REQUEST');
        expect(yield* domain.detach(device)).toBe(0);
        expect(held(bench)).toEqual(before);
        expect(yield* domain.attach(device)).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe(7);
      })(),
    );
  });
});

describe('A context entry that is gone and may still be cached', () => {
  /** Batches of a detach: the PASID-table entry, then the context entry. */
  const CONTEXT = 2;

  it.each([
    ['second', 'second'],
    ['second', 'first'],
    ['first', 'second'],
  ] as const)('leads to nothing of what used its PASID tables later: a %s stage, then a %s.', (stage, later) => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    bench.run(
      (function* () {
        const [one, two] = [
          yield* sure(driver.allocateDomain({ stage })),
          yield* sure(driver.allocateDomain({ stage: later })),
        ];
        yield* mapPage(bench, one, IOVA_PAGE, 1);
        yield* mapPage(bench, two, IOVA_PAGE, 2);
        const mapped = held(bench);
        yield* one.attach(device);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe(1);
        refuse(bench, CONTEXT);
        expect(yield* one.detach(device)).toBe(-EIO);
        expect(cached(bench)).toEqual({ ...NOTHING, contexts: 1 });
        expect(yield* dmaRead(bench, device, { address: AT })).toBe('UNSUPPORTED_REQUEST');
        // Another domain comes and goes meanwhile, below the same directory.
        expect(yield* two.attach(device, { pasid: 5 })).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT, pasid: 5 })).toBe(2);
        expect(yield* two.detach(device, 5)).toBe(0);
        expect(cached(bench)).toEqual(NOTHING);
        expect(yield* dmaRead(bench, device, { address: AT, pasid: 5 })).toBe('UNSUPPORTED_REQUEST');
        expect(held(bench)).toEqual(mapped);
        // Nothing is left to be done for the first one, which is free again.
        expect(yield* one.detach(device)).toBe(0);
        expect(yield* one.attach(device)).toBe(0);
        expect(yield* dmaRead(bench, device, { address: AT })).toBe(1);
        expect(yield* one.detach(device)).toBe(0);
      })(),
    );
  });

  it('is taken away for good by another detach.', () => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        const before = held(bench);
        yield* domain.attach(device);
        refuse(bench, CONTEXT);
        expect(yield* domain.detach(device)).toBe(-EIO);
        expect(held(bench)).not.toEqual(before);
        expect(yield* domain.detach(device)).toBe(0);
        expect(held(bench)).toEqual(before);
      })(),
    );
  });
});
