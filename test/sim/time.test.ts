import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  after,
  between,
  Clock,
  type Duration,
  formatTime,
  type Instant,
  LinkClock,
  ms,
  ns,
  ps,
  Rate,
  us,
} from '../../hardware/sim/index.ts';

const roundedQuotient = (a: bigint, b: bigint): number => Number((2n * a + b) / (2n * b));

describe('durations', () => {
  it('are whole picoseconds, rounded once', () => {
    expect([ps(1.4), ps(1.5), ns(1.2345), us(0.1), ms(3)]).toEqual([1, 2, 1235, 100_000, 3_000_000_000]);
    expect(between(after(5 as Instant, ps(3)), 5 as Instant)).toBe(-3);
  });

  it.each([-1, NaN, Infinity])('of %d are refused with a sentence', (n) => {
    expect(() => ns(n)).toThrow(`${n} ns is not a duration`);
  });
});

describe('formatTime', () => {
  it('writes every picosecond of any instant', () => {
    const text = [0, 1, 1_234_567, 2 ** 53 - 1].map((t) => formatTime(t as Instant));
    expect(text).toEqual(['0.000000 us', '0.000001 us', '1.234567 us', '9007199254.740991 us']);
    expect(formatTime(-1_500_000 as Duration)).toBe('-1.500000 us');
  });
});

describe('a clock', () => {
  it('has its edges at the rounded multiples of its period, however far away', () => {
    const clock = new Clock(3e9);
    expect([0, 1, 2, 3, 4].map((n) => clock.edge(n))).toEqual([0, 333, 667, 1000, 1333]);
    expect(clock.edge(3e12)).toBe(1e15);
    expect(clock.edge(3e12 + 1)).toBe(1e15 + 333);
    expect(clock.edge(26e12 + 2)).toBe(8_666_666_666_667_333);
  });

  it('agrees with exact arithmetic at any frequency', () => {
    const hertz = fc.oneof(
      fc.integer({ min: 1, max: 1e12 }),
      fc.constantFrom(1, 33_333_333, 2_400_000_001, 999_999_999_989),
    );
    fc.assert(
      fc.property(hertz, fc.bigInt({ min: 0n, max: 9_000_000_000_000_000n }), (f, at) => {
        const n = (at * BigInt(f)) / 1_000_000_000_000n;
        fc.pre(n < 2n ** 53n);
        expect(new Clock(f).edge(Number(n))).toBe(roundedQuotient(n * 1_000_000_000_000n, BigInt(f)));
      }),
    );
  });

  it('finds the first edge at or after an instant', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e6, max: 1e12 }), fc.maxSafeInteger().map(Math.abs), (f, t) => {
        const clock = new Clock(f);
        const at = Math.floor(t / 2) as Instant;
        const n = clock.edgeNumber(at);
        expect(clock.nextEdge(at)).toBe(clock.edge(n));
        expect(clock.edge(n)).toBeGreaterThanOrEqual(at);
        if (n > 0) expect(clock.edge(n - 1)).toBeLessThan(at);
      }),
    );
  });

  it('refuses a frequency or an edge that it cannot have', () => {
    expect(() => new Clock(0)).toThrow('a clock of 0 Hz');
    expect(() => new Clock(1e9).edge(-1)).toThrow('edge -1 of a 1000000000 Hz clock');
    expect(() => new Clock(1e9).edge(1e13)).toThrow('is not an instant');
  });
});

describe('a link clock', () => {
  // Sixteen lanes of 16 GT/s with 128 of 130 bits of payload: 256 bytes in 8125 ps.
  const rate = (): Rate => new Rate(256, ps(8125));

  it('never gains or loses a picosecond, however odd the rate', () => {
    const link = new LinkClock(new Rate(3, ps(1000)));
    const ends = Array.from({ length: 6 }, () => link.reserve(0 as Instant, 1));
    expect(ends).toEqual([334, 667, 1000, 1334, 1667, 2000]);
    for (let i = 0; i < 2_999_994; i++) link.reserve(0 as Instant, 1);
    expect(link.free).toBe(1_000_000_000);
  });

  it('agrees with exact fractions, with gaps between the messages', () => {
    const message = fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 4096 }));
    fc.assert(
      fc.property(fc.array(message, { maxLength: 100 }), (messages) => {
        const link = new LinkClock(rate());
        let now = 0;
        let free = 0n; // in 1/256 ps
        for (const [gap, bytes] of messages) {
          now += gap;
          const start = free > BigInt(now) * 256n ? free : BigInt(now) * 256n;
          free = start + BigInt(bytes) * 8125n;
          expect(link.reserve(now as Instant, bytes)).toBe(Number((free + 255n) / 256n));
        }
      }),
    );
  });

  it('can be held beyond what occupies it, and given up, without losing what is exact', () => {
    const link = new LinkClock(new Rate(3, ps(1000)));
    link.reserve(0 as Instant, 1);
    link.hold(100 as Instant, ps(1000));
    expect(link.reserve(200 as Instant, 2)).toBe(2000);
    link.abandon(500 as Instant);
    expect(link.free).toBe(500);
    link.abandon(9000 as Instant);
    expect(link.reserve(600 as Instant, 3)).toBe(1600);
    link.hold(2000 as Instant, ps(7));
    expect(link.free).toBe(2007);
  });

  it('has a rate of which a share can be taken exactly', () => {
    const share = rate().share(189, 200);
    // 8125 · 200 / (256 · 189) in lowest terms
    expect([share.numerator, share.denominator]).toEqual([203_125, 6048]);
  });

  it('has a rate in lowest terms, and a time for each number of bytes', () => {
    const half = new Rate(512, ps(1024));
    expect([half.numerator, half.denominator]).toEqual([2, 1]);
    expect([rate().time(256), rate().time(1), rate().time(0)]).toEqual([8125, 32, 0]);
    expect(Rate.perSecond(1e9).time(3)).toBe(3000);
    expect(() => rate().time(-1)).toThrow('-1 bytes cannot be timed exactly');
    expect(() => new Rate(0, ps(1))).toThrow('a rate of 0 bytes');
  });
});
