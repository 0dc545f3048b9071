/** The measured machines: their figures stay what they were, add up, and move the way that hardware moves. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Streams, Traffic } from '../../hardware/path/index.ts';
import {
  type BenchChanges,
  type BenchSetUp,
  benchSingles,
  benchStreams,
} from '../../src/machine/measured/pcie-bench.ts';
import { type MachineName, MEASURED_MACHINES, parametersOf } from '../../src/machine/measured/pcie-bench-machines.ts';

const KIB = 1024;
const SET_UP: BenchSetUp = {
  machine: 'bdw',
  iommu: '4K',
  node: 'local',
  bytes: 64,
  window: 4096 * KIB,
  offset: 0,
  cache: 'warm',
  seed: 1,
};
const MACHINES = Object.keys(MEASURED_MACHINES) as MachineName[];

/** Nanoseconds of a command once things have settled. */
function nanoseconds(streams: Streams, count = 2000): number {
  streams.start();
  const from = streams.run(1000);
  return (streams.run(count) - from) / count / 1000;
}

const timeOf = (traffic: Traffic, setUp: Partial<BenchSetUp> = {}, changes: BenchChanges = {}): number =>
  nanoseconds(benchStreams({ ...SET_UP, ...setUp }, traffic, changes));

describe('Measured machines', () => {
  it('take these times for a 64-byte transfer in 4 MiB, in nanoseconds.', () => {
    const table = MACHINES.map((machine) => {
      const times = (['read', 'write', 'readWrite'] as const).map((traffic) => timeOf(traffic, { machine }).toFixed(2));
      return `${machine}: ${times.join(', ')}`;
    });
    expect(table).toMatchInlineSnapshot(`
      [
        "bdw: 46.09, 40.26, 94.15",
        "hsw: 44.12, 38.87, 90.97",
        "hsw-2620v3: 46.12, 40.13, 94.80",
        "hsw-e3: 44.12, 38.87, 90.97",
        "ivb: 50.69, 44.33, 102.16",
        "snb: 118.78, 111.35, 238.86",
      ]
    `);
  });

  it('give the same figures each time, and others with another seed.', () => {
    expect(timeOf('read')).toBe(timeOf('read'));
    expect(timeOf('read', { seed: 2 })).not.toBe(timeOf('read'));
  });

  it('say of each value its unit, and where it comes from unless it is assumed.', () => {
    for (const machine of MACHINES) {
      for (const [name, { value, unit, source, certainty }] of Object.entries(parametersOf(machine))) {
        expect(value, name).toBeGreaterThanOrEqual(0);
        expect(unit, name).not.toBe('');
        expect(source !== '' || certainty === 'assumed', `${machine}: ${name}`).toBe(true);
      }
    }
  });
});

describe('The time of requests', () => {
  it.each(['dma', 'command'] as const)(
    'of single reads by %s adds up to what their device sees, to the picosecond.',
    (engine) => {
      const singles = benchSingles({ ...SET_UP, window: 64 * KIB }, 'read', engine);
      let [count, sum] = [0, 0];
      const start = singles.path.reads.start.bind(singles.path.reads);
      singles.path.reads.start = (hi, lo, length, delay, done) => {
        const from = singles.path.engine.now + delay;
        start(hi, lo, length, delay, (wait) => {
          count++;
          sum += singles.path.engine.now + wait - from;
          done(wait);
        });
      };
      singles.run(500);
      expect(singles.path.shares.requests).toBe(count);
      expect(singles.path.shares.total).toBe(sum);
    },
  );
});

describe('A measured machine is not slower', () => {
  const window = fc.constantFrom(256, 512, 1024, 4096).map((kib) => kib * KIB);
  const traffic = fc.constantFrom<Traffic>('read', 'write');
  const seed = fc.integer({ min: 1, max: 1000 });
  /** What queues and refreshes make of an advantage in so short a run. */
  const ROUNDING = 1.02;
  const better = (what: string, changes: BenchChanges, setUp: Partial<BenchSetUp> = {}): void => {
    it(`with ${what}.`, () => {
      fc.assert(
        fc.property(window, traffic, seed, (bytes, kind, s) => {
          const now = timeOf(kind, { window: bytes, seed: s, ...setUp });
          expect(timeOf(kind, { window: bytes, seed: s, ...setUp }, changes)).toBeLessThanOrEqual(now * ROUNDING);
        }),
        { numRuns: 8 },
      );
    });
  };

  better('more walkers', { walkers: 12 });
  better('more entries in its IOTLB', { entries: 256 });
  better('faster walks', { walk: 200 });
  better('faster memory', { dram: 20 }, { cache: 'cold' });
  better('a shorter link', { link: 100 });
  better('more tags', { tags: 56 });
  better('more posted credits', { postedLines: 184 });
  better('walks that exclude no others', { walkRegion: 12 });

  it('when transfers do not miss: more ways hit at least as often on the same stream.', () => {
    fc.assert(
      fc.property(window, seed, fc.integer({ min: 16, max: 200 }), (bytes, s, entries) => {
        const hits = [entries, entries + 20].map((ways) => {
          const streams = benchStreams({ ...SET_UP, window: bytes, seed: s }, 'write', { entries: ways, tags: 1 });
          nanoseconds(streams);
          const { hits: found, misses } = streams.agent!.state;
          return found / (found + misses);
        });
        // Other requests are under way when the measurement ends.
        expect(hits[1]!).toBeGreaterThanOrEqual(hits[0]! - 0.01);
      }),
      { numRuns: 8 },
    );
  });
});
