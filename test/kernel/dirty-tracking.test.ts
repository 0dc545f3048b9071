/** Which pages devices have written to, as the drivers of both vendors find out: flags in the tables, and what is cached. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { IommuDomain, IommuDriver } from '../../src/kernel/iommu/driver.ts';
import type { PageTable } from '../../src/kernel/iommu/page-table.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { EINVAL, EIO, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { AmdBench, entryOf, GUEST_EFR, submitted } from './amd-bench.ts';
import { batchesOf } from './batches.ts';
import { Bench } from './bench.ts';
import { ForeignTables } from './foreign-tables.ts';
import type { MachineBench } from './machine-bench.ts';
import { behind, dmaRead, dmaWrite, mapPage, scalableBench, sure } from './scalable-bench.ts';

const intel = (): Bench => scalableBench({ ecap: { SSADS: 1 } });
const amd = (): AmdBench => AmdBench.up({ efr: { ...GUEST_EFR, HASup: 1, HDSup: 1 }, efr2: { GCR3TRPModeSup: 1 } });

/** The first word of the PASID-table entry of a device's requests without PASID. */
function pasidEntry(bench: Bench, { rid }: PciDevice): bigint {
  const follow = (at: number): number => Number(bench.memory.read64(at) & ~0xfffn);
  const context = follow(bench.unit.translator.root.table + (rid >>> 8) * 16) + (rid & 0x7f) * 32;
  return bench.memory.read64(follow(follow(context)));
}

interface Vendor {
  readonly up: () => MachineBench;
  /** SSADE and DTE.HAD. */
  readonly flags: (bench: MachineBench, device: PciDevice) => bigint;
  /** A and D of a leaf. */
  readonly accessed: bigint;
  readonly dirty: bigint;
}

const VENDORS: readonly (readonly [string, Vendor])[] = [
  [
    'VT-d',
    {
      up: intel,
      flags: (bench, device) => (pasidEntry(bench as Bench, device) >> 9n) & 1n,
      accessed: 1n << 8n,
      dirty: 1n << 9n,
    },
  ],
  [
    'AMD-Vi',
    {
      up: amd,
      flags: (bench, { rid }) => (entryOf(bench as AmdBench, rid)[0]! >> 7n) & 3n,
      accessed: 1n << 5n,
      dirty: 1n << 6n,
    },
  ],
];
const ON = { 'VT-d': 1n, 'AMD-Vi': 3n } as const;

/** Where the leaf of a page is. */
function leafAt({ memory }: MachineBench, domain: IommuDomain, page: number): number {
  const { root, format } = (domain as unknown as { table: PageTable }).table;
  let at = root * PAGE_SIZE;
  for (let level = format.levels; ; level--) {
    at += format.indexOf(page, level) * 8;
    const entry = format.decode(level, memory.read64(at));
    if (entry.kind === 'leaf') return at;
    if (entry.kind === 'empty') throw new Error(`page ${page} is not mapped`);
    at = entry.address;
  }
}

interface World {
  readonly bench: MachineBench;
  readonly driver: IommuDriver;
  readonly one: PciDevice;
  readonly two: PciDevice;
  readonly domain: IommuDomain;
  /** A device writes to a page of the domain. */
  readonly write: (page: number, pasid?: number) => Script;
}

/** Lets a body run with pages 4 to 11 mapped in a domain that one device is attached to. */
function within({ up }: Vendor, body: (world: World) => Script, deviceTlb = false): void {
  const bench = up();
  const { driver, devices } = behind(bench);
  const [one, two] = devices as [PciDevice, PciDevice];
  if (deviceTlb) expect(driver.prepare(one, { deviceTlb, pageRequests: false })).toBe(0);
  bench.run(
    (function* () {
      const domain = yield* sure(driver.allocateDomain({ dirtyTracking: true }));
      for (let page = 4; page < 12; page++) yield* mapPage(bench, domain, page, page);
      expect(yield* domain.attach(one)).toBe(0);
      const write = function* (page: number, pasid?: number): Script {
        const to = { address: page * PAGE_SIZE, ...(pasid === undefined ? {} : { pasid }) };
        expect(yield* dmaWrite(bench, one, to)).toBe(0);
      };
      yield* body({ bench, driver, one, two, domain, write });
    })(),
  );
}

describe.each(VENDORS)('Dirty tracking on %s', (name, vendor) => {
  const { flags, accessed, dirty } = vendor;

  it('tells each page that was written, once, and again after the next write.', () => {
    within(vendor, function* ({ bench, one, domain, write }) {
      const bits = () => bench.memory.read64(leafAt(bench, domain, 5)) & (accessed | dirty);
      yield* write(5);
      expect([flags(bench, one), bits()]).toEqual([0n, 0n]);
      expect(yield* domain.setDirtyTracking(true)).toBe(0);
      expect(flags(bench, one)).toBe(ON[name as keyof typeof ON]);
      expect(yield* domain.readDirty(0, 16)).toEqual([]);

      expect(yield* dmaRead(bench, one, { address: 5 * PAGE_SIZE })).toBe(0);
      expect([bits(), yield* domain.readDirty(0, 16)]).toEqual([accessed, []]);
      yield* write(5);
      expect(bits()).toBe(accessed | dirty);
      expect(yield* domain.readDirty(0, 16)).toEqual([{ first: 5, pages: 1 }]);
      expect([bits(), yield* domain.readDirty(0, 16)]).toEqual([accessed, []]);
      // The unit had cached that the page was dirty.
      yield* write(5);
      expect(yield* domain.readDirty(0, 16)).toEqual([{ first: 5, pages: 1 }]);
    });
  });

  it('tells runs of neighbours within a range, and leaves what is beyond for later.', () => {
    within(vendor, function* ({ domain, write }) {
      yield* domain.setDirtyTracking(true);
      for (const page of [4, 6, 7, 10, 11]) yield* write(page);
      expect(yield* domain.readDirty(5, 6)).toEqual([
        { first: 6, pages: 2 },
        { first: 10, pages: 1 },
      ]);
      expect(yield* domain.readDirty(0, 64)).toEqual([
        { first: 4, pages: 1 },
        { first: 11, pages: 1 },
      ]);
      expect(yield* domain.readDirty(0, 2 ** 36)).toEqual([]);
    });
  });

  it('with keep changes nothing: the page is told again without another write.', () => {
    within(vendor, function* ({ bench, domain, write }) {
      yield* domain.setDirtyTracking(true);
      yield* write(8);
      const before = bench.memory.read64(leafAt(bench, domain, 8));
      const seen: number[] = [];
      bench.tap = (offset) => seen.push(offset) > 0;
      for (let n = 0; n < 2; n++) {
        expect(yield* domain.readDirty(8, 1, { keep: true })).toEqual([{ first: 8, pages: 1 }]);
      }
      expect([bench.memory.read64(leafAt(bench, domain, 8)), seen]).toEqual([before, []]);
      bench.tap = null;
      expect(yield* domain.readDirty(8, 1)).toEqual([{ first: 8, pages: 1 }]);
    });
  });

  it('tells a superpage whole, also when asked for a page in its middle.', () => {
    within(vendor, function* ({ bench, domain, write }) {
      const frame = bench.kernel.allocator.allocate('test', 9);
      expect(yield* domain.map(512, frame, 512, { read: true, write: true })).toBe(0);
      yield* domain.setDirtyTracking(true);
      yield* write(512 + 77);
      expect(yield* domain.readDirty(512 + 300, 1)).toEqual([{ first: 512, pages: 512 }]);
      expect(yield* domain.readDirty(512, 512)).toEqual([]);
    });
  });

  it('forgets what was written before it was turned on, and when it is turned on again.', () => {
    within(vendor, function* ({ bench, domain, write }) {
      const at = leafAt(bench, domain, 5);
      bench.memory.write64(at, bench.memory.read64(at) | dirty);
      yield* domain.setDirtyTracking(true);
      expect(bench.memory.read64(at) & dirty).toBe(0n);
      yield* write(5);
      expect(yield* domain.setDirtyTracking(true)).toBe(0);
      expect(yield* domain.readDirty(0, 16)).toEqual([]);
      yield* write(5);
      expect(yield* domain.readDirty(0, 16)).toEqual([{ first: 5, pages: 1 }]);
    });
  });

  it('ends when it is turned off: entries say so, no flag is set, and nothing can be read.', () => {
    within(vendor, function* ({ bench, one, domain, write }) {
      expect(yield* domain.readDirty(0, 16)).toBe(-EINVAL);
      yield* domain.setDirtyTracking(true);
      yield* write(5);
      expect(yield* domain.setDirtyTracking(false)).toBe(0);
      expect(flags(bench, one)).toBe(0n);
      yield* write(6);
      expect(bench.memory.read64(leafAt(bench, domain, 6)) & dirty).toBe(0n);
      expect(yield* domain.readDirty(0, 16)).toBe(-EINVAL);
    });
  });

  it('goes for devices that are attached later, and for what is nested in the domain.', () => {
    within(vendor, function* ({ bench, driver, one, two, domain, write }) {
      const tables = new ForeignTables(bench, domain);
      yield* tables.map(0, 16, 17, 18, 19);
      tables.lead([16, 17, 18, 19], 9);
      const nested = yield* sure(driver.allocateNested({ parent: domain, table: 16, levels: 4 }));
      expect(yield* nested.attach(one, { pasid: 3 })).toBe(0);
      yield* write(0, 3);
      expect(yield* domain.setDirtyTracking(true)).toBe(0);
      yield* write(0, 3);
      const flat = (yield* domain.readDirty(0, 16)) as unknown[];
      expect(flat).toEqual([{ first: 9, pages: 1 }]);
      yield* write(0, 3);
      expect(yield* domain.readDirty(0, 16)).toEqual([{ first: 9, pages: 1 }]);

      expect(yield* domain.attach(two)).toBe(0);
      expect(flags(bench, two)).toBe(ON[name as keyof typeof ON]);
      expect(yield* dmaWrite(bench, two, { address: 4 * PAGE_SIZE })).toBe(0);
      expect(yield* domain.readDirty(0, 16)).toEqual([{ first: 4, pages: 1 }]);
    });
  });

  it('makes devices forget too that they may write without telling.', () => {
    const sent: unknown[] = [];
    within(
      vendor,
      function* ({ bench, one, domain, write }) {
        bench.unit.devices.taker = (message) => void sent.push(message);
        yield* domain.setDirtyTracking(true);
        yield* write(7);
        sent.push('read');
        yield* domain.readDirty(0, 16);
        const common = { kind: 'invalidate', requester: one.rid, global: false, pasid: undefined };
        expect(sent).toEqual([
          { ...common, address: 0x7fff_ffff_ffff_f000n, isRange: true },
          'read',
          { ...common, address: 0x7000n, isRange: false },
        ]);
      },
      true,
    );
  });

  it('ends with EIO when hardware does not answer.', () => {
    within(vendor, function* ({ bench, domain, write }) {
      yield* domain.setDirtyTracking(true);
      yield* write(7);
      bench.tap = () => false;
      expect(yield* domain.readDirty(0, 16)).toBe(-EIO);
      expect(yield* domain.setDirtyTracking(false)).toBe(-EIO);
    });
  });
});

describe('What a unit is told', () => {
  it('by the VT-d driver: PASID cache and IOTLB when entries change, the IOTLB when pages are clean again.', () => {
    const bench = intel();
    const { driver, devices } = behind(bench);
    const batches = batchesOf(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        yield* mapPage(bench, domain, 5, 1);
        yield* domain.attach(devices[0]!);
        yield* domain.setDirtyTracking(true);
        yield* dmaWrite(bench, devices[0]!, { address: 5 * PAGE_SIZE });
        yield* domain.readDirty(0, 16);
        yield* domain.setDirtyTracking(false);
      })(),
    );
    const changed = ['PASID_CACHE_INVALIDATE', 'IOTLB_INVALIDATE', 'INVALIDATION_WAIT'];
    expect(batches).toEqual([changed, ['IOTLB_INVALIDATE', 'INVALIDATION_WAIT'], changed]);
  });

  it('by the AMD-Vi driver: device table entry and all pages when entries change, a range when pages are clean again.', () => {
    const bench = amd();
    const { driver, devices } = behind(bench);
    const commands = submitted(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        for (const page of [4, 5, 6]) yield* mapPage(bench, domain, page, 1);
        yield* domain.attach(devices[0]!);
        commands.length = 0;
        yield* domain.setDirtyTracking(true);
        for (const page of [4, 6]) yield* dmaWrite(bench, devices[0]!, { address: page * PAGE_SIZE });
        yield* domain.readDirty(0, 16);
        yield* domain.setDirtyTracking(false);
      })(),
    );
    const changed = ['2000000000000010 0000000000000000', '3000000200000000 7ffffffffffff003'];
    expect(commands).toEqual([...changed, '3000000200000000 0000000000005001', ...changed]);
  });

  it('of a PASID table of user space: the entry of its device, whose writes are told through its parent.', () => {
    const bench = amd();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const parent = yield* sure(driver.allocateDomain());
        const tables = new ForeignTables(bench, parent);
        yield* tables.map(0, 1, 2, 3, 4, 5, 6);
        tables.lead([1, 2, 3, 4], 5);
        tables.write(6, 9, 0x1001n);
        const options = { parent, table: 6, pasidBits: 9, levels: 4, usesPasidZero: true } as const;
        const domain = yield* sure(driver.allocatePasidTable(options));
        yield* domain.attach(devices[0]!);
        yield* parent.setDirtyTracking(true);
        for (let n = 0; n < 2; n++) {
          expect(yield* dmaWrite(bench, devices[0]!, { address: 0, pasid: 9 })).toBe(0);
          const written = yield* parent.readDirty(5, 1);
          expect(written).toEqual([{ first: 5, pages: 1 }]);
        }
      })(),
    );
  });
});

describe('Nothing can be tracked', () => {
  it.each([
    ['by a VT-d unit without SSADS', () => scalableBench(), 'second'],
    ['by a VT-d unit in legacy mode', () => Bench.up({ ecap: { SSADS: 1, SMPWCS: 1 } }), 'second'],
    ['through a first stage of VT-d', intel, 'first'],
    ['by an AMD-Vi unit without HDSup', () => AmdBench.up(), 'second'],
    ['through guest tables of AMD-Vi', amd, 'first'],
  ] as const)('%s.', (_, up, stage) => {
    const bench = up();
    const { driver } = behind(bench);
    bench.run(
      (function* () {
        const { free } = bench.kernel.allocator;
        expect(yield* driver.allocateDomain({ stage, dirtyTracking: true })).toBe(-EOPNOTSUPP);
        expect(bench.kernel.allocator.free).toBe(free);
        const domain = yield* sure(driver.allocateDomain({ stage }));
        expect(yield* domain.setDirtyTracking(true)).toBe(-EOPNOTSUPP);
        expect(yield* domain.readDirty(0, 1)).toBe(-EOPNOTSUPP);
      })(),
    );
  });
});
