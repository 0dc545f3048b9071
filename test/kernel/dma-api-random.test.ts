/** Random drivers: no address is given out while a device may still have something behind it, and all come back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { us } from '../../hardware/sim/index.ts';
import { byteAt, driving, marked, PLATFORMS } from './dma-bench.ts';
import { held } from './machine-bench.ts';

const PAGES = 48;

interface Range {
  readonly iova: bigint;
  readonly pages: number;
  /** What the device read there. */
  readonly first: number;
}

/** Map some pages of the buffer, unmap one of what is mapped, or let time pass, in microseconds. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ from: fc.integer({ min: 0, max: PAGES - 1 }), pages: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 4, arbitrary: fc.record({ unmap: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 100, max: 12_000 }) }) },
);

const CASES = (['strict', 'lazy'] as const).flatMap((dmaPolicy) =>
  (['VT-d in legacy mode', 'VT-d with first stages only', 'AMD-Vi with host tables'] as const).map((name) => ({
    dmaPolicy,
    name,
  })),
);

describe.each(CASES)('A driver under the $dmaPolicy policy on $name', ({ dmaPolicy, name }) => {
  it('that maps and unmaps at random sees what it should, and no address twice.', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { bench, driver, dma, invalidations } = driving(PLATFORMS[name]!, { dmaPolicy });
        const before = held(bench);
        const buffer = marked(driver, PAGES, 0x40);
        const live: Range[] = [];
        let waiting: Range[] = [];
        bench.run(
          (function* () {
            for (const step of steps) {
              if ('wait' in step) yield us(step.wait);
              // A flush is the whole domain's, and takes everything that has been unmapped before.
              if (invalidations() > 0) waiting = [];
              if ('from' in step) {
                const pages = Math.min(step.pages, PAGES - step.from);
                const part = { offset: step.from * PAGE_SIZE, length: pages * PAGE_SIZE };
                const iova = yield* driver.dma.map(buffer, 'to device', part);
                if (typeof iova === 'number') throw new Error(`not mapped: ${iova}`);
                const range = { iova, pages, first: 0x40 + step.from };
                for (const other of [...live, ...waiting]) expect(meet(range, other)).toBe(false);
                live.push(range);
                expect(yield* byteAt(dma, iova)).toBe(range.first);
                expect(yield* byteAt(dma, iova + BigInt((pages - 1) * PAGE_SIZE))).toBe(range.first + pages - 1);
              } else if ('unmap' in step && live.length > 0) {
                const [range] = live.splice(step.unmap % live.length, 1);
                waiting.push(range!);
                expect(yield* driver.dma.unmap(range!.iova)).toBe(0);
                // What was read before is still in the IOTLB, unless somebody has waited for it.
                if (dmaPolicy === 'strict') expect(yield* byteAt(dma, range!.iova)).toBe(null);
              }
            }
            for (const { iova, first } of live) expect(yield* byteAt(dma, iova)).toBe(first);
            expect(yield* driver.release()).toBe(0);
          })(),
        );
        expect(held(bench)).toEqual(before);
      }),
      { numRuns: 12 },
    );
  });
});

function meet(one: Range, other: Range): boolean {
  const [end, otherEnd] = [one, other].map(({ iova, pages }) => iova + BigInt(pages * PAGE_SIZE));
  return one.iova < otherEnd! && other.iova < end!;
}
