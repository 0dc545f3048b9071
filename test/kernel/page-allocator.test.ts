import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { FaultPoints } from '../../src/kernel/fault-points.ts';
import { PageAllocator } from '../../src/kernel/page-allocator.ts';
import { ENOMEM } from '../../src/uapi/index.ts';

const PAGE = 4096;

function allocator(pages: number) {
  const memory = new PhysicalMemory();
  const cpu = {
    read: (address: number, length: number) => memory.read(address, length)!,
    write: (address: number, bytes: Uint8Array) => void memory.write(address, bytes),
    read64: (address: number) => memory.read64(address),
    write64: (address: number, value: bigint) => void memory.write64(address, value),
  };
  const faultPoints = new FaultPoints();
  return { memory, faultPoints, pages: new PageAllocator(cpu, [[0, pages * PAGE]], faultPoints) };
}

describe('the page allocator', () => {
  it('never hands out page 0, nor half a page', () => {
    const { memory } = allocator(1);
    expect(memory.touchedBytes).toBe(0);
    expect(allocator(4).pages.total).toBe(3);
    const odd = new PageAllocator({} as never, [[PAGE + 1, 2 * PAGE]]);
    expect(odd.total).toBe(1);
  });

  it('says -ENOMEM when nothing is left, and has room again after a free', () => {
    const { pages } = allocator(3);
    const [one, two] = [pages.allocate('a'), pages.allocate('a')];
    expect(pages.allocate('a')).toBe(-ENOMEM);
    pages.release(one);
    expect(pages.allocate('b')).toBe(one);
    expect(pages.inUse).toEqual({ a: 1, b: 1 });
    pages.release(one);
    pages.release(two);
    expect(pages.free).toBe(2);
  });

  it('throws when a page is freed twice', () => {
    const { pages } = allocator(8);
    const page = pages.allocate('a');
    pages.release(page);
    expect(() => pages.release(page)).toThrow(/not allocated/);
  });

  it('clears what its last owner left in a page', () => {
    const { memory, pages } = allocator(8);
    const page = pages.allocate('a');
    memory.write(page * PAGE + 100, Uint8Array.of(1, 2, 3));
    pages.release(page);
    while (pages.free > 0) pages.allocate('b');
    expect(memory.read(page * PAGE, PAGE)).toEqual(new Uint8Array(PAGE));
  });

  it('can be made to fail by a test', () => {
    const { pages, faultPoints } = allocator(8);
    faultPoints.refuse = (purpose) => purpose === 'b';
    expect(pages.allocate('a')).toBeGreaterThan(0);
    expect(pages.allocate('b')).toBe(-ENOMEM);
  });

  it('agrees with a map of pages about what is free, aligned and disjoint, and merges everything again', () => {
    const step = fc.oneof(
      fc.record({ order: fc.integer({ min: 0, max: 4 }), split: fc.boolean() }),
      fc.record({ free: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 2, max: 70 }), (steps, size) => {
        const { pages } = allocator(size);
        const owner = new Map<number, number>();
        const blocks: { frame: number; count: number }[] = [];
        for (const step of steps) {
          if ('free' in step) {
            const [block] = blocks.splice(step.free % Math.max(1, blocks.length), 1);
            if (block === undefined) continue;
            pages.release(block.frame);
            for (let i = 0; i < block.count; i++) owner.delete(block.frame + i);
            continue;
          }
          const frame = pages.allocate('x', step.order);
          if (frame < 0) continue;
          const count = 2 ** step.order;
          expect(frame % count).toBe(0);
          expect(frame + count).toBeLessThanOrEqual(size);
          for (let i = 0; i < count; i++) {
            expect(owner.has(frame + i)).toBe(false);
            owner.set(frame + i, frame);
          }
          if (step.split) {
            pages.split(frame);
            for (let i = 0; i < count; i++) blocks.push({ frame: frame + i, count: 1 });
          } else {
            blocks.push({ frame, count });
          }
          expect(pages.free).toBe(pages.total - owner.size);
        }
        for (const { frame } of blocks) pages.release(frame);
        expect(pages.free).toBe(pages.total);
        expect(pages.inUse).toEqual({});
        // Merged again: as large a block as at the beginning.
        const fresh = allocator(size).pages;
        for (let order = 0; order <= 6; order++) {
          expect(pages.allocate('y', order) < 0).toBe(fresh.allocate('y', order) < 0);
        }
      }),
    );
  });
});
