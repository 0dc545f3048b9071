import { describe, expect, it } from 'vitest';
import { EFAULT, EINVAL, ENOMEM } from '../../src/uapi/index.ts';
import { addressOf, finish, load, MemoryBench, MIB, PAGE, store } from './memory-bench.ts';

/** Page of 0x4000_0000, where the first mapping goes. */
const HEAP = 0x4_0000;

describe('the page tables of a process', () => {
  it('lead to a page through the entries that x86-64 paging has, and note what a CPU notes', () => {
    const bench = new MemoryBench();
    const { memory } = bench;
    const space = bench.space();
    expect(space.map(1, true, 'heap')).toBe(HEAP);
    expect(load(space, HEAP)).toBe(0);
    // The page has the first frame of memory, 0x100; its tables come behind it.
    expect(space.root).toBe(0x101);
    expect(memory.read64(0x10_1000)).toBe(0x0000_0000_0010_2027n);
    expect(memory.read64(0x10_2000 + 1 * 8)).toBe(0x0000_0000_0010_3027n);
    expect(memory.read64(0x10_3000)).toBe(0x0000_0000_0010_4027n);
    expect(memory.read64(0x10_4000)).toBe(0x8000_0000_0010_0027n);
    expect(store(space, HEAP, 1)).toBe(0);
    expect(memory.read64(0x10_4000)).toBe(0x8000_0000_0010_0067n);
    expect(memory.read64(0x10_3000)).toBe(0x0000_0000_0010_4027n);
    expect(memory.read(0x10_0000, 1)).toEqual(Uint8Array.of(1));
  });

  it('have no right to write where the process has none', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    space.map(1, false, 'heap', true);
    expect(bench.memory.read64(0x10_4000)).toBe(0x8000_0000_0010_0005n);
    expect(store(space, HEAP, 1)).toBe(-EFAULT);
    expect(load(space, HEAP)).toBe(0);
    expect(bench.memory.read64(0x10_4000)).toBe(0x8000_0000_0010_0025n);
  });

  it('have one entry for 2 MiB, which is taken as a whole at the first touch', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    space.map(512, true, 'heap');
    store(space, HEAP + 300, 7);
    expect(bench.allocator.inUse).toEqual({ user: 512, 'page table': 3 });
    // The first 2 MiB that are aligned; the tables fit in front of them.
    expect(space.root).toBe(0x100);
    expect(bench.memory.read64(0x10_2000)).toBe(0x8000_0000_0020_00e7n);
    expect(bench.memory.read(0x20_0000 + 300 * PAGE, 1)).toEqual(Uint8Array.of(7));
  });
});

describe('memory that was asked for', () => {
  it('takes no frames before it is touched, reads 0 and is gone after the last page', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    const { free } = bench.allocator;
    const first = space.map(100, true, 'heap');
    expect(bench.allocator.free).toBe(free);
    expect(space.copyFromUser(addressOf(first, PAGE - 2), 4)).toEqual(new Uint8Array(4));
    expect(bench.allocator.inUse['user']).toBe(2);
    expect(load(space, first + 99)).toBe(0);
    expect(load(space, first + 100)).toBe(-1);
    expect(store(space, first - 1, 1)).toBe(-EFAULT);
  });

  it('has its frames at once when it is to be populated, or is not mapped at all', () => {
    const bench = new MemoryBench(4 * MIB);
    const space = bench.space();
    space.map(100, true, 'heap', true);
    expect(bench.allocator.inUse['user']).toBe(100);
    const { inUse } = bench.allocator;
    expect(space.map(700, true, 'heap', true)).toBe(-ENOMEM);
    expect(bench.allocator.inUse).toEqual(inUse);
    expect(space.map(700, true, 'heap')).toBeGreaterThan(0);
  });

  it('gets large blocks when it is pinned untouched, and those pages that are missing when it is not', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    const first = space.map(1024, true, 'heap');
    const pinned = space.pin(first, 1024, true);
    if (typeof pinned === 'number') throw new Error('not pinned');
    expect(pinned.frames[0]! % 512).toBe(0);
    expect([...pinned.frames.subarray(0, 512)]).toEqual(Array.from({ length: 512 }, (_, i) => pinned.frames[0]! + i));
    expect(bench.allocator.inUse).toEqual({ user: 1024, 'page table': 3 });
    space.unpin(pinned);
    const small = space.map(4, true, 'heap');
    store(space, small + 2, 9);
    const mixed = space.pin(small, 4, false);
    if (typeof mixed === 'number') throw new Error('not pinned');
    expect(bench.memory.read(mixed.frames[2]! * PAGE, 1)).toEqual(Uint8Array.of(9));
    expect(bench.allocator.inUse['user']).toBe(1028);
    expect(space.locked).toBe(4);
  });

  it('comes for a device that faults, too', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    const first = space.map(1, false, 'heap');
    expect(finish(space.fault(first, true))).toBe(-EFAULT);
    expect(finish(space.fault(first + 1, false))).toBe(-EFAULT);
    expect(bench.allocator.inUse).toEqual({});
    expect(finish(space.fault(first, false))).toBe(0);
    expect(bench.walk(space.root, first)).toMatchObject({ write: false });
    expect(finish(space.fault(first, false))).toBe(0);
    const second = space.map(1, true, 'heap');
    bench.faultPoints.refuse = () => true;
    expect(finish(space.fault(second, true))).toBe(-ENOMEM);
    expect(space.map(1, true, 'heap')).toBe(-ENOMEM);
  });

  it('costs its time at the first touch and not when it is asked for', () => {
    const space = new MemoryBench().space();
    const first = space.map(8, true, 'heap');
    expect([...space.settle()]).toEqual([]);
    store(space, first, 1);
    // An interruption, a block, a cleared page, and an entry at each of 4 levels.
    expect([...space.settle()]).toEqual([(100 + 50 + 60 + 4 * 5) * 1000]);
    store(space, first, 2);
    expect([...space.settle()]).toEqual([]);
  });
});

describe('giving memory up', () => {
  it('takes any part of it: the ends, the middle of a large page, several mappings and what lies between them', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    const first = space.map(512, true, 'heap', true);
    const second = space.map(3, true, 'heap', true);
    store(space, first + 99, 1);
    store(space, first + 101, 2);
    expect(finish(space.unmap(first + 100, 1))).toBe(0);
    expect([99, 100, 101].map((i) => load(space, first + i))).toEqual([1, -1, 2]);
    expect(bench.walk(space.root, first + 100)).toBeUndefined();
    expect(bench.allocator.inUse['user']).toBe(514);
    expect(finish(space.unmap(first + 100, 1))).toBe(0);
    expect(finish(space.unmap(first + 510, second - first - 510 + 1))).toBe(0);
    expect([first + 509, first + 510, second, second + 1].map((page) => load(space, page))).toEqual([0, -1, -1, 0]);
    expect(bench.allocator.inUse['user']).toBe(511);
    expect(finish(space.unmap(0, 2 ** 35))).toBe(0);
    expect(bench.allocator.inUse).toEqual({ 'page table': 1 });
    finish(space.clear());
    expect(bench.allocator.inUse).toEqual({});
  });

  it('is EINVAL for a range that is none or leaves the 47 bits of user addresses', () => {
    const space = new MemoryBench().space();
    for (const [first, pages] of [
      [0, 0],
      [0, -1],
      [0, Number.NaN],
      [0, 1.5],
      [0, Infinity],
      [1, 2 ** 35],
      [2 ** 35, 1],
      [2 ** 52 - 1, 1],
      [2 ** 52 - 1, 2 ** 52],
    ] as const) {
      expect(finish(space.unmap(first, pages))).toBe(-EINVAL);
    }
    expect(finish(space.unmap(0, 2 ** 35))).toBe(0);
  });

  it('costs what was touched, however large the mapping is', () => {
    const bench = new MemoryBench(2 ** 40);
    const space = bench.space();
    const before = bench.accesses;
    const first = space.map(2 ** 27, true, 'heap');
    expect(bench.accesses).toBe(before);
    for (const page of [0, 2 ** 20 + 1, 2 ** 27 - 1]) store(space, first + page, 1);
    const touched = bench.accesses;
    expect(finish(space.unmap(0, 2 ** 35))).toBe(0);
    expect(bench.accesses - touched).toBeLessThan(10_000);
    expect(bench.allocator.inUse).toEqual({ 'page table': 1 });
  });

  it('has a limit of areas that are left, so that holes do not grow without bound', () => {
    const space = new MemoryBench(2 ** 40).space();
    const first = space.map(2 ** 18, true, 'heap');
    for (let i = 1; i < 65_530; i++) expect(finish(space.unmap(first + 2 * i, 1))).toBe(0);
    expect(finish(space.unmap(first + 2 * 65_530, 1))).toBe(-ENOMEM);
    expect(space.map(1, true, 'heap')).toBe(-ENOMEM);
    expect(load(space, first + 2 * 65_530)).toBe(0);
    expect(finish(space.unmap(first, 2))).toBe(0);
    expect(finish(space.unmap(first + 2 * 65_530, 1))).toBe(0);
  });

  it('is for good when the process ends', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    store(space, space.map(2, true, 'stack'), 1);
    finish(space.clear());
    expect(space.map(1, true, 'heap')).toBe(-ENOMEM);
    expect(space.root).toBe(-ENOMEM);
    expect(finish(space.fork())).toBe(-ENOMEM);
    expect(bench.allocator.inUse).toEqual({});
  });
});
