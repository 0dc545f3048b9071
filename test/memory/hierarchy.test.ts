import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HierarchySpec, MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { Engine, ns, Random } from '../../hardware/sim/index.ts';

const PLAIN: HierarchySpec = { channels: 1, banks: null, lastLevel: null, otherSocket: null };
const CACHE = { bytes: 4096, ways: 4, deviceWays: 2, latency: 20, allocate: 30 };
const LINE = 64;
/** 64 bytes in a nanosecond, then 100 ns. */
const SPEC = { latency: 100, bytesPerNanosecond: 64 };

function make(hierarchy: Partial<HierarchySpec>, spec = SPEC) {
  const engine = new Engine();
  const memory = new PhysicalMemory([[0, 2 ** 24]]);
  const controller = new MemoryController(engine, memory, { ...spec, hierarchy: { ...PLAIN, ...hierarchy } });
  const inNs = (picoseconds: number): number => picoseconds / 1000;
  return {
    engine,
    memory,
    controller,
    read: (address: number, bytes = LINE) => inNs(controller.read(0, address, bytes)),
    readPast: (address: number) => inNs(controller.readPast(0, address, LINE)),
    write: (address: number, bytes = LINE) => inNs(controller.write(0, address, bytes)),
  };
}

describe('Channels of DRAM', () => {
  it('take lines in turn, each with its part of the bandwidth', () => {
    const { read } = make({ channels: 2 });
    // A line takes 2 ns of its channel.
    expect([read(0), read(LINE), read(2 * LINE), read(3 * LINE)]).toEqual([102, 102, 104, 104]);
  });

  it('serve an access of many lines together', () => {
    expect(make({ channels: 4 }).read(0, 4096)).toBe(100 + 4 * 16);
    expect(make({ channels: 1 }).read(0, 4096)).toBe(100 + 64);
  });

  it('transfer whole lines, also for a few bytes and for nothing', () => {
    const { read } = make({});
    expect([read(60, 8), read(128, 1), read(192, 0)]).toEqual([102, 103, 104]);
  });

  it('are free again when time has passed', () => {
    const { engine, read } = make({});
    read(0, 4096);
    engine.schedule(ns(1000), { handle: () => {} }, 0);
    engine.run();
    expect(read(0)).toBe(101);
  });
});

describe('Banks', () => {
  const banks = { count: 2, rowBytes: 256, busy: 45 };

  it('are taken while they open a row, and cost nothing while it is open', () => {
    const { read } = make({ banks });
    // Four lines of one row, the row of the other bank, then another row of the first.
    expect([0, 1, 2, 3].map((line) => read(line * LINE))).toEqual([101, 102, 103, 104]);
    expect(read(256)).toBe(105);
    expect(read(512)).toBe(45 + 101);
    expect(read(512 + LINE)).toBe(45 + 102);
  });

  it('of each channel are its own', () => {
    const { read } = make({ banks, channels: 2 });
    // Rows of 256 bytes of each channel: eight lines together.
    expect([read(0), read(LINE), read(1024), read(1024 + LINE)]).toEqual([102, 102, 147, 147]);
  });
});

describe('The last-level cache', () => {
  it('has what cores have touched', () => {
    const { controller, read } = make({ lastLevel: CACHE });
    expect(read(0x1000)).toBe(101);
    controller.touch(0x1000, 128);
    expect([read(0x1000), read(0x1040), read(0x1080)]).toEqual([20, 20, 102]);
    expect(controller.state).toMatchObject({ accesses: 4, cacheHits: 2, cacheMisses: 2, writtenBack: 0 });
  });

  it('keeps a read behind the write that makes room for its line', () => {
    const { write, read } = make({ lastLevel: CACHE });
    write(0);
    write(1024);
    expect([write(2048), read(2048), read(0x40)]).toEqual([50, 50, 102]);
  });

  it('gives a written line back on the channel of that line, not of the one for which it goes', () => {
    const { write, read } = make({ lastLevel: CACHE, channels: 3 });
    for (const address of [0, 1024, 2048]) write(address);
    // Line 0 goes to channel 0, where line 3 is, too, and line 32 is where line 2 is; a line takes 3 ns of its channel.
    expect([read(3 * LINE), read(2 * LINE)]).toEqual([106, 103]);
  });

  it('is not asked by who does not snoop', () => {
    const { controller, readPast } = make({ lastLevel: CACHE });
    controller.touch(0x1000, LINE);
    expect(readPast(0x1000)).toBe(101);
  });

  it('takes what devices write, and keeps it for who reads it', () => {
    const { read, write } = make({ lastLevel: CACHE });
    expect([write(0x1000), read(0x1000)]).toEqual([20, 20]);
  });

  it('gives devices some of its ways: what they write further gives way to what they write next, not what cores use', () => {
    const { controller, read, write, engine } = make({ lastLevel: CACHE });
    // 16 sets of 4 ways: lines 1 KiB apart share a set.
    const [A, B, C, OF_CORE] = [0, 1, 2, 3].map((i) => i * 1024) as [number, number, number, number];
    expect([write(A), write(B)]).toEqual([20, 20]);
    controller.touch(OF_CORE, LINE);
    expect(write(C)).toBe(50);
    engine.schedule(ns(1000), { handle: () => {} }, 0);
    engine.run();
    expect([read(OF_CORE), read(C), read(B)]).toEqual([20, 20, 20]);
    expect(read(A)).toBe(101);
    expect(controller.state.writtenBack).toBe(1);
  });

  it('reads of devices leave nothing there', () => {
    const { read } = make({ lastLevel: CACHE });
    expect([read(0), read(0)]).toEqual([101, 102]);
  });

  it('is empty after a reset', () => {
    const { controller, read } = make({ lastLevel: CACHE });
    controller.touch(0, LINE);
    controller.reset();
    expect(read(0)).toBe(101);
    expect(controller.state).toMatchObject({ accesses: 1, cacheHits: 0 });
  });
});

describe('Memory of another socket', () => {
  const otherSocket = { start: 0x1000, hop: 54 };

  it('is a hop further, and in no cache of this one', () => {
    const { controller, read, write } = make({ otherSocket, lastLevel: CACHE });
    controller.touch(0xfc0, 128);
    expect([read(0xfc0), read(0x1000), write(0x1040)]).toEqual([20, 155, 156]);
  });
});

describe('Whatever is between', () => {
  const hierarchies = fc.record({
    channels: fc.integer({ min: 1, max: 4 }),
    banks: fc.option(
      fc.record({ count: fc.integer({ min: 1, max: 4 }), rowBytes: fc.constant(256), busy: fc.constant(45) }),
    ),
    lastLevel: fc.option(fc.record({ ...constants(CACHE), bytes: fc.constantFrom(256, 4096) })),
    otherSocket: fc.option(fc.record({ start: fc.constantFrom(0, 0x800), hop: fc.constant(54) })),
  });
  const accesses = fc.array(
    fc.record({
      isWrite: fc.boolean(),
      address: fc.nat({ max: 0x1000 }),
      bytes: fc.integer({ min: 1, max: 300 }),
      after: fc.nat({ max: 40 }),
    }),
    { minLength: 40, maxLength: 120, size: 'max' },
  );

  it('a read has what was written before it was asked for, and the last write stays', () => {
    fc.assert(
      fc.property(hierarchies, accesses, (hierarchy, all) => {
        const { engine, memory, controller } = make(hierarchy);
        const expected = new Uint8Array(0x2000);
        let at = 0;
        all.forEach(({ isWrite, address, bytes, after }, i) => {
          at += after;
          engine.schedule(ns(at), { handle: () => (isWrite ? write(i + 1) : read()) }, 0);
          const write = (value: number): void => {
            const data = new Uint8Array(bytes).fill(value);
            expected.set(data, address);
            engine.spawn(controller.writeBytes(address, data));
          };
          const read = (): void => {
            // What a later write leaves may be seen, too; nothing older.
            const oldest = expected.slice(address, address + bytes);
            const task = engine.spawn(controller.readBytes(address, bytes));
            reads.push(() => task.result!.every((byte, j) => byte >= oldest[j]!));
          };
        });
        const reads: (() => boolean)[] = [];
        engine.run();
        expect(reads.every((isFresh) => isFresh())).toBe(true);
        expect(memory.read(0, expected.length)).toEqual(expected);
      }),
    );
  });

  it.each<[string, Partial<HierarchySpec>, Partial<HierarchySpec>]>([
    ['more channels of the same speed', { channels: 1 }, { channels: 2 }],
    [
      'more banks',
      { banks: { count: 2, rowBytes: 1024, busy: 45 } },
      { banks: { count: 16, rowBytes: 1024, busy: 45 } },
    ],
    [
      'banks that open rows sooner',
      { banks: { count: 4, rowBytes: 1024, busy: 45 } },
      { banks: { count: 4, rowBytes: 1024, busy: 20 } },
    ],
    ['a cache', {}, { lastLevel: { ...CACHE, bytes: 2 ** 18 } }],
    ['a nearer socket', { otherSocket: { start: 0, hop: 54 } }, { otherSocket: { start: 0, hop: 20 } }],
  ])('%s: random accesses end no later', (_, less, more) => {
    const endOf = (hierarchy: Partial<HierarchySpec>): number => {
      const spec = { ...SPEC, bytesPerNanosecond: 8 * (hierarchy.channels ?? 1) };
      const { read, write } = make(hierarchy, spec);
      const random = new Random(7);
      let last = 0;
      for (let i = 0; i < 2000; i++) {
        const address = random.below(2 ** 17);
        last = Math.max(last, random.below(2) === 0 ? read(address) : write(address));
      }
      return last;
    };
    expect(endOf(more)).toBeLessThanOrEqual(endOf(less));
  });
});

function constants<T extends object>(of: T): { [K in keyof T]: fc.Arbitrary<T[K]> } {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, fc.constant(value)])) as {
    [K in keyof T]: fc.Arbitrary<T[K]>;
  };
}
