/** The timed path of a DMA: what each part of it takes, by hand. */
import { describe, expect, it } from 'vitest';
import { Command, Milestone } from '../../hardware/path/index.ts';
import { ns } from '../../hardware/sim/index.ts';
import { BYTE, LINK_LATENCY, LOOKUP, PathBench } from './path-bench.ts';

const NS = 1000;
/** Picoseconds of so many bytes on the link: rounded up. */
const wire = (bytes: number): number => Math.ceil(bytes * BYTE);
/** A request of 24 bytes goes up, memory answers, a completion with so many bytes of data comes down, so many lines land. */
const readTime = (bytes: number, lines: number): number =>
  wire(24) + wire(20 + bytes) + (2 * LINK_LATENCY + 100 + 5 + 2 * lines) * NS;

describe('A read', () => {
  it('takes the link up, memory, the link down and its landing.', () => {
    const bench = new PathBench();
    expect(bench.read(0x1000, 64)).toBeCloseTo(readTime(64, 1), -1);
    expect([...bench.path.shares.sums].map(Math.round)).toEqual([
      0,
      wire(24) + LINK_LATENCY * NS,
      0,
      0,
      0,
      // And memory's queue.
      100 * NS + 1,
      wire(84) + LINK_LATENCY * NS,
      7 * NS,
    ]);
  });

  it('counts words on the link and lines when it lands.', () => {
    expect(new PathBench().read(0x1000, 61)).toBeCloseTo(readTime(64, 1 + 1), -1);
    expect(new PathBench().read(0x1000, 65)).toBeCloseTo(readTime(68, 1 + 1), -1);
  });

  it('comes back in completions of Max_Payload_Size that end at its multiples.', () => {
    // 128 and 256 and 16 bytes.
    const three = wire(24) + wire(148) + wire(276) + wire(36) + (2 * LINK_LATENCY + 100 + 5 + 2 * 7) * NS;
    expect(new PathBench().read(0x1080, 400)).toBeCloseTo(three, -2);
  });

  it('waits in the root complex for the read before it, and its own time is told.', () => {
    const { path, engine } = new PathBench({ root: { read: { request: 30, byte: 0.5 } } });
    for (const address of [0x1000, 0x2000]) path.reads.start(0, address, 64, ns(0), () => {});
    engine.run();
    // The second leaves when the first has left, and waits for what is left of 30 + 64 · 0.5 ns.
    expect(path.shares.sums[Milestone.ORDER]).toBeCloseTo(62 * NS - wire(24), -1);
    expect(path.shares.requests).toBe(2);
  });

  it('is answered without data when its translation fails, and memory is not read for it.', () => {
    const bench = new PathBench({ blocked: true });
    // The IOMMU reads the root entry, which is not present.
    const refused = wire(24) + wire(20) + (2 * LINK_LATENCY + LOOKUP + 100 + 7) * NS;
    expect(bench.read(0x1000, 64)).toBeCloseTo(refused, -1);
    expect(bench.path.root.faults).toBe(1);
  });

  it('gives its tag back in the order of the commands: what is slow keeps what is fast.', () => {
    const { path, engine } = new PathBench({ memory: { cache: { bytes: 0x1000, latency: 10 } } });
    const landed: string[] = [];
    path.reads.start(0, 0x8000, 64, ns(0), () => landed.push('from DRAM'));
    path.reads.start(0, 0x1000, 64, ns(0), () => landed.push('from the cache'));
    engine.run();
    expect(landed).toEqual(['from DRAM', 'from the cache']);
  });
});

const write = (lo: number, length: number, done: () => void = () => {}): Command =>
  Object.assign(new Command(), { lo, length, done });

describe('A write', () => {
  it('is put together in blocks of 128 bytes and cut at multiples of Max_Payload_Size.', () => {
    const { path, engine, sentAt } = new PathBench();
    path.writes.start(write(0x10c0, 320), ns(0));
    engine.run();
    // 64 and 256 bytes: one block, then the two that begin behind it.
    const built = [4 + 6, 4 + 6 + 2 * 6].map((nanoseconds) => nanoseconds * NS);
    expect(sentAt[0]).toBeCloseTo(built[0]! + wire(24 + 64), -1);
    expect(sentAt[1]).toBeCloseTo(built[1]! + wire(24 + 256), -1);
  });

  it('is seen by everybody some time after it has come, and then its credits are back.', () => {
    const { path, engine } = new PathBench({ root: { postedLines: 1 } });
    const seen: number[] = [];
    path.writes.start(
      write(0x1000, 64, () => seen.push(engine.now)),
      ns(0),
    );
    engine.run();
    const takes = (4 + 6 + LINK_LATENCY + 50) * NS + wire(88);
    expect(seen[0]).toBeCloseTo(takes, -1);
  });

  it('waits for credits on the device side.', () => {
    const { path, engine, sentAt } = new PathBench({ root: { postedLines: 4 } });
    // Two TLPs of four lines each.
    path.writes.start(write(0x1000, 512), ns(0));
    engine.run();
    expect(sentAt[1]! - sentAt[0]!).toBeCloseTo((LINK_LATENCY + 50) * NS + wire(24 + 256), -1);
  });

  it('is seen before a read that came after it is answered.', () => {
    const { path, engine } = new PathBench({ root: { write: { visible: 900, allocate: 0 } } });
    path.writes.start(write(0x1000, 64), ns(0));
    engine.run();
    const alone = new PathBench().read(0x1000, 64);
    const { path: other, engine: clock } = new PathBench({ root: { write: { visible: 900, allocate: 0 } } });
    let end = 0;
    other.writes.start(write(0x1000, 64), ns(0));
    other.reads.start(0, 0x1000, 64, ns(12), (delay) => {
      end = clock.now + delay - 12_000;
    });
    clock.run();
    // The write left 10 ns after its start, and is seen 900 ns after it has come.
    expect(end).toBeCloseTo(alone + (10 - 12 + 900) * NS + wire(88) - wire(24), -2);
  });

  it('takes longer where its line has to be made room for, the first time.', () => {
    const { path, engine } = new PathBench({ root: { writeCache: 0x1000, write: { visible: 50, allocate: 75 } } });
    const seen: number[] = [];
    for (let i = 0; i < 2; i++) {
      const from = engine.now;
      path.writes.start(
        write(0x1000, 64, () => seen.push(engine.now - from)),
        ns(0),
      );
      engine.run();
    }
    expect(seen[0]! - seen[1]!).toBe(75 * NS);
  });

  it.each([
    ['has it from the last-level cache', { bytes: 0x10_0000, latency: 10 }, 90],
    ['has it from DRAM where nothing is cached, as with memory of the other socket', null, 0],
  ])('leaves its line for who reads it: that %s.', (_, cache, sooner) => {
    const bench = new PathBench({ root: { writeCache: 0x1000 }, memory: { cache } });
    const cold = bench.read(0x1000, 64);
    bench.path.writes.start(write(0x1000, 64), ns(0));
    bench.engine.run();
    expect(cold - bench.read(0x1000, 64)).toBeCloseTo(sooner * NS, -1);
    expect(cold - bench.read(0x2000, 64)).toBeCloseTo(0, -1);
  });
});
