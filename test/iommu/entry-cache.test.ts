import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryCache, finish, type Walk } from '../../hardware/iommu/index.ts';
import { MemoryOperation, OperationKind, PhysicalMemory } from '../../hardware/memory/index.ts';

const key = fc.oneof(fc.nat(20), fc.constantFrom(0xffff, 0x1_0000, 0x7fff_ffff, 3 * 2 ** 20, 0x102 * 2 ** 20 + 1, -1));
const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('insert' as const), key }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('find' as const), key, peek: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: fc.integer({ min: 2, max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);
const shape = fc.constantFrom({ sets: 1, ways: 1 }, { sets: 1, ways: 5 }, { sets: 4, ways: 2 }, { sets: 8, ways: 1 });

describe('A cache of entries', () => {
  it('has the hits, the misses and the victims of lists in order of use, after any sequence.', () => {
    fc.assert(
      fc.property(shape, fc.array(step, { maxLength: 100, size: 'max' }), ({ sets, ways }, steps) => {
        const cache = new EntryCache<{ n: number }>({ sets, ways });
        let lists = new Map<number, { key: number; value: { n: number } }[]>();
        const listOf = (of: number) => {
          const set = (of ^ Math.trunc(of / 2 ** 12) ^ Math.trunc(of / 2 ** 20)) & (sets - 1);
          return lists.get(set) ?? lists.set(set, []).get(set)!;
        };
        let n = 0;
        for (const one of steps) {
          if (one.kind === 'insert') {
            const value = { n: n++ };
            cache.insert(one.key, value);
            const list = listOf(one.key);
            const same = list.findIndex((entry) => entry.key === one.key);
            if (same >= 0) list.splice(same, 1);
            else if (list.length === ways) list.shift();
            list.push({ key: one.key, value });
          } else if (one.kind === 'find') {
            const list = listOf(one.key);
            const at = list.findIndex((entry) => entry.key === one.key);
            expect(cache.find(one.key, one.peek)).toBe(at < 0 ? null : list[at]!.value);
            if (at >= 0 && !one.peek) list.push(...list.splice(at, 1));
          } else if (one.kind === 'remove') {
            const goes = (of: number, value: { n: number }) => (of + value.n) % one.key === 0;
            let removed = 0;
            for (const [set, list] of lists) {
              const kept = list.filter((entry) => !goes(entry.key, entry.value));
              removed += list.length - kept.length;
              lists.set(set, kept);
            }
            expect(cache.removeWhere(goes)).toBe(removed);
          } else {
            cache.clear();
            lists = new Map();
          }
          const sorted = (list: readonly { key: number; value: { n: number } }[]) =>
            [...list].sort((a, b) => a.value.n - b.value.n);
          expect(sorted(cache.entries())).toEqual(sorted([...lists.values()].flat()));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('finds entries under keys of more than 32 bits, apart from those that differ above bit 31.', () => {
    const cache = new EntryCache<string>({ sets: 2, ways: 2 });
    cache.insert(0xff00 * 2 ** 20 + 5, 'one');
    expect(cache.find(0xff00 * 2 ** 20 + 5)).toBe('one');
    expect(cache.find(((0xff00 * 2 ** 20) % 2 ** 32) + 5)).toBeNull();
  });

  it.each([
    ['PASID 0', 20],
    ['interrupt 0', 12],
  ])('spreads the devices of a machine over its sets, though each of them uses %s.', (_, shift) => {
    const cache = new EntryCache<number>({ sets: 16, ways: 4 });
    const devices = Array.from({ length: 64 }, (_, i) => 0x0300 + i);
    for (const device of devices) cache.insert(device * 2 ** shift, device);
    expect(devices.map((device) => cache.find(device * 2 ** shift))).toEqual(devices);
  });

  it('refuses a number of sets that is no power of two, and having no entry at all.', () => {
    for (const spec of [
      { sets: 3, ways: 1 },
      { sets: 0, ways: 1 },
      { sets: 4, ways: 0 },
    ]) {
      expect(() => new EntryCache(spec)).toThrow(RangeError);
    }
  });
});

describe('finish', () => {
  it('carries out each operation of a walk before the walk goes on, and gives its result.', () => {
    const memory = new PhysicalMemory([[0, 0x1000]]);
    memory.write64(0x10, 0x2_0000_0001n);
    const operation = new MemoryOperation();
    function* walk(): Walk<readonly unknown[]> {
      const seen: unknown[] = [];
      yield operation.read(0x10, 2);
      seen.push(operation.ok, operation.words[0], operation.words[1]);
      operation.words[0] = 7;
      yield operation.write(0x20, 1);
      seen.push(operation.ok, memory.read64(0x20));
      yield operation.read(0x1000, 2);
      seen.push(operation.ok);
      yield operation.barrier();
      seen.push(operation.ok, operation.kind === OperationKind.BARRIER);
      return seen;
    }
    expect(finish(walk(), memory)).toEqual([true, 1, 2, true, 7n, false, true, true]);
  });

  it('of a walk that needs no memory is its result.', () => {
    // biome-ignore lint/correctness/useYield: a walk may end before its first access.
    function* walk(): Walk<string> {
      return 'done';
    }
    expect(finish(walk(), new PhysicalMemory([]))).toBe('done');
  });
});
