/**
 * Which pages devices have written to, as a program of version 2 is told: IOMMU_SET_DIRTY_TRACKING and IOMMU_GET_DIRTY_BITMAP, which
 * do what Linux's iommufd has for a space with DIRTY_TRACKING.
 */
import { describe, expect, it } from 'vitest';
import { IOVA, NO_CLEAR, TRACKING, Tracker, withTracker, writes } from './dirty-bench.ts';
import { PAGE, RIDS } from './machine-bench.ts';
import { ask } from './scalable-bench.ts';

const K4 = BigInt(PAGE);

describe.each(TRACKING)('On %s, a space', (_, up) => {
  it('tells each page that a device has written, once, and nothing of what was only read or written by the program', () => {
    withTracker(up(), function* (s, engine) {
      yield* writes(engine, [1]);
      expect(yield* s.set(s.root, true)).toBe(0);
      s.program.write(s.buffer + 2n * K4, Uint8Array.of(7));
      expect(yield* engine.read(IOVA + 3n * K4, 4)).toMatchObject({ ok: true });
      expect(yield* s.bits()).toEqual([]);
      yield* writes(engine, [0, 5, 6, 15]);
      expect(yield* s.bits()).toEqual([0, 5, 6, 15]);
      expect(yield* s.bits()).toEqual([]);
      yield* writes(engine, [5]);
      expect(yield* s.bits()).toEqual([5]);
    });
  });

  it('tells a part of itself, and the rest when it is asked for that', () => {
    withTracker(up(), function* (s, engine) {
      yield* s.set(s.root, true);
      yield* writes(engine, [3, 4, 12]);
      expect(yield* s.bits({ iova: IOVA + 4n * K4, length: 4n * K4 })).toEqual([0]);
      expect(yield* s.bits()).toEqual([3, 12]);
    });
  });

  it('tells the same again after NO_CLEAR', () => {
    withTracker(up(), function* (s, engine) {
      yield* s.set(s.root, true);
      yield* writes(engine, [2, 9]);
      expect(yield* s.bits({ flags: NO_CLEAR })).toEqual([2, 9]);
      expect(yield* s.bits({ flags: NO_CLEAR, iova: IOVA + 8n * K4, length: 8n * K4 })).toEqual([1]);
      yield* writes(engine, [10]);
      expect(yield* s.bits({ flags: NO_CLEAR })).toEqual([2, 9, 10]);
      expect(yield* s.bits()).toEqual([2, 9, 10]);
      expect(yield* s.bits({ flags: NO_CLEAR })).toEqual([]);
    });
  });

  it('adds its bits to those that stand there, wherever the bitmap begins, and touches nothing behind', () => {
    withTracker(up(), function* (s, engine) {
      yield* s.set(s.root, true);
      for (const offset of [1n, 2048n, 4094n]) {
        const before = new Uint8Array(4096).fill(0x80);
        s.program.write(s.bitmap, before);
        yield* writes(engine, [0, 9]);
        expect(yield* s.get({ data: s.bitmap + offset })).toBe(0);
        expect(s.bitsAt(s.bitmap + offset, 2)).toEqual([0, 7, 9, 15]);
        const after = s.program.read(s.bitmap, 4096).slice();
        after.fill(0x80, Number(offset), Number(offset) + 2);
        expect(after).toEqual(before);
      }
      s.program.write(s.bitmap, Uint8Array.of(0xf0, 0xff));
      yield* writes(engine, [0, 9]);
      expect(yield* s.get({ length: 4n * K4 })).toBe(0);
      expect(s.program.read(s.bitmap, 2), 'a byte of which half is asked for').toEqual(Uint8Array.of(0xf1, 0xff));
    });
  });

  it('counts in units of several pages when it is asked to', () => {
    withTracker(up(), function* (s, engine) {
      yield* s.set(s.root, true);
      yield* writes(engine, [1, 6, 7, 8]);
      expect(yield* s.bits({ page_size: 4n * K4, flags: NO_CLEAR })).toEqual([0, 1, 2]);
      expect(yield* s.bits({ page_size: 16n * K4 })).toEqual([0]);
      expect(yield* s.bits()).toEqual([]);
    });
  });

  it('tells a superpage whole, and what of it lies beyond the range afterwards', () => {
    withTracker(up(), function* (s, engine, bench) {
      const pages = 1200n;
      const memory = yield* s.program.mmap(Number(pages) * PAGE, { populate: true });
      expect(yield* s.map(s.root, 0x4000_0000n, memory, K4)).toBe(0);
      const frame = BigInt(ask(bench, RIDS[0], -1, 0x4000_0000)) / K4;
      // Where frames and addresses have the same place in a superpage.
      const iova = 0x8000_0000n + (frame % 512n) * K4;
      expect(yield* s.map(s.root, iova, memory, pages * K4)).toBe(0);
      expect(yield* s.set(s.root, true)).toBe(0);
      const start = 0x8020_0000n;
      yield* writes(engine, [300], start);
      const asked = { iova: start, page_size: K4 };
      const every = Array.from({ length: 512 }, (__, i) => i);
      expect(yield* s.bits({ ...asked, length: 512n * K4, flags: NO_CLEAR })).toEqual(every);
      expect(yield* s.bits({ ...asked, length: 16n * K4 })).toEqual(every.slice(0, 16));
      expect(yield* s.bits({ ...asked, length: 512n * K4 })).toEqual(every.slice(16));
      expect(yield* s.bits({ ...asked, length: 512n * K4 })).toEqual([]);
    });
  });

  it('forgets all that was written before tracking is switched on, also when it is switched on again', () => {
    withTracker(up(), function* (s, engine) {
      yield* s.set(s.root, true);
      yield* writes(engine, [4]);
      expect(yield* s.bits({ flags: NO_CLEAR })).toEqual([4]);
      expect(yield* s.set(s.root, true)).toBe(0);
      expect(yield* s.bits()).toEqual([]);
      yield* writes(engine, [4]);
      expect(yield* s.set(s.root, false)).toBe(0);
      expect(yield* s.set(s.root, false), 'twice').toBe(0);
      expect(yield* s.bits()).toBe('-EINVAL');
      yield* writes(engine, [5]);
      expect(yield* s.set(s.root, true)).toBe(0);
      expect(yield* s.bits()).toEqual([]);
      yield* writes(engine, [5]);
      expect(yield* s.bits()).toEqual([5]);
    });
  });

  it('loses with a mapping what was written there, and what is mapped next is clean', () => {
    withTracker(up(), function* (s, engine) {
      expect(yield* s.map(s.root, 0x20_0000n, s.buffer, 4n * K4)).toBe(0);
      yield* s.set(s.root, true);
      yield* writes(engine, [1, 2], 0x20_0000n);
      yield* writes(engine, [3]);
      expect(yield* s.unmap(s.root, 0x20_0000n, 4n * K4)).toBe(0);
      expect(yield* s.map(s.root, 0x20_0000n, s.buffer, 4n * K4)).toBe(0);
      const there = { iova: 0x20_0000n, length: 4n * K4 };
      expect(yield* s.bits(there)).toEqual([]);
      yield* writes(engine, [0], 0x20_0000n);
      expect(yield* s.bits({ ...there, flags: NO_CLEAR })).toEqual([0]);
      expect(yield* s.bits()).toEqual([3]);
      expect(yield* s.unmap(s.root, 0x20_0000n, 4n * K4)).toBe(0);
      expect(yield* s.map(s.root, 0x20_0000n, s.buffer, 4n * K4)).toBe(0);
      expect(yield* s.bits(there), 'nor what was told and kept').toEqual([]);
    });
  });

  it('can be tracked before a device is there, and tells after the last has gone what it wrote', () => {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* new Tracker(bench).begin(1);
        expect(yield* s.set(s.root, true)).toBe(0);
        expect(yield* s.bits()).toEqual([]);
        const [first, second] = [yield* s.engine(0), yield* s.engine(1)];
        expect([yield* s.attach(0, s.root), yield* s.attach(1, s.root)]).toEqual([0, 0]);
        yield* writes(first, [2]);
        yield* writes(second, [3]);
        expect(yield* s.bits({ iova: IOVA, length: 3n * K4 })).toEqual([2]);
        yield* writes(first, [4]);
        expect([yield* s.detach(0, s.root), yield* s.detach(1, s.root)]).toEqual([0, 0]);
        expect(yield* s.bits({ flags: NO_CLEAR })).toEqual([3, 4]);
        expect(yield* s.attach(1, s.root)).toBe(0);
        yield* writes(second, [9]);
        expect(yield* s.bits()).toEqual([3, 4, 9]);
        expect(yield* s.bits()).toEqual([]);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
  });
});
