/** Which entry of a full set gives way, held against twins that keep what each policy is defined by. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Iotlb, type ReplacementPolicy } from '../../hardware/iommu/index.ts';

/** What a policy remembers of a set; `null` entries are free. */
interface Twin {
  /** The way was found, or entered again. */
  touch(way: number): void;
  /** The way was filled. */
  enter(way: number): void;
  victim(): number;
}

class LeastRecent implements Twin {
  #order: number[] = [];
  touch(way: number): void {
    this.#order = [...this.#order.filter((other) => other !== way), way];
  }
  enter(way: number): void {
    this.touch(way);
  }
  victim(): number {
    return this.#order[0]!;
  }
}

class FirstIn implements Twin {
  #queue: number[] = [];
  touch(): void {}
  enter(way: number): void {
    this.#queue = [...this.#queue.filter((other) => other !== way), way];
  }
  victim(): number {
    return this.#queue[0]!;
  }
}

/** One bit per inner node of a binary tree over the ways; 1 points to the upper half. */
class Tree implements Twin {
  readonly #bits: number[];
  readonly #ways: number;
  constructor(ways: number) {
    this.#ways = ways;
    this.#bits = Array.from({ length: ways }, () => 0);
  }
  touch(way: number): void {
    for (let node = way + this.#ways; node > 1; node >>= 1) this.#bits[node >> 1] = node & 1 ? 0 : 1;
  }
  enter(way: number): void {
    this.touch(way);
  }
  victim(): number {
    let node = 1;
    while (node < this.#ways) node = node * 2 + this.#bits[node]!;
    return node - this.#ways;
  }
}

/** Marsaglia's xorshift with 13, 17 and 5, in bigints. */
class Throw implements Twin {
  #state = 0x2545_f491n;
  readonly #ways: number;
  constructor(ways: number) {
    this.#ways = ways;
  }
  touch(): void {}
  enter(): void {}
  victim(): number {
    let x = this.#state;
    x ^= BigInt.asUintN(32, x << 13n);
    x ^= x >> 17n;
    x ^= BigInt.asUintN(32, x << 5n);
    this.#state = x;
    return Number(x % BigInt(this.#ways));
  }
}

const twinOf: Readonly<Record<ReplacementPolicy, (ways: number) => Twin>> = {
  lru: () => new LeastRecent(),
  fifo: () => new FirstIn(),
  random: (ways) => new Throw(ways),
  plru: (ways) => new Tree(ways),
};

const step = fc.record({
  page: fc.nat(40),
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('find' as const) },
    { weight: 6, arbitrary: fc.constant('insert' as const) },
    { weight: 2, arbitrary: fc.constant('peek' as const) },
    { weight: 1, arbitrary: fc.constant('remove' as const) },
  ),
});
const SHIFTS = [12, 21] as const;
/** Odd pages are large ones, so that the sizes share the sets. */
const shiftOf = (page: number): number => SHIFTS[page % 2]!;
const lowOf = (page: number): number => page << (shiftOf(page) - 12);

const policies = ['lru', 'fifo', 'random', 'plru'] as const;
const shapes = policies.flatMap((policy) => [1, 2, 4, 8, 16].map((ways) => ({ policy, ways })));

describe('Replacement in a full set', () => {
  it.each(shapes)(
    'follows $policy with $ways ways, free ways first, and is not disturbed by looking.',
    ({ policy, ways }) => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 50, maxLength: 200 }), (steps) => {
          const cache = new Iotlb({ sets: 1, ways, policy });
          const twin = twinOf[policy](ways);
          const slots: (number | null)[] = Array.from({ length: ways }, () => null);
          for (const { page, kind } of steps) {
            const way = slots.indexOf(page);
            const low = lowOf(page);
            if (kind === 'peek') {
              expect(cache.peek(0, 0, low) >= 0).toBe(way >= 0);
            } else if (kind === 'find') {
              expect(cache.find(0, 0, low) >= 0).toBe(way >= 0);
              if (way >= 0) twin.touch(way);
            } else if (kind === 'remove') {
              cache.removeWhere((entry) => entry.page === low);
              if (way >= 0) slots[way] = null;
            } else {
              cache.insert(0, 0, low, shiftOf(page));
              const free = slots.indexOf(null);
              if (way >= 0) twin.touch(way);
              else {
                const chosen = free >= 0 ? free : twin.victim();
                slots[chosen] = page;
                twin.enter(chosen);
              }
            }
            const held = cache
              .entries()
              .map((entry) => entry.page)
              .sort((a, b) => a - b);
            expect(held).toEqual(slots.flatMap((one) => (one === null ? [] : [lowOf(one)])).sort((a, b) => a - b));
          }
        }),
        { numRuns: 40 },
      );
    },
  );

  it.each(policies)('happens in each set by itself (%s).', (policy) => {
    const [sets, ways] = [4, 4];
    const cache = new Iotlb({ sets, ways, policy });
    const twins = Array.from({ length: sets }, () => ({ twin: twinOf[policy](ways), slots: [] as number[] }));
    for (let i = 0; i < 400; i++) {
      const page = (i * 7) % 61;
      const { twin, slots } = twins[page % sets]!;
      const way = slots.indexOf(page);
      cache.insert(0, 0, page, 12);
      if (way >= 0) twin.touch(way);
      else {
        // The dice are one for the whole cache: only the others can be followed set by set.
        const chosen = slots.length < ways ? slots.length : twin.victim();
        slots[chosen] = page;
        twin.enter(chosen);
      }
      if (policy === 'random') continue;
      const held = new Set(cache.entries().map((entry) => entry.page));
      expect(held).toEqual(new Set(twins.flatMap((one) => one.slots)));
    }
    for (let set = 0; set < sets; set++) {
      expect(cache.entries().filter((entry) => entry.page % sets === set)).toHaveLength(ways);
    }
  });

  it('is the same in every run with random, also after the cache was emptied.', () => {
    const run = (cache: Iotlb): string => {
      const trace: string[] = [];
      for (let page = 0; page < 100; page++) {
        cache.insert(0, 0, page, 12);
        trace.push(
          cache
            .entries()
            .map((entry) => entry.page)
            .join(),
        );
      }
      return trace.join(';');
    };
    const cache = new Iotlb({ sets: 1, ways: 8, policy: 'random' });
    const first = run(cache);
    cache.clear();
    expect(run(cache)).toBe(first);
    expect(run(new Iotlb({ sets: 1, ways: 8, policy: 'random' }))).toBe(first);
  });

  it('with random spares no way.', () => {
    const cache = new Iotlb({ sets: 1, ways: 8, policy: 'random' });
    for (let page = 0; page < 400; page++) cache.insert(0, 0, page, 12);
    expect(Math.min(...cache.entries().map((entry) => entry.page))).toBeGreaterThan(300);
  });

  it('is least recently used when nothing is said.', () => {
    const cache = new Iotlb({ sets: 1, ways: 2 });
    for (const page of [1, 2]) cache.insert(0, 0, page, 12);
    cache.find(0, 0, 1);
    cache.insert(0, 0, 3, 12);
    expect(
      cache
        .entries()
        .map((entry) => entry.page)
        .sort(),
    ).toEqual([1, 3]);
  });
});
