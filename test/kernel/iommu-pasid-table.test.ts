/**
 * A process keeps the table of its device's PASIDs itself, in its own memory (flow 4.5b of the proposal, version 2): one space stands
 * for all of them. Only AMD's units find such a table at an address of the process.
 */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  EBUSY,
  EINVAL,
  EOPNOTSUPP,
  IOMMU_DEVICE_GET_INFO,
  IOMMU_FAULT,
  IOMMU_INVALIDATE_CACHE,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOMMU_FD,
} from '../../src/uapi/index.ts';
import type { DmaEngineDriver } from '../../src/user/index.ts';
import { AmdBench, type AmdBenchOptions, entryOf, GUEST_EFR } from './amd-bench.ts';
import { named } from './bench.ts';
import { DATA, FIRST, GCR3, GPA, GUEST_PAGES, GuestMemory, MARK, SECOND } from './guest-memory.ts';
import { DEV, type MachineBench, PAGE, RIDS } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { COOKIES, Version2 } from './v2-bench.ts';
import { expectUnchanged } from './v2-machines.ts';

const K4 = BigInt(PAGE);
const [USER_PGTABLE, USER_PASID_TABLE, SNOOP, DIRTY, DUMMY, GIOV] = [1, 2, 4, 16, 32, 64];
const [IOTLB, DEV_IOTLB, PASID_CACHE] = [1, 2, 4];
const [DOMAIN, PASID, ADDR] = [0, 1, 2];
const [BY_DEVICE, BY_VPASID] = [1, 2];
const PASID_VALID = 8;
/** IommuFormat. */
const FORMATS = [
  ['four levels', 4, 4],
  ['five levels', 8, 5],
] as const;

const up = (options: AmdBenchOptions = {}): AmdBench =>
  AmdBench.up({ ...options, efr: { ...GUEST_EFR, ...options.efr }, efr2: { GCR3TRPModeSup: 1 } });

/** PASID 3 leads to the first stage at FIRST, PASID 0 to that at SECOND; page n of each to data page n and n + 2. */
class Owner extends Version2 {
  guest!: GuestMemory;
  parent = -1;
  pasids = -1;

  *start(format: number, levels: number, attributes: object = {}): Script<this> {
    yield* this.begin(0);
    const at = yield* this.program.mmap(GUEST_PAGES * PAGE);
    this.guest = new GuestMemory(this.program, at, levels);
    for (const page of [0, 1]) {
      this.guest.lead(FIRST, page, DATA + page);
      this.guest.lead(SECOND, page, DATA + 2 + page);
    }
    this.guest.leadPasid(3, FIRST);
    this.guest.leadPasid(0, SECOND);
    this.parent = yield* this.alloc();
    expect(yield* this.map(this.parent, GPA, at, BigInt(GUEST_PAGES) * K4)).toBe(0);
    this.pasids = yield* this.allocTable({ format, ...attributes });
    expect(this.pasids).toBeGreaterThan(0);
    expect(yield* this.attach(0, this.parent)).toBe(0);
    return this;
  }

  allocTable(attributes: object = {}): Script<number> {
    const table = { flags: USER_PASID_TABLE | GIOV, type: 0, format: 4, addr_width: 9, addr: GPA + BigInt(GCR3) * K4 };
    return this.alloc({ ...table, parent_ioasid: this.parent, ...attributes });
  }

  attachWith(vpasid: number, ioasid: number): Script<number> {
    const place = { iommu_fd: this.iommuFd, ioasid, flags: 1, vpasid };
    return this.program.ioctl(this.deviceFds[0]!, VFIO_ATTACH_IOASID_2, place);
  }

  forget(values: object): Script<number> {
    return this.program.ioctl(this.iommuFd, IOMMU_INVALIDATE_CACHE, { child_ioasid: this.pasids, ...values });
  }

  forgetPage(vpasid: number, page: number): Script<number> {
    const range = { addr: BigInt(page) * K4, granule_size: K4, nb_granules: 1n };
    return this.forget({ cache: IOTLB, granularity: ADDR, flags: BY_VPASID, vpasid, ...range });
  }

  *faults(): Script<object[]> {
    const bytes = yield* this.program.readFile(this.iommuFd, PAGE);
    if (typeof bytes === 'number') throw new Error(`read gives ${bytes}`);
    const starts = Array.from({ length: bytes.length / IOMMU_FAULT.bytes }, (_, i) => i * IOMMU_FAULT.bytes);
    return starts.map((at) => IOMMU_FAULT.decode(bytes.subarray(at)));
  }
}

/** The first byte of a page, or `null` when the request is refused. */
function* byteAt(engine: DmaEngineDriver, page: number | bigint, pasid?: number): Script<number | null> {
  const address = typeof page === 'bigint' ? page : BigInt(page) * K4;
  const result = yield* engine.read(address, 4, pasid === undefined ? {} : { pasid });
  return result.ok ? result.data[0]! : null;
}

type Body = (s: Owner, engine: DmaEngineDriver, bench: AmdBench) => Script;

function withOwner(body: Body, [format, levels, attributes = {}]: readonly [number, number, object?] = [4, 4]): void {
  const bench = up();
  bench.run(
    (function* () {
      const s = yield* new Owner(bench).start(format, levels, attributes);
      yield* body(s, yield* s.engine(0), bench);
      yield* s.program.exit();
    })(),
  );
  expect(bench.kernel.pages.pinned).toBe(0);
  expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('user');
  expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('I/O page table');
  expect(entryOf(bench, RIDS[0])).toEqual([3n, 0n, 0n, 0n]);
}

describe.each(FORMATS)('A PASID table of user space that leads to tables of %s', (_, format, levels) => {
  it('takes all requests of its device: those with a PASID, and those without by its entry 0', () => {
    withOwner(
      function* (s, engine) {
        expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4), 'the parent').toBe(MARK);
        expect(yield* s.attach(0, s.pasids)).toBe(0);
        expect([yield* byteAt(engine, 0, 3), yield* byteAt(engine, 1, 3)]).toEqual([MARK, MARK + 1]);
        expect([yield* byteAt(engine, 0), yield* byteAt(engine, 1)]).toEqual([MARK + 2, MARK + 3]);
        expect(yield* byteAt(engine, 0, 4), 'no entry').toBe(null);
        expect(yield* byteAt(engine, 0, 512), 'beyond the table').toBe(null);
        expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4), 'an address of the parent').toBe(null);
        expect(yield* engine.write(K4, Uint8Array.of(0x77), { pasid: 3 })).toMatchObject({ ok: true });
        expect(s.guest.byteOf(DATA + 1)).toBe(0x77);
        expect(yield* named(s.detach(0, s.parent))).toBe('-EBUSY');
        expect(yield* s.detach(0, s.pasids)).toBe(0);
        expect(yield* byteAt(engine, 0, 3)).toBe(null);
        expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4), 'the parent again').toBe(MARK);
      },
      [format, levels],
    );
  });

  it('leaves requests without PASID to the parent where it is not to serve them', () => {
    withOwner(
      function* (s, engine) {
        expect(yield* s.attach(0, s.pasids)).toBe(0);
        expect(yield* byteAt(engine, 0, 3)).toBe(MARK);
        expect(yield* byteAt(engine, 0)).toBe(null);
        expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4)).toBe(MARK);
      },
      [format, levels, { flags: USER_PASID_TABLE }],
    );
  });
});

describe('What hardware has of a PASID table of user space', () => {
  it('stays as it was until it is invalidated: page by page, PASID by PASID, or all of it', () => {
    withOwner(function* (s, engine) {
      expect(yield* s.attach(0, s.pasids)).toBe(0);
      const all = function* (): Script<(number | null)[]> {
        return [yield* byteAt(engine, 0, 3), yield* byteAt(engine, 1, 3), yield* byteAt(engine, 0)];
      };
      const before = [MARK, MARK + 1, MARK + 2];
      expect(yield* all()).toEqual(before);
      s.guest.lead(FIRST, 0, DATA + 3);
      s.guest.lead(FIRST, 1, null);
      expect(yield* all(), 'stale').toEqual(before);
      expect(yield* s.forgetPage(3, 0)).toBe(0);
      expect(yield* all()).toEqual([MARK + 3, MARK + 1, MARK + 2]);
      expect(yield* s.forget({ cache: IOTLB | DEV_IOTLB, granularity: PASID, flags: BY_VPASID, vpasid: 3 })).toBe(0);
      expect(yield* all()).toEqual([MARK + 3, null, MARK + 2]);

      s.guest.leadPasid(3, SECOND);
      expect(yield* all(), 'stale').toEqual([MARK + 3, null, MARK + 2]);
      expect(yield* s.forget({ cache: PASID_CACHE, granularity: PASID, flags: BY_VPASID, vpasid: 3 })).toBe(0);
      expect(yield* all()).toEqual([MARK + 2, MARK + 3, MARK + 2]);

      s.guest.leadPasid(3, null);
      s.guest.leadPasid(0, null);
      expect(yield* all(), 'stale').toEqual([MARK + 2, MARK + 3, MARK + 2]);
      const device = { flags: BY_DEVICE, dev_cookie: COOKIES[0] };
      expect(yield* s.forget({ cache: PASID_CACHE | IOTLB, granularity: DOMAIN, ...device })).toBe(0);
      expect(yield* all()).toEqual([null, null, null]);
    });
  });

  it('goes with what the parent loses, and the table itself may be lost', () => {
    withOwner(function* (s, engine) {
      expect(yield* s.attach(0, s.pasids)).toBe(0);
      expect(yield* byteAt(engine, 0, 3)).toBe(MARK);
      expect(yield* s.unmap(s.parent, GPA, BigInt(GUEST_PAGES) * K4)).toBe(0);
      expect(s.locked).toBe(0);
      expect(yield* byteAt(engine, 0, 3)).toBe(null);
      expect(yield* s.map(s.parent, GPA, s.guest.at, BigInt(GUEST_PAGES) * K4)).toBe(0);
      expect(yield* byteAt(engine, 0, 3)).toBe(MARK);
    });
  });

  it.each([
    ['no cache', { cache: 0, granularity: DOMAIN }],
    ['an unknown cache', { cache: 8, granularity: DOMAIN }],
    ['an unknown granularity', { cache: IOTLB, granularity: 3 }],
    ['all that devices have', { cache: DEV_IOTLB, granularity: DOMAIN }],
    ['a range of PASID entries', { cache: PASID_CACHE, granularity: ADDR, flags: BY_VPASID, vpasid: 3 }],
    ['one PASID that is not named', { cache: IOTLB, granularity: PASID }],
    [
      'one entry that is not named',
      { cache: PASID_CACHE, granularity: PASID, flags: BY_DEVICE, dev_cookie: COOKIES[0] },
    ],
    ['a range of no PASID', { cache: IOTLB, granularity: ADDR, granule_size: K4, nb_granules: 1n }],
    ['no range', { cache: IOTLB, granularity: ADDR, flags: BY_VPASID, vpasid: 3 }],
    ['a PASID beyond the table', { cache: IOTLB, granularity: PASID, flags: BY_VPASID, vpasid: 512 }],
    ['no PASID that there is', { cache: IOTLB, granularity: PASID, flags: BY_VPASID, vpasid: 2 ** 32 - 1 }],
    ['an unknown device', { cache: IOTLB, granularity: DOMAIN, flags: BY_DEVICE, dev_cookie: 1n }],
  ])('is not forgotten with EINVAL: %s', (_, values) => {
    withOwner(function* (s, engine) {
      expect(yield* named(s.forget(values)), 'while nothing is attached').toBe('-EINVAL');
      expect(yield* s.attach(0, s.pasids)).toBe(0);
      expect(yield* byteAt(engine, 0, 3)).toBe(MARK);
      s.guest.lead(FIRST, 0, DATA + 3);
      expect(yield* named(s.forget(values))).toBe('-EINVAL');
      expect(yield* byteAt(engine, 0, 3)).toBe(MARK);
    });
  });
});

describe('Faults of a device with a PASID table of user space', () => {
  it('are told with the PASID and the cookie; those without PASID with none', () => {
    withOwner(function* (s, engine) {
      expect(yield* s.attach(0, s.pasids)).toBe(0);
      yield* byteAt(engine, 5, 3);
      yield* byteAt(engine, 6, 0x1ff);
      yield* byteAt(engine, 7);
      const common = { ioasid: s.pasids, dev_cookie: COOKIES[0], perm: 1, group: 0, reason: 5 };
      expect(yield* s.faults()).toMatchObject([
        { ...common, flags: PASID_VALID, vpasid: 3, addr: 0x5000n },
        { ...common, flags: PASID_VALID, vpasid: 0x1ff, addr: 0x6000n },
        { ...common, flags: 0, vpasid: 0, addr: 0x7000n },
      ]);
    });
  });
});

describe('A device with a PASID table of user space', () => {
  it('is attached nowhere by a vPASID, and one that is has no such table', () => {
    withOwner(function* (s, engine) {
      const nested = yield* s.alloc({
        ...{ flags: USER_PGTABLE, type: 0, format: 1, addr_width: 48, addr: GPA + K4 },
        parent_ioasid: s.parent,
      });
      expect(yield* s.attachWith(7, nested)).toBe(0);
      expect(yield* byteAt(engine, 0, 7)).toBe(MARK);
      expect(yield* named(s.attach(0, s.pasids))).toBe('-EBUSY');
      expect(yield* byteAt(engine, 0, 7), 'nothing has changed').toBe(MARK);
      expect(yield* s.detach(0, nested)).toBe(0);

      expect(yield* named(s.attachWith(7, s.pasids)), 'the table by a vPASID').toBe('-EINVAL');
      expect(yield* s.attach(0, s.pasids)).toBe(0);
      expect(yield* named(s.attachWith(7, nested))).toBe('-EINVAL');
      expect(yield* named(s.attachWith(3, nested))).toBe('-EINVAL');
      expect(yield* named(s.attach(0, nested))).toBe('-EBUSY');
      expect(yield* named(s.attach(0, s.pasids)), 'twice').toBe('-EINVAL');
      expect([yield* byteAt(engine, 0, 3), yield* byteAt(engine, 0, 7)]).toEqual([MARK, null]);
    });
  });

  it('shares it with another, and neither has nested tables in other ways of the same unit', () => {
    withOwner(function* (s, engine) {
      const fd = yield* s.program.open(DEV[1]);
      const bound = s.program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: s.iommuFd, cookie: COOKIES[1] });
      expect(yield* bound).toBe(0);
      s.deviceFds[1] = fd;
      const other = yield* s.engine(1);
      expect(yield* s.attach(1, s.parent)).toBe(0);
      const nested = yield* s.alloc({
        ...{ flags: USER_PGTABLE, type: 0, format: 1, addr_width: 48, addr: GPA + K4 },
        parent_ioasid: s.parent,
      });
      expect(yield* s.attach(1, nested)).toBe(0);
      expect(yield* named(s.attach(0, s.pasids)), 'one bit of the unit is for all devices').toBe('-EBUSY');
      expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4), 'still in the parent').toBe(MARK);
      expect(yield* s.detach(1, nested)).toBe(0);
      expect([yield* s.attach(0, s.pasids), yield* s.attach(1, s.pasids)]).toEqual([0, 0]);
      expect([yield* byteAt(engine, 0, 3), yield* byteAt(other, 1, 3)]).toEqual([MARK, MARK + 1]);
      s.guest.lead(FIRST, 0, DATA + 3);
      s.guest.lead(FIRST, 1, DATA + 3);
      const vpasid = { flags: BY_VPASID, vpasid: 3 };
      expect(yield* s.forget({ cache: IOTLB, granularity: PASID, ...vpasid })).toBe(0);
      expect([yield* byteAt(engine, 0, 3), yield* byteAt(other, 1, 3)]).toEqual([MARK + 3, MARK + 3]);
    });
  });

  it('cannot have it mapped, nested on or freed while it is in use', () => {
    withOwner(function* (s) {
      expect(yield* s.attach(0, s.pasids)).toBe(0);
      expect(yield* named(s.map(s.pasids, 0n, GPA, K4))).toBe('-EINVAL');
      expect(yield* named(s.unmap(s.pasids, 0n, K4))).toBe('-EINVAL');
      expect(yield* named(s.alloc({ parent_ioasid: s.pasids }))).toBe('-EINVAL');
      expect(yield* named(s.allocTable({ parent_ioasid: s.pasids }))).toBe('-EINVAL');
      expect(yield* s.free(s.pasids)).toBe(-EBUSY);
      expect(yield* s.detach(0, s.pasids)).toBe(0);
      expect(yield* s.free(s.pasids)).toBe(0);
      expect(yield* s.forget({ cache: IOTLB, granularity: DOMAIN })).toBe(-EINVAL);
    });
  });
});

describe('IOMMU_IOASID_ALLOC of a PASID table', () => {
  const TABLE = { flags: USER_PASID_TABLE, type: 0, format: 4, addr_width: 9, addr: GPA, parent_ioasid: 1 };
  const UNITS: readonly (readonly [string, () => MachineBench])[] = [
    ['an AMD unit', () => up()],
    ['an Intel unit', () => scalableBench()],
  ];

  it.each([
    ['a root', { parent_ioasid: 0 }],
    ['a place inside a page', { addr: GPA + 8n }],
    ['a type', { type: 1 }],
    ['PASIDs of no bits', { addr_width: 0 }],
    ['PASIDs of more than 20 bits', { addr_width: 21 }],
    ['a table that is also a page table', { flags: USER_PASID_TABLE | USER_PGTABLE }],
    ['a table that snoops', { flags: USER_PASID_TABLE | SNOOP }],
    ['a table with written pages tracked', { flags: USER_PASID_TABLE | DIRTY }],
    ['a dummy', { flags: USER_PASID_TABLE | DUMMY }],
    ['GIOV of a page table', { flags: USER_PGTABLE | GIOV, format: 1, addr_width: 48 }],
    ['GIOV of a table that the kernel manages', { flags: GIOV, type: 1, format: 0, addr: 0n, addr_width: 48 }],
  ])('is EINVAL for %s', (_, attributes) => {
    for (const [, make] of UNITS) {
      expectUnchanged(make(), function* (s) {
        expect(yield* named(s.alloc({ ...TABLE, ...attributes }))).toBe('-EINVAL');
      });
    }
  });

  it('is EOPNOTSUPP for the format of a page table or an unknown one, and ENOENT for an unknown parent', () => {
    for (const [, make] of UNITS) {
      expectUnchanged(make(), function* (s) {
        for (const format of [0, 1, 2, 3, 12, 16]) {
          expect(yield* s.alloc({ ...TABLE, format })).toBe(-EOPNOTSUPP);
        }
        expect(yield* s.alloc({ ...TABLE, flags: USER_PGTABLE, addr_width: 48 })).toBe(-EOPNOTSUPP);
        expect(yield* named(s.alloc({ ...TABLE, parent_ioasid: 99 }))).toBe('-ENOENT');
      });
    }
  });

  it.each<[string, () => MachineBench, object]>([
    ['an Intel unit, which finds PASID tables at host addresses only', () => scalableBench(), {}],
    ['an AMD unit that does not have it', () => AmdBench.up({ efr: GUEST_EFR }), {}],
    ['an AMD unit with fewer bits of a PASID', () => up({ efr: { PASMax: 7 } }), {}],
    ['an AMD unit without tables of five levels', () => up({ efr: { GATS: 0 } }), { format: 8 }],
  ])('gives a table that no device is attached to behind %s', (_, make, attributes) => {
    expectUnchanged(make(), function* (s) {
      const table = yield* s.alloc({ ...TABLE, ...attributes });
      expect(table).toBe(2);
      expect(yield* named(s.attach(0, table))).toBe('-EINVAL');
      expect(yield* s.free(table)).toBe(0);
    });
  });

  it.each<[string, () => MachineBench, number]>([
    ['an Intel unit', () => scalableBench(), 3],
    ['an AMD unit that does not have it', () => AmdBench.up({ efr: GUEST_EFR }), 3],
    ['an AMD unit', () => up(), 15],
    ['an AMD unit without tables of five levels', () => up({ efr: { GATS: 0 } }), 5],
  ])('is announced as a format by %s', (_, make, formats) => {
    expectUnchanged(make(), function* ({ program, iommuFd }) {
      const { value } = yield* program.exchange(iommuFd, IOMMU_DEVICE_GET_INFO, { dev_cookie: COOKIES[0] });
      expect(value.formats).toBe(formats);
    });
  });
});
