/** A port that translates in order: what each part of a burst's way takes, by hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vtdSecondStage } from '../../hardware/formats/index.ts';
import { TimedIommu } from '../../hardware/iommu/index.ts';
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import { burstPieces, Milestone, OrderedPort, type OrderedPortSpec } from '../../hardware/path/index.ts';
import { Access } from '../../hardware/pcie/index.ts';
import { Engine } from '../../hardware/sim/index.ts';
import { AddressWidth } from '../../hardware/vtd/spec/index.ts';
import { intelCapabilities } from '../../src/machine/capabilities.ts';
import { WrittenTables } from '../../src/machine/measured/tables.ts';
import { legacyRoot, startUnit, unitOf } from '../../src/machine/measured/units.ts';
import { BYTE, LINK_LATENCY } from './path-bench.ts';

const NS = 1000;
const wire = (bytes: number): number => Math.ceil(bytes * BYTE);
const REQUESTER = 0x0300;
const PAGE = 4096;
/** So many pages from here on are mapped. */
const [FIRST, PAGES] = [0x4_0000, 512];
const [LOOKUP, READ, VISIBLE] = [4, 100, 50];
const SPEC: OrderedPortSpec = {
  link: { generation: 3, width: 8, dllp: 'measured', latency: LINK_LATENCY },
  maxPayload: 256,
  waiting: 64,
  visible: VISIBLE,
};

class PortBench {
  readonly engine = new Engine();
  readonly port: OrderedPort;
  /** When each burst was seen, in picoseconds. */
  readonly seenAt: number[] = [];

  constructor(translates: boolean, changes: Partial<OrderedPortSpec> = {}) {
    const memory = new PhysicalMemory([[0, 2 ** 26]]);
    const controller = new MemoryController(this.engine, memory, { latency: READ, bytesPerNanosecond: 1_000_000 });
    const parts = { controller, agent: translates ? this.#agent(controller) : null, requester: REQUESTER };
    this.port = new OrderedPort(this.engine, { ...SPEC, ...changes }, parts);
  }

  #agent(controller: MemoryController): TimedIommu {
    const tables = new WrittenTables(controller.memory, 0x10_0000);
    const root = legacyRoot(tables, REQUESTER, { AW: AddressWidth.BITS_48 });
    const format = vtdSecondStage({ levels: 4, superpages: [] });
    tables.map(format, root.top, FIRST * PAGE, 0x100_0000, PAGES);
    const unit = startUnit(
      {
        ...unitOf(intelCapabilities['broadwell-ep']),
        iotlb: { sets: 1, ways: 8 },
        contextCache: { sets: 1, ways: 1 },
        secondStageCache: { sets: 1, ways: 8 },
      },
      controller.memory,
      root,
    );
    return new TimedIommu(this.engine, unit, controller, { lookup: LOOKUP, requests: 1, walkers: 1 });
  }

  write(page: number, length: number, offset = 0): void {
    const pieces = burstPieces(offset, length, (index) => page + index);
    this.port.write({ pieces, done: () => this.seenAt.push(this.engine.now) });
  }

  /** Something before, so that context entry and tables are cached. */
  warm(page: number): number {
    this.port.access(0, page * PAGE, Access.READ);
    this.engine.run();
    this.port.shares.reset();
    this.port.walks.fill(0);
    return this.engine.now;
  }
}

describe('A port that translates in order', () => {
  it('takes the link and what a write takes, where nothing is translated.', () => {
    const bench = new PortBench(false);
    bench.write(1, 320);
    bench.engine.run();
    // TLPs of 256 and 64 bytes.
    expect(bench.seenAt[0]).toBeCloseTo(wire(24 + 256 + 24 + 64) + (LINK_LATENCY + VISIBLE) * NS, -1);
  });

  it('walks for the first TLP in a page and looks up all: two pages, of whose walks one table is missing in neither.', () => {
    const bench = new PortBench(true);
    const from = bench.warm(FIRST + 9);
    bench.write(FIRST, 512, PAGE - 256);
    bench.engine.run();
    const walks = 2 * (LOOKUP + READ);
    // And memory's queue, for two reads.
    expect(bench.seenAt[0]! - from).toBeCloseTo(wire(2 * 280) + (LINK_LATENCY + walks + VISIBLE) * NS, -1);
    expect([...bench.port.walks.slice(0, 3)]).toEqual([0, 2, 0]);
  });

  it('reads the context entry and all four tables when nothing is cached.', () => {
    const bench = new PortBench(true);
    bench.write(FIRST, 64);
    bench.engine.run();
    expect(bench.port.walks.findIndex((count) => count > 0)).toBe(6);
  });

  it('holds up what hits behind what walks.', () => {
    const bench = new PortBench(true);
    bench.warm(FIRST + 9);
    bench.write(FIRST, 256);
    bench.engine.run();
    bench.seenAt.length = 0;
    bench.write(FIRST + 1, 64);
    bench.port.free = () => {
      bench.port.free = () => {};
      bench.write(FIRST, 64);
    };
    bench.engine.run();
    // The second has come before the first has its walk: it is seen a look-up later.
    expect(bench.seenAt[1]! - bench.seenAt[0]!).toBe(LOOKUP * NS);
    expect(bench.port.shares.sums[Milestone.ORDER]).toBeGreaterThan(0);
  });

  it('is not free while a burst is on the link, nor while the root complex has no room.', () => {
    const bench = new PortBench(true, { waiting: 2 });
    const from = bench.warm(FIRST + 9);
    const { port } = bench;
    bench.write(FIRST, 512);
    expect(port.isFree).toBe(false);
    const free: number[] = [];
    port.free = () => port.isFree && free.push(bench.engine.now - from);
    bench.engine.run();
    // Sent long before, it makes room when it is translated: a walk, and one more look-up.
    expect(free).toHaveLength(1);
    expect(free[0]).toBeCloseTo(wire(2 * 280) + (LINK_LATENCY + 2 * LOOKUP + READ) * NS, -1);
  });

  it('does small accesses first, and tells when they are translated.', () => {
    const bench = new PortBench(true);
    bench.warm(FIRST + 9);
    const order: string[] = [];
    bench.port.write({ pieces: burstPieces(0, 64, () => FIRST), done: () => order.push('burst') });
    for (const n of [1, 2]) {
      bench.port.access(0, (FIRST + n) * PAGE, Access.READ, () => order.push(`small ${n}`));
    }
    bench.engine.run();
    expect(order).toEqual(['small 1', 'small 2', 'burst']);
    expect(bench.port.faults).toBe(0);
  });

  it('counts what the IOMMU refuses.', () => {
    const bench = new PortBench(true);
    bench.write(FIRST + PAGES, 64);
    bench.engine.run();
    expect(bench.port.faults).toBe(1);
  });

  it('gives each picosecond of a burst one owner, and takes them back with a reset.', () => {
    const length = fc.integer({ min: 1, max: 9000 });
    const offset = fc.integer({ min: 0, max: PAGE - 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(length, offset, fc.nat(500)), { minLength: 1, maxLength: 12 }), (bursts) => {
        const bench = new PortBench(true, { waiting: 16 });
        const { port, engine } = bench;
        let sum = 0;
        const rest = [...bursts];
        port.free = () => {
          while (port.isFree && rest.length > 0) {
            const [bytes, at, page] = rest.shift()!;
            const pieces = burstPieces(at, bytes, (index) => FIRST + page + index);
            port.write({ pieces, done: () => (sum += engine.now) }, 0);
          }
        };
        port.free();
        engine.run();
        expect(port.shares.requests).toBe(bursts.length);
        expect(port.shares.total).toBe(sum);
        port.reset();
        expect([port.shares.total, port.isFree]).toEqual([0, true]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('Pieces of a burst', () => {
  it('are cut where pages end, and each lies in the page that it is given.', () => {
    const pages = [0x12_3456, 0x7];
    expect(burstPieces(0xf00, 0x200, (index) => pages[index]!)).toEqual([
      { hi: 0x1, lo: 0x2345_6f00, length: 0x100 },
      { hi: 0, lo: 0x7000, length: 0x100 },
    ]);
  });
});
