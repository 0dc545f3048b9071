/** Free I/O virtual addresses: the tree of free ranges and the allocator on it, each against pages that are counted one by one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ceilingLog2 } from '../../hardware/bits/index.ts';
import { Gaps } from '../../src/kernel/dma/gaps.ts';
import { IovaAllocator } from '../../src/kernel/dma/iova-allocator.ts';
import { ENOSPC } from '../../src/uapi/index.ts';

const SIZE = 300;
const ALL = { last: Number.MAX_SAFE_INTEGER, emptyCache: true };

/** The highest place for `pages` pages, aligned, in pages of which each is free or not; -1. */
function highest(free: readonly boolean[], pages: number, last: number): number {
  const align = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].find((power) => power >= pages)!;
  for (let at = Math.floor((Math.min(free.length, last + 1) - pages) / align) * align; at >= 0; at -= align) {
    if (free.slice(at, at + pages).every(Boolean)) return at;
  }
  return -1;
}

const step = fc.oneof(
  fc.record({ pages: fc.integer({ min: 1, max: 90 }), last: fc.integer({ min: 0, max: SIZE + 10 }) }),
  fc.record({ pages: fc.integer({ min: 1, max: 3 }), last: fc.integer({ min: 0, max: SIZE + 10 }) }),
  fc.record({ free: fc.nat() }),
);

describe('Free ranges', () => {
  it('are found where they are looked for page by page: aligned, the highest first.', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const gaps = new Gaps();
        const free = new Array<boolean>(SIZE).fill(true);
        const held: { start: number; end: number }[] = [];
        gaps.add(0, SIZE);
        for (const step of steps) {
          if ('free' in step) {
            const [range] = held.splice(step.free % Math.max(1, held.length), 1);
            if (range === undefined) continue;
            gaps.add(range.start, range.end);
            free.fill(true, range.start, range.end);
          } else {
            const start = gaps.take(step.pages, step.last);
            expect(start).toBe(highest(free, step.pages, step.last));
            if (start < 0) continue;
            free.fill(false, start, start + step.pages);
            held.push({ start, end: start + step.pages });
          }
          expect(gaps.pages).toBe(free.filter(Boolean).length);
        }
        for (const { start, end } of held) gaps.add(start, end);
        expect(gaps.take(256, SIZE), 'all in one piece again').toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('cannot be freed a second time, not even in part.', () => {
    const gaps = new Gaps();
    gaps.add(4, 8);
    for (const [start, end] of [
      [4, 8],
      [7, 9],
      [3, 5],
      [5, 6],
      [0, 20],
    ] as const) {
      expect(() => gaps.add(start, end), `${start}-${end}`).toThrow('are freed and some of them are free');
    }
  });

  it('may be as large as addresses of 64 bits are.', () => {
    const gaps = new Gaps();
    gaps.add(1, 2 ** 52);
    expect(gaps.take(2 ** 51, 2 ** 52)).toBe(2 ** 51);
    expect(gaps.take(2 ** 40 - 1, 2 ** 52)).toBe(2 ** 51 - 2 ** 40);
    expect(gaps.take(2 ** 51, 2 ** 52)).toBe(-1);
    expect([1, 2, 3, 4, 2 ** 32, 2 ** 32 + 1, 2 ** 52].map(ceilingLog2)).toEqual([0, 1, 2, 2, 32, 33, 52]);
  });
});

describe('The allocator of addresses', () => {
  it('gives nobody what another has, what is reserved or beyond the limit, and gets everything back.', () => {
    const reserved = fc.array(
      fc
        .tuple(fc.integer({ min: 0, max: SIZE }), fc.integer({ min: 0, max: 12 }))
        .map(([first, n]) => [first, first + n] as const),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), reserved, fc.boolean(), (steps, kept, emptyCache) => {
        const last = SIZE - 1;
        const addresses = new IovaAllocator({ last, reserved: kept });
        const usable = Array.from(
          { length: SIZE },
          (_, page) => page > 0 && kept.every(([a, b]) => page < a || page > b),
        );
        const total = usable.filter(Boolean).length;
        expect(addresses.free).toBe(total);
        const free = [...usable];
        const held: { first: number; pages: number; size: number }[] = [];
        for (const step of steps) {
          if ('free' in step) {
            const [range] = held.splice(step.free % Math.max(1, held.length), 1);
            if (range === undefined) continue;
            addresses.release(range.first, range.pages);
            free.fill(true, range.first, range.first + range.size);
          } else {
            const { pages } = step;
            const size = pages <= 32 ? 2 ** ceilingLog2(pages) : pages;
            const first = addresses.allocate(pages, { last: step.last, emptyCache });
            const place = highest(free, size, step.last);
            if (first < 0) {
              expect(first).toBe(-ENOSPC);
              if (emptyCache) expect(place, 'there is room').toBe(-1);
              continue;
            }
            expect(first % 2 ** ceilingLog2(pages)).toBe(0);
            expect(first + size - 1).toBeLessThanOrEqual(Math.min(step.last, last));
            expect(free.slice(first, first + size).every(Boolean)).toBe(true);
            free.fill(false, first, first + size);
            held.push({ first, pages, size });
          }
          expect(addresses.free).toBe(free.filter(Boolean).length);
        }
        for (const { first, pages } of held) addresses.release(first, pages);
        expect(addresses.free).toBe(total);
        for (let page = SIZE; page > 0; page--) {
          if (usable[page] === true) expect(addresses.allocate(1, ALL)).toBeGreaterThan(0);
        }
        expect(addresses.allocate(1, ALL)).toBe(-ENOSPC);
      }),
      { numRuns: 300 },
    );
  });

  it('takes what was freed last from its cache, for any size that fits the same power of two up to 32 pages.', () => {
    const addresses = new IovaAllocator({ last: 1023, reserved: [] });
    const [one, other] = [addresses.allocate(3, ALL), addresses.allocate(4, ALL)];
    expect([one, other, addresses.searched]).toEqual([1020, 1016, true]);
    addresses.release(one, 3);
    expect(addresses.searched).toBe(false);
    addresses.release(other, 4);
    expect([addresses.allocate(4, ALL), addresses.allocate(3, ALL), addresses.searched]).toEqual([other, one, false]);
    const large = addresses.allocate(33, ALL);
    expect([large, addresses.searched]).toEqual([960, true]);
    addresses.release(large, 33);
    expect(addresses.searched).toBe(true);
    // 33 pages take no more than that.
    expect(addresses.allocate(33, ALL)).toBe(large);
    expect(addresses.free).toBe(1023 - 4 - 4 - 33);
  });

  it('keeps 254 ranges of a size in its cache; what comes then goes back to the tree.', () => {
    const addresses = new IovaAllocator({ last: 1023, reserved: [] });
    const held = Array.from({ length: 255 }, () => addresses.allocate(1, ALL));
    for (const first of held.slice(0, 254)) {
      addresses.release(first, 1);
      expect(addresses.searched).toBe(false);
    }
    addresses.release(held[254]!, 1);
    expect(addresses.searched).toBe(true);
  });

  it('gives up its cache before it fails, if it is told to.', () => {
    const addresses = new IovaAllocator({ last: 63, reserved: [] });
    const held = Array.from({ length: 63 }, () => addresses.allocate(1, ALL));
    for (const first of held) addresses.release(first, 1);
    expect(addresses.allocate(32, { ...ALL, emptyCache: false })).toBe(-ENOSPC);
    expect(addresses.allocate(32, ALL)).toBe(32);
  });

  it('leaves in its cache what a device does not reach.', () => {
    const addresses = new IovaAllocator({ last: 255, reserved: [] });
    const held = [addresses.allocate(1, ALL), addresses.allocate(1, ALL)];
    for (const first of held.reverse()) addresses.release(first, 1);
    expect(addresses.allocate(1, { ...ALL, last: 254 })).toBe(254);
    expect(addresses.allocate(1, { ...ALL, last: 254 })).toBe(253);
    expect(addresses.allocate(1, ALL)).toBe(255);
  });
});
