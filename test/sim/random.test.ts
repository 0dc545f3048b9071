import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random, Weights } from '../../hardware/sim/index.ts';

const draw = (random: Random, n: number): number[] => Array.from({ length: n }, () => random.next());

describe('the random generator', () => {
  it('is sfc32, seeded as in PractRand', () => {
    // Computed with unbounded integers in Python.
    expect(draw(new Random(1), 6)).toEqual([2012149540, 1872316204, 1707632675, 1779833415, 2026416846, 1661539736]);
    expect(draw(new Random(0x1234_89ab_cdef), 4)).toEqual([1339551903, 3442468172, 4037393938, 3889945376]);
  });

  it('draws below n without favour, up to 2^53', () => {
    const random = new Random(2);
    const counts = [0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 70_000; i++) counts[random.below(7)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
    // Without drawing again, three quarters of 2^32 would put two thirds into the lower... half of the range.
    const n = 3 * 2 ** 30;
    let low = 0;
    for (let i = 0; i < 30_000; i++) if (random.below(n) < n / 3) low++;
    expect(Math.abs(low - 10_000)).toBeLessThan(400);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 53 - 1 }), (bound) => {
        const x = random.below(bound);
        expect(Number.isSafeInteger(x) && x >= 0 && x < bound).toBe(true);
      }),
    );
    expect(() => random.below(0)).toThrow('below(0)');
  });

  it('includes both ends of between(), and keeps odds', () => {
    const random = new Random(3);
    const seen = new Set(Array.from({ length: 200 }, () => random.between(-1, 1)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-1, 0, 1]);
    expect([random.chance(0, 5), random.chance(5, 5)]).toEqual([false, true]);
    let hits = 0;
    for (let i = 0; i < 10_000; i++) if (random.chance(1, 4)) hits++;
    expect(Math.abs(hits - 2500)).toBeLessThan(200);
  });

  it('shuffles in place into every order, and picks every element', () => {
    const random = new Random(4);
    const orders = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = random.shuffle(['a', 'b', 'c']).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(new Set(Array.from({ length: 100 }, () => random.pick(['x', 'y'])))).toEqual(new Set(['x', 'y']));
    expect(() => random.pick([])).toThrow('empty');
  });

  it('goes back to any state it was in, through JSON', () => {
    const random = new Random(5);
    draw(random, 10);
    const state = JSON.parse(JSON.stringify(random.state));
    const ahead = [...draw(random, 5), ...draw(random.fork('x'), 2)];
    const other = new Random(99);
    other.state = state;
    expect([...draw(other, 5), ...draw(other.fork('x'), 2)]).toEqual(ahead);
  });

  it('forks by label alone: neither draws nor other forks change a fork', () => {
    const one = new Random(6);
    const other = new Random(6);
    draw(one, 100);
    one.fork('disk');
    expect(draw(one.fork('nic'), 4)).toEqual(draw(other.fork('nic'), 4));
    const starts = ['', 'nic', 'nic1', 'cin', 'ab'].map((label) => other.fork(label).next());
    starts.push(other.fork('a').fork('b').next(), new Random(7).fork('nic').next(), other.next());
    expect(new Set(starts).size).toBe(starts.length);
  });

  it.each([-1, 0.5, NaN, 2 ** 53])('refuses the seed %d', (seed) => {
    expect(() => new Random(seed)).toThrow('a whole number from 0 to 2^53');
  });
});

describe('a table of weights', () => {
  it('draws each position in proportion to its weight, and never one without', () => {
    const random = new Random(8);
    const counts = [0, 0, 0, 0, 0];
    const table = new Weights([0, 1, 0, 3, 0]);
    for (let i = 0; i < 40_000; i++) counts[table.draw(random)]!++;
    expect([counts[0], counts[2], counts[4]]).toEqual([0, 0, 0]);
    expect(Math.abs(counts[1]! - 10_000)).toBeLessThan(400);
  });

  it('follows the law of Zipf', () => {
    const random = new Random(9);
    const table = Weights.zipf(1000, 0.99);
    const counts = new Float64Array(1000);
    for (let i = 0; i < 200_000; i++) counts[table.draw(random)]!++;
    for (const rank of [2, 5, 10, 50]) {
      const ratio = counts[0]! / counts[rank - 1]!;
      expect(ratio / rank ** 0.99).toBeGreaterThan(0.85);
      expect(ratio / rank ** 0.99).toBeLessThan(1.15);
    }
    expect(new Set(Array.from({ length: 1000 }, () => Weights.zipf(4, 0).draw(random)))).toEqual(new Set([0, 1, 2, 3]));
  });

  it('refuses weights that are none', () => {
    expect(() => new Weights([])).toThrow('a table of weights needs one');
    expect(() => new Weights([1, -1])).toThrow('weight -1 at position 1');
    expect(() => Weights.zipf(0, 1)).toThrow('zipf(0, 1)');
  });
});
