import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENTRY_WORDS } from '../../hardware/ats/cache/iotlb-words.ts';
import { Iotlb } from '../../hardware/iommu/index.ts';

interface Entry {
  readonly space: number;
  readonly page: bigint;
  readonly shift: number;
  readonly domain: number;
}
const sizeOf = (shift: number): bigint => 1n << BigInt(shift - 12);
const baseOf = (page: bigint, shift: number): bigint => page - (page % sizeOf(shift));
const hiOf = (page: bigint): number => Number(page >> 32n);
const loOf = (page: bigint): number => Number(BigInt.asIntN(32, page));

/** Lists, newest last, one per set. Which set an entry belongs to is learnt from the cache and must never change. */
class Twin {
  readonly sets: (Entry & { readonly index: number })[][];
  readonly home = new Map<string, number>();
  readonly ways: number;
  constructor(sets: number, ways: number) {
    this.sets = Array.from({ length: sets }, () => []);
    this.ways = ways;
  }
  get all(): (Entry & { readonly index: number })[] {
    return this.sets.flat();
  }
  covering(space: number, page: bigint) {
    return this.all.filter((one) => one.space === space && baseOf(page, one.shift) === one.page);
  }
  renew(index: number): void {
    const set = this.sets[Math.floor(index / this.ways)]!;
    const at = set.findIndex((one) => one.index === index);
    set.push(...set.splice(at, 1));
  }
  insert(index: number, entry: Entry): void {
    const number = Math.floor(index / this.ways);
    const set = this.sets[number]!;
    const name = `${entry.space} ${entry.page} ${entry.shift}`;
    expect(this.home.get(name) ?? number, 'an entry has one set').toBe(number);
    this.home.set(name, number);
    const same = set.findIndex(
      (one) => one.space === entry.space && one.page === entry.page && one.shift === entry.shift,
    );
    if (same >= 0) set.splice(same, 1);
    else if (set.length === this.ways) {
      const oldest = set.shift()!;
      expect(index, 'the least recently used entry makes room').toBe(oldest.index);
    } else
      expect(
        set.some((one) => one.index === index),
        'a free entry is used first',
      ).toBe(false);
    set.push({ ...entry, index });
  }
  remove(goes: (entry: Entry) => boolean): number {
    const before = this.all.length;
    this.sets.forEach((set, i) => {
      this.sets[i] = set.filter((one) => !goes(one));
    });
    return before - this.all.length;
  }
}

/** Few enough that look-ups often hit, and some that agree with them in all but high bits. */
const space = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0x18, 0x19) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0xffff, 0x7fff_ffff, -1) },
);
const page = fc.oneof(
  { weight: 8, arbitrary: fc.bigInt(0n, 7n) },
  { weight: 1, arbitrary: fc.bigInt(0n, 7n).map((n) => n + (1n << 32n)) },
  { weight: 1, arbitrary: fc.bigInt(0n, 7n).map((n) => n << 9n) },
  { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 52n - 1n) },
  { weight: 1, arbitrary: fc.tuple(fc.bigInt(0n, 3n), fc.nat(51)).map(([n, bit]) => n ^ (1n << BigInt(bit))) },
);
const shift = fc.constantFrom(12, 12, 12, 12, 12, 12, 12, 21, 30, 48);
const domain = fc.constantFrom(0, 1, 2, 0xffff);
const step = fc.oneof(
  { weight: 40, arbitrary: fc.record({ kind: fc.constant('insert' as const), space, page, shift, domain }) },
  { weight: 40, arbitrary: fc.record({ kind: fc.constant('find' as const), space, page, peek: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('domain' as const), domain }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pages' as const), domain, page, order: fc.nat(63) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('where' as const), space }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);
const shape = fc.constantFrom(
  { sets: 1, ways: 1 },
  { sets: 1, ways: 4 },
  { sets: 1, ways: 24 },
  { sets: 4, ways: 2 },
  { sets: 16, ways: 3 },
);

describe('An IOTLB', () => {
  it('has the hits, the misses and the victims of lists in order of use, after any sequence.', () => {
    fc.assert(
      fc.property(shape, fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), ({ sets, ways }, steps) => {
        const iotlb = new Iotlb({ sets, ways });
        const twin = new Twin(sets, ways);
        let mark = 0;
        for (const one of steps) {
          if (one.kind === 'insert') {
            const base = baseOf(one.page, one.shift);
            const i = iotlb.insert(one.space, hiOf(one.page), loOf(one.page), one.shift);
            twin.insert(i / ENTRY_WORDS, { space: one.space, page: base, shift: one.shift, domain: one.domain });
            mark++;
            iotlb.fill(i, 0, mark << 12, 3, one.domain);
            expect(iotlb.entry(i)).toMatchObject({ frame: mark * 4096, flags: 3, domain: one.domain });
          } else if (one.kind === 'find') {
            const where = [one.space, hiOf(one.page), loOf(one.page)] as const;
            const i = one.peek ? iotlb.peek(...where) : iotlb.find(...where);
            const candidates = twin.covering(one.space, one.page).map((entry) => entry.index);
            if (candidates.length === 0) expect(i).toBe(-1);
            else expect(candidates).toContain(i / ENTRY_WORDS);
            if (i >= 0 && !one.peek) twin.renew(i / ENTRY_WORDS);
          } else if (one.kind === 'domain') {
            expect(iotlb.removeDomain(one.domain)).toBe(twin.remove((entry) => entry.domain === one.domain));
          } else if (one.kind === 'pages') {
            const length = 1n << BigInt(one.order);
            const start = one.page - (one.page % length);
            const removed = twin.remove(
              (entry) =>
                entry.domain === one.domain && entry.page < start + length && entry.page + sizeOf(entry.shift) > start,
            );
            expect(iotlb.removePages(one.domain, hiOf(one.page), loOf(one.page), one.order)).toBe(removed);
          } else if (one.kind === 'where') {
            const removed = twin.remove((entry) => entry.space === one.space);
            expect(iotlb.removeWhere((entry) => entry.space === one.space)).toBe(removed);
          } else {
            iotlb.clear();
            twin.remove(() => true);
          }
          const plain = (list: readonly { space: number; page: bigint | number; shift: number; domain: number }[]) =>
            list.map((entry) => `${entry.space} ${entry.page} ${entry.shift} ${entry.domain}`).sort();
          expect(plain(iotlb.entries())).toEqual(plain(twin.all));
        }
      }),
      { numRuns: 70 },
    );
  });

  it('tells pages apart that differ in any one of 52 bits.', () => {
    const iotlb = new Iotlb({ sets: 4, ways: 64 });
    const first = iotlb.insert(5, 0, 0, 12);
    for (let bit = 0; bit < 52; bit++) {
      expect(iotlb.find(5, hiOf(1n << BigInt(bit)), loOf(1n << BigInt(bit))), `bit ${bit}`).toBe(-1);
    }
    for (let bit = 0; bit < 52; bit++) iotlb.insert(5, hiOf(1n << BigInt(bit)), loOf(1n << BigInt(bit)), 12);
    expect(iotlb.entries()).toHaveLength(53);
    expect(iotlb.find(5, 0, 0)).toBe(first);
    for (let bit = 0; bit < 16; bit++) expect(iotlb.find(5 ^ (1 << bit), 0, 0)).toBe(-1);
  });

  it('finds a large page by any of its 4 KiB pages, and by none beside it.', () => {
    const iotlb = new Iotlb({ sets: 8, ways: 2 });
    for (const bits of [21, 30, 39, 44, 45, 48, 57]) {
      iotlb.clear();
      const size = sizeOf(bits);
      const base = size * 3n;
      const i = iotlb.insert(1, hiOf(base + size / 2n), loOf(base + size / 2n), bits);
      for (const at of [base, base + 1n, base + size - 1n])
        expect(iotlb.find(1, hiOf(at), loOf(at)), `${bits}`).toBe(i);
      for (const at of [base - 1n, base + size]) expect(iotlb.find(1, hiOf(at), loOf(at))).toBe(-1);
      expect(iotlb.entry(i)).toMatchObject({ page: Number(base), shift: bits });
    }
  });

  it('refuses a number of sets that is no power of two, and having no entry at all.', () => {
    for (const spec of [
      { sets: 3, ways: 1 },
      { sets: 0, ways: 1 },
      { sets: 4, ways: 0 },
      { sets: -4, ways: -1 },
    ]) {
      expect(() => new Iotlb(spec)).toThrow(RangeError);
    }
  });
});
