/** What devices write through spaces that are nested on one that is tracked, by tables that are merged and by those of a process. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import type { DmaEngineDriver } from '../../src/user/index.ts';
import { named } from './bench.ts';
import { DIRTY, IOVA, NO_CLEAR, PAGES, TRACKING, type Tracker, withTracker, writes } from './dirty-bench.ts';
import { DATA, FIRST, GPA, GUEST_PAGES, GuestMemory } from './guest-memory.ts';
import { PAGE } from './machine-bench.ts';

const K4 = BigInt(PAGE);

describe.each(TRACKING)('On %s, a space with another merged of it', (_, up) => {
  /** Device 0 goes through the child, which maps page n at n pages from CHILD to page n + 8 of the parent, twice. */
  const CHILD = 0x5000_0000n;
  const AGAIN = 0x6000_0000n;
  const of = (ioasid: number) => ({ ioasid, iova: CHILD, length: 4n * K4 });

  function withChild(body: (s: Tracker, engine: DmaEngineDriver, child: number) => Script): void {
    withTracker(up(), function* (s, engine) {
      const child = yield* s.alloc({ flags: DIRTY, parent_ioasid: s.root });
      for (const at of [CHILD, AGAIN]) expect(yield* s.map(child, at, IOVA + 8n * K4, 4n * K4)).toBe(0);
      expect(yield* s.attach(0, child)).toBe(0);
      yield* body(s, engine, child);
    });
  }

  it('tells what devices write through that', () => {
    withChild(function* (s, engine, child) {
      expect(yield* s.set(s.root, true)).toBe(0);
      yield* writes(engine, [0, 2], CHILD);
      yield* writes(engine, [3], AGAIN);
      expect(yield* s.bits()).toEqual([8, 10, 11]);
      expect(yield* s.bits()).toEqual([]);
      yield* writes(engine, [2], CHILD);
      expect(yield* s.bits({ iova: IOVA + 10n * K4, length: 2n * K4 })).toEqual([0]);
      expect(yield* s.bits(of(child)), 'the child itself is not tracked').toBe('-EINVAL');
    });
  });

  it('takes nothing from the reader of that, nor the other way round', () => {
    withChild(function* (s, engine, child) {
      expect([yield* s.set(s.root, true), yield* s.set(child, true)]).toEqual([0, 0]);
      yield* writes(engine, [1], CHILD);
      expect(yield* s.bits()).toEqual([9]);
      expect(yield* s.bits(of(child))).toEqual([1]);
      yield* writes(engine, [2], CHILD);
      expect(yield* s.bits({ ...of(child), flags: NO_CLEAR })).toEqual([2]);
      expect(yield* s.bits(of(child))).toEqual([2]);
      expect(yield* s.bits()).toEqual([10]);
      expect([yield* s.bits(), yield* s.bits(of(child))]).toEqual([[], []]);
      yield* writes(engine, [3], CHILD);
      expect(yield* s.set(s.root, true), 'on again: forgotten for itself only').toBe(0);
      expect([yield* s.bits(), yield* s.bits(of(child))]).toEqual([[], [3]]);
      expect(yield* s.set(child, false)).toBe(0);
      yield* writes(engine, [0], CHILD);
      expect([yield* s.bits(), yield* s.bits(of(child))]).toEqual([[8], '-EINVAL']);
    });
  });

  it('keeps what was written when that is unmapped, detached or freed', () => {
    withChild(function* (s, engine, child) {
      yield* s.set(s.root, true);
      yield* writes(engine, [1], CHILD);
      expect(yield* s.unmap(child, CHILD, 4n * K4)).toBe(0);
      expect(yield* s.bits()).toEqual([9]);
      yield* writes(engine, [2], AGAIN);
      expect(yield* s.detach(0, child)).toBe(0);
      expect(yield* s.free(child)).toBe(0);
      yield* writes(engine, [0]);
      expect(yield* s.bits()).toEqual([0, 10]);
    });
  });

  it('loses with its own mapping what was written through that, which goes on telling it', () => {
    withChild(function* (s, engine, child) {
      expect([yield* s.set(s.root, true), yield* s.set(child, true)]).toEqual([0, 0]);
      yield* writes(engine, [1], CHILD);
      expect(yield* s.unmap(s.root, IOVA, BigInt(PAGES) * K4)).toBe(0);
      expect(yield* s.bits()).toBe('-EINVAL');
      expect(yield* s.map(s.root, IOVA, s.buffer, BigInt(PAGES) * K4)).toBe(0);
      expect(yield* s.bits()).toEqual([]);
      expect(yield* s.bits(of(child))).toEqual([1]);
      yield* writes(engine, [2], CHILD);
      expect([yield* s.bits(), yield* s.bits(of(child))]).toEqual([[10], [2]]);
    });
  });

  it('is told of by one that comes later', () => {
    withTracker(up(), function* (s, engine) {
      yield* s.set(s.root, true);
      const child = yield* s.alloc({ parent_ioasid: s.root });
      expect(yield* s.map(child, CHILD, IOVA, K4)).toBe(0);
      expect(yield* s.attach(0, child)).toBe(0);
      yield* writes(engine, [0], CHILD);
      expect(yield* s.bits()).toEqual([0]);
      expect(yield* named(s.set(child, true)), 'it has no DIRTY_TRACKING').toBe('-EOPNOTSUPP');
      expect(yield* named(s.get(of(child)))).toBe('-EOPNOTSUPP');
    });
  });
});

describe.each(TRACKING)('On %s, a space', (_, up) => {
  it('tells what devices write through a table that a process keeps in it', () => {
    withTracker(up(), function* (s, engine) {
      const at = yield* s.program.mmap(GUEST_PAGES * PAGE);
      const guest = new GuestMemory(s.program, at);
      guest.lead(FIRST, 0, DATA + 1);
      expect(yield* s.map(s.root, GPA, at, BigInt(GUEST_PAGES) * K4)).toBe(0);
      const user = { flags: 1, type: 0, format: 1, addr: GPA + BigInt(FIRST) * K4, parent_ioasid: s.root };
      const table = yield* s.alloc(user);
      expect(yield* s.attach(0, table)).toBe(0);
      expect(yield* named(s.set(table, true)), 'not in the table itself').toBe('-EINVAL');
      expect(yield* named(s.get({ ioasid: table }))).toBe('-EINVAL');
      expect(yield* s.set(s.root, true)).toBe(0);
      yield* writes(engine, [0], 0n);
      const asked = { iova: GPA, length: BigInt(GUEST_PAGES) * K4 };
      expect(yield* s.bits(asked)).toContain(DATA + 1);
      // What hardware notes in the process's table it writes too: entries of first stages have flags of their own.
      expect((yield* s.bits(asked)) as number[]).not.toContain(DATA + 1);
    });
  });
});
