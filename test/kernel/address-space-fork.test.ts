import { describe, expect, it } from 'vitest';
import { ns, type Script } from '../../hardware/sim/index.ts';
import type { AddressSpace, MmuNotifier, Pinned } from '../../src/kernel/memory/address-space.ts';
import { EFAULT, EIO, ENOMEM } from '../../src/uapi/index.ts';
import { Bench, DEV, held, map, setUp, unmap } from './bench.ts';
import { finish, load, MemoryBench, PAGE, store } from './memory-bench.ts';

function childOf(space: AddressSpace): AddressSpace {
  const child = finish(space.fork());
  if (typeof child === 'number') throw new Error(`no child: ${child}`);
  return child;
}

function pinned(space: AddressSpace, first: number, pages: number, write = true): Pinned {
  const result = space.pin(first, pages, write);
  if (typeof result === 'number') throw new Error(`not pinned: ${result}`);
  return result;
}

/** Somebody who keeps translations: is told, takes a microsecond, and says what comes of it. */
function subscriber(told: string[], look: () => void = () => {}, result = 0): MmuNotifier {
  function* tell(what: string): Script<number> {
    told.push(what);
    look();
    yield ns(1000);
    return result;
  }
  return {
    invalidate: (first, pages) => tell(`${first}+${pages}`),
    release: () => tell('release'),
  };
}

describe('a child', () => {
  it('shares frames until the first write of either, which copies one page', () => {
    const bench = new MemoryBench();
    const parent = bench.space();
    const first = parent.map(512, true, 'heap', true);
    store(parent, first, 1);
    store(parent, first + 7, 7);
    const child = childOf(parent);
    expect(bench.allocator.inUse['user']).toBe(512);
    expect(bench.walk(child.root, first)).toEqual(bench.walk(parent.root, first));
    expect(bench.walk(parent.root, first)?.write).toBe(false);
    expect(load(child, first + 7)).toBe(7);
    expect(store(child, first, 2)).toBe(0);
    expect(store(parent, first + 7, 8)).toBe(0);
    expect(bench.allocator.inUse['user']).toBe(514);
    expect([load(parent, first), load(child, first)]).toEqual([1, 2]);
    expect([load(parent, first + 7), load(child, first + 7)]).toEqual([8, 7]);
    expect(bench.walk(child.root, first + 1)).toEqual(bench.walk(parent.root, first + 1));
    finish(parent.clear());
    expect(bench.allocator.inUse['user']).toBe(512);
    // Nobody else has the page any more: it is written where it is.
    expect(store(child, first + 1, 3)).toBe(0);
    expect(bench.allocator.inUse['user']).toBe(512);
    finish(child.clear());
    expect(bench.allocator.inUse).toEqual({});
  });

  it('has what it only may read for good, and no right to write it', () => {
    const bench = new MemoryBench();
    const parent = bench.space();
    const first = parent.map(1, false, 'heap', true);
    const child = childOf(parent);
    expect(store(child, first, 1)).toBe(-EFAULT);
    expect(bench.allocator.inUse['user']).toBe(1);
  });

  it('gets copies of pinned pages at once: a device goes on working with the parent', () => {
    const bench = new MemoryBench();
    const parent = bench.space();
    const first = parent.map(4, true, 'heap', true);
    store(parent, first + 1, 5);
    const pin = pinned(parent, first + 1, 1, false);
    const child = childOf(parent);
    expect(bench.allocator.inUse['user']).toBe(5);
    expect(child.locked).toBe(0);
    expect(parent.locked).toBe(1);
    store(parent, first + 1, 6);
    expect(bench.memory.read(pin.frames[0]! * PAGE, 1)).toEqual(Uint8Array.of(6));
    bench.memory.write(pin.frames[0]! * PAGE, Uint8Array.of(9));
    expect([load(parent, first + 1), load(child, first + 1)]).toEqual([9, 5]);
    expect(store(child, first + 1, 1)).toBe(0);
    expect(bench.allocator.inUse['user']).toBe(5);
  });

  it('cuts a large page of which a part is pinned: only what is not pinned is write-protected', () => {
    const bench = new MemoryBench();
    const parent = bench.space();
    const first = parent.map(512, true, 'heap', true);
    pinned(parent, first + 1, 1);
    childOf(parent);
    const rights = [0, 1, 2, 511].map((i) => bench.walk(parent.root, first + i)?.write);
    expect(rights).toEqual([false, true, false, false]);
  });

  it('and its parent pin frames of their own, even when they only read', () => {
    const bench = new MemoryBench();
    const parent = bench.space();
    const first = parent.map(1, true, 'heap', true);
    const child = childOf(parent);
    const pin = pinned(parent, first, 1, false);
    store(parent, first, 4);
    expect(bench.memory.read(pin.frames[0]! * PAGE, 1)).toEqual(Uint8Array.of(4));
    expect(load(child, first)).toBe(0);
  });

  it('that cannot be made for want of memory leaves the parent as it was', () => {
    for (let failing = 0; ; failing++) {
      const bench = new MemoryBench();
      const parent = bench.space();
      const first = parent.map(600, true, 'heap', true);
      for (let i = 0; i < 600; i++) store(parent, first + i, i % 251);
      const pin = pinned(parent, first + 3, 2);
      const { inUse } = bench.allocator;
      let count = 0;
      bench.faultPoints.refuse = () => count++ === failing;
      const child = finish(parent.fork());
      bench.faultPoints.refuse = null;
      if (typeof child !== 'number') {
        expect(count).toBeGreaterThan(4);
        finish(child.clear());
      } else expect(child).toBe(-ENOMEM);
      // A large page that was cut stays so, which takes tables and changes nothing.
      expect(bench.allocator.inUse['user']).toBe(inUse['user']);
      for (let i = 0; i < 600; i++) expect(load(parent, first + i)).toBe(i % 251);
      for (let i = 0; i < 600; i++) expect(store(parent, first + i, 1)).toBe(0);
      expect(bench.allocator.inUse['user']).toBe(inUse['user']);
      finish(parent.clear());
      parent.unpin(pin);
      expect(bench.allocator.inUse).toEqual({});
      if (typeof child !== 'number') break;
    }
  });
});

describe('those who keep translations', () => {
  it('are told of a munmap before the frames are free and after the tables are changed', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    const first = space.map(4, true, 'heap', true);
    const { root } = space;
    const { inUse } = bench.allocator;
    const told: string[] = [];
    space.subscribe(
      subscriber(told, () => {
        expect(bench.walk(root, first + 1)).toBeUndefined();
        expect(bench.allocator.inUse).toEqual(inUse);
        expect(finish(space.fault(first + 1, false))).toBe(-EFAULT);
      }),
    );
    finish(space.unmap(first + 1, 2));
    expect(told).toEqual([`${first + 1}+2`]);
    expect(bench.allocator.inUse['user']).toBe(2);
    finish(space.unmap(first + 1, 2));
    expect(told).toHaveLength(1);
  });

  it('are told of the end, and then the tables go', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    store(space, space.map(1, true, 'heap'), 1);
    const { inUse } = bench.allocator;
    const told: string[] = [];
    const leave = space.subscribe(subscriber([]));
    space.subscribe(subscriber(told, () => expect(bench.allocator.inUse['page table']).toBeGreaterThan(0)));
    if (typeof leave === 'number') throw new Error(`no memory: ${leave}`);
    leave();
    expect(inUse).toEqual({ user: 1, 'page table': 4 });
    finish(space.clear());
    expect(told).toEqual([`0+${2 ** 35}`, 'release']);
    expect(bench.allocator.inUse).toEqual({});
  });

  it('are told when a fork takes the right to write, and of each copy before its old frame is free', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    const first = space.map(2, true, 'heap', true);
    const told: string[] = [];
    space.subscribe(subscriber(told, () => expect(bench.walk(space.root, first)?.write).toBe(told.length > 1)));
    const child = childOf(space);
    expect(told).toEqual([`0+${2 ** 35}`]);
    store(space, first, 1);
    finish(child.clear());
    // The store took no time: the frame that it has left is kept for those who may still use it.
    expect(bench.allocator.inUse['user']).toBe(3);
    finish(space.settle());
    expect(told.slice(1)).toEqual([`${first}+1`]);
    expect(bench.allocator.inUse['user']).toBe(2);
    expect(finish(space.fault(first + 1, true))).toBe(0);
    expect(told.slice(2)).toEqual([`${first + 1}+1`]);
  });

  it('keep frames and tables out of use for ever when they cannot forget', () => {
    const bench = new MemoryBench();
    const space = bench.space();
    const first = space.map(2, true, 'heap', true);
    space.subscribe(subscriber([], () => {}, -EIO));
    const { inUse } = bench.allocator;
    expect(finish(space.fork())).toBe(-EIO);
    finish(space.unmap(first, 1));
    finish(space.clear());
    expect(bench.allocator.inUse).toEqual(inUse);
  });
});

describe('the system call fork', () => {
  it('gives a child the open files and the memory, but no PASID and no locked pages', () => {
    const bench = Bench.up();
    const before = held(bench);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        s.program.write(s.memory, Uint8Array.of(1, 2, 3));
        expect(yield* map(s, 0n, s.memory, 4096n)).toBe(0);
        const child = yield* s.program.fork('child');
        if (typeof child === 'number') throw new Error('no child');
        expect(child.name).toBe('child');
        expect(child.system).toMatchObject({ pasid: undefined, space: { locked: 0 } });
        expect(child.read(s.memory, 3)).toEqual(Uint8Array.of(1, 2, 3));
        // A descriptor is closed here and stays open there; the file ends with the last of them.
        expect(yield* s.program.close(s.ioasidFd)).toBe(0);
        const ofChild = { ...s, program: child };
        expect(yield* unmap(ofChild, 0n, 4096n)).toMatchObject({ result: 0, size: 4096n });
        expect(bench.kernel.pages.pinned).toBe(0);
        expect(yield* child.open(DEV[1])).toBe(2);
        expect(yield* s.program.open(DEV[1])).toBe(s.ioasidFd);
        yield* s.program.exit();
        expect(yield* map(ofChild, 0n, s.memory, 4096n)).toBe(0);
        yield* child.exit();
      })(),
    );
    expect(held(bench)).toEqual(before);
    expect(bench.kernel.pages.pinned).toBe(0);
  });

  it('is ENOMEM without a child when there is no memory for one', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        s.program.write(s.memory, Uint8Array.of(1));
        bench.kernel.faultPoints.refuse = () => true;
        expect(yield* s.program.fork('child')).toBe(-ENOMEM);
        bench.kernel.faultPoints.refuse = null;
        s.program.write(s.memory, Uint8Array.of(2));
        expect(s.program.read(s.memory, 1)).toEqual(Uint8Array.of(2));
      })(),
    );
  });
});
