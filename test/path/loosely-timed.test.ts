/** The loosely timed path: one command at a time takes what it takes on the approximately timed path, many take about as long. */
import { describe, expect, it } from 'vitest';
import { Capacity } from '../../hardware/path/capacity.ts';
import { Command, type Traffic } from '../../hardware/path/index.ts';
import { ns } from '../../hardware/sim/index.ts';
import { type BenchSetUp, benchStreams, looseStreams } from '../../src/machine/measured/pcie-bench.ts';
import type { MachineName } from '../../src/machine/measured/pcie-bench-machines.ts';
import { DEVICE, loosePath, PathBench, type PathChanges } from './path-bench.ts';

const KIB = 1024;
/** Picoseconds: each piece of a command may be rounded once more on one of the two paths. */
const ROUNDED = 8;

describe('One command', () => {
  it.each<[string, number, number, PathChanges]>([
    ['of a line', 0x1000, 64, {}],
    ['of an odd length', 0x1040, 61, {}],
    ['in three completions', 0x1080, 400, {}],
    ['that lands as a burst', 0x1100, 512, {}],
    ['in three requests', 0x2000, 1280, {}],
    ['that the IOMMU blocks', 0x1000, 64, { blocked: true }],
    ['of what the last-level cache has', 0x1000, 64, { memory: { cache: { bytes: 0x1000, latency: 10 }, slices: 8 } }],
  ])('reads in the same time: %s.', (_, address, length, changes) => {
    const bench = new PathBench(changes);
    const path = loosePath(changes);
    const took = path.read(0, 0, address, length) - DEVICE.readIssue * 1000;
    expect(Math.abs(took - bench.read(address, length))).toBeLessThanOrEqual(ROUNDED);
    expect(path.faults).toBe(bench.path.root.faults);
  });

  it.each<[string, number, number, PathChanges]>([
    ['of a line', 0x1000, 64, {}],
    ['in two TLPs', 0x10c0, 320, {}],
    ['that waits for credits', 0x1000, 512, { root: { postedLines: 4 } }],
    ['that waits for room before the link', 0x1000, 1024, { device: { writeFifo: 1 } }],
    ['for which a line makes room', 0x1000, 64, { root: { write: { visible: 50, allocate: 75 }, writeCache: 4096 } }],
    ['that the IOMMU blocks', 0x1000, 64, { blocked: true }],
  ])('is written in the same time: %s.', (_, lo, length, changes) => {
    const { path, engine } = new PathBench(changes);
    let seen = 0;
    const done = () => {
      seen = engine.now;
    };
    path.writes.start(Object.assign(new Command(), { lo, length, done }), ns(0));
    engine.run();
    expect(Math.abs(loosePath(changes).write(0, 0, lo, length) - seen)).toBeLessThanOrEqual(ROUNDED);
  });

  it('reads in the same time what has just been written.', () => {
    const changes = { root: { writeCache: 4096 }, memory: { cache: { bytes: 0x1000, latency: 10 } } };
    const loose = loosePath(changes);
    const cold = loosePath(changes).read(0, 0, 0x1000, 64);
    const from = loose.write(0, 0, 0x1000, 64);
    expect(loose.read(from, 0, 0x1000, 64) - from).toBeCloseTo(cold - 90_000, -1);
  });

  it('has an owner for each picosecond of its time.', () => {
    const reads = loosePath();
    // Of the two requests each is counted from its issue to its end.
    expect(reads.shares.total).toBe(0);
    const landed = reads.read(0, 0, 0x1000, 1024);
    expect(reads.shares.total).toBe(2 * (landed - DEVICE.readIssue * 1000));
    const writes = loosePath();
    const visible = writes.write(0, 0, 0x1000, 64);
    expect(writes.shares.total).toBe(visible - DEVICE.write.command * 1000);
  });
});

describe('A server that is asked out of order', () => {
  it('serves at once while there is room in the window of time, whoever comes first.', () => {
    const server = new Capacity();
    expect(server.take(30_000, 10_000)).toBe(40_000);
    expect(server.take(10_000, 10_000)).toBe(20_000);
  });

  it('does no more than a window of work in a window: the rest comes after it.', () => {
    const server = new Capacity();
    const ends = Array.from({ length: 20 }, () => server.take(0, 10_000));
    expect(Math.max(...ends)).toBe(200_000);
    // What is free later is not given away to those who came too early.
    expect(server.take(400_000, 10_000)).toBe(410_000);
  });
});

describe('Many commands', () => {
  const nanoseconds = (setUp: BenchSetUp, traffic: Traffic): { timed: number; loose: number } => {
    const [before, counted] = [800, 1200];
    const streams = benchStreams(setUp, traffic);
    streams.start();
    const from = streams.run(before);
    const timed = (streams.run(counted) - from) / counted / 1000;
    const loose = looseStreams(setUp, traffic);
    const start = loose.run(before);
    return { timed, loose: (loose.run(counted) - start) / counted / 1000 };
  };
  const setUp = (machine: MachineName, iommu: BenchSetUp['iommu'], bytes: number, window: number): BenchSetUp => ({
    ...{ machine, iommu, bytes, window: window * KIB, node: 'local', offset: 0, cache: 'warm', seed: 1 },
  });

  it.each([
    ['bdw', 'off', 1024, 4096],
    ['bdw', '4K', 64, 256],
    ['bdw', '4K', 256, 4096],
    ['bdw', '4K', 64, 16_384],
    ['ivb', '4K', 64, 4096],
    ['snb', '4K', 256, 16_384],
  ] as const)('take about as long in each traffic: %s, %s, %i bytes in %i KiB.', (machine, iommu, bytes, window) => {
    for (const traffic of ['read', 'write', 'readWrite'] as const) {
      const { timed, loose } = nanoseconds(setUp(machine, iommu, bytes, window), traffic);
      expect(Math.abs(loose / timed - 1), traffic).toBeLessThan(0.1);
    }
  });

  it('are too slow by up to 40 % where many writes wait for walks of few pages: pages are driven out too early.', () => {
    const { timed, loose } = nanoseconds(setUp('bdw', '4K', 64, 1024), 'write');
    expect(loose / timed).toBeGreaterThan(1.1);
    expect(loose / timed).toBeLessThan(1.4);
  });
});
