/** GCR3 tables that user space keeps, with all guest tables behind them: what the AMD-Vi driver makes of them. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import type { AmdDriver } from '../../src/kernel/amd/driver.ts';
import type { PageRequestGroup } from '../../src/kernel/iommu/attachments.ts';
import type { ForeignPasidTable, IommuDomain } from '../../src/kernel/iommu/driver.ts';
import { EBUSY, EINVAL, EIO, ENOSPC, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { AmdBench, type AmdBenchOptions, entryOf, GUEST_EFR, submitted } from './amd-bench.ts';
import { ForeignTables } from './foreign-tables.ts';
import { held, RIDS } from './machine-bench.ts';
import { requestsUnder, SUCCESS, withPageRequests } from './page-request-bench.ts';
import { behind, dmaRead, scalableBench, sure, tapMemory } from './scalable-bench.ts';

const BLOCKED = [3n, 0n, 0n, 0n];
/** The page of the GCR3 table: address 1_2345_6000h, whose parts in an entry the fact sheet tells (12). */
const ROOT = 0x12_3456;
const CONTROL = 0x0018;
const GCR3_TRP_MODE = 1n << 58n;
const [ONE, TWO] = RIDS;

function up({ efr, ...rest }: AmdBenchOptions = {}) {
  const bench = AmdBench.up({ efr2: { GCR3TRPModeSup: 1 }, ...rest, efr: { ...GUEST_EFR, ...efr } });
  const { driver, devices } = behind(bench);
  return { bench, driver, one: devices[0]!, two: devices[1]! };
}
type Up = ReturnType<typeof up>;

/** PASID 0 leads to page 5 with 50 in it, PASID 3 to page 10 with 53; page 15 has 99 and no PASID. */
function* foreign({ bench, driver }: Pick<Up, 'bench' | 'driver'>) {
  const parent = yield* sure(driver.allocateDomain());
  const tables = new ForeignTables(bench, parent);
  yield* tables.map(0, ROOT, 1, 2, 3, 4, 6, 7, 8, 9);
  yield* tables.map(50, 5);
  yield* tables.map(53, 10);
  yield* tables.map(99, 15);
  tables.lead([1, 2, 3, 4], 5);
  tables.lead([6, 7, 8, 9], 10);
  tables.write(ROOT, 0, 0x1001n);
  tables.write(ROOT, 3, 0x6001n);
  const table = (more: Partial<ForeignPasidTable> = {}) =>
    driver.allocatePasidTable({ parent, table: ROOT, pasidBits: 9, levels: 4, usesPasidZero: true, ...more });
  return { parent, tables, table };
}

/** Lets a body run on a machine, with tables as `foreign` makes them. */
function withForeign(
  body: (machine: Up, of: { parent: IommuDomain; tables: ForeignTables; table: Table }) => Script,
  options?: AmdBenchOptions,
): void {
  const machine = up(options);
  machine.bench.run(
    (function* () {
      yield* body(machine, yield* foreign(machine));
    })(),
  );
}
type Table = (more?: Partial<ForeignPasidTable>) => ReturnType<AmdDriver['allocatePasidTable']>;

describe('A PASID table of user space', () => {
  it('takes all requests of a device: the entry leads to it where the host table translates, and nothing in it is written.', () => {
    const machine = up();
    const { bench, one } = machine;
    const before = held(bench);
    const told: number[] = [];
    bench.run(
      (function* () {
        const { parent, tables, table } = yield* foreign(machine);
        const domain = yield* sure(table());
        const written: number[] = [];
        tapMemory(bench, (address) => void (tables.holds(address) && written.push(address)));
        expect(yield* domain.attach(one, { onFault: ({ pasid }) => void told.push(pasid) })).toBe(0);
        const [q0, q1, q2, q3] = entryOf(bench, ONE) as [bigint, bigint, bigint, bigint];
        // V, TV, Mode 4; GIoV, GV, GLX 0, GCR3[14:12] = 6, IR, IW.
        expect([q0 & 0xfffn, q0 >> 52n]).toEqual([0x803n, 0x78cn]);
        // The device's own domain id, GCR3[30:15] = 468Ah, GCR3[51:31] = 2.
        expect([q1, q2, q3]).toEqual([(2n << 43n) | (0x468an << 16n) | 3n, 0n, 0n]);
        expect(bench.unit.read(CONTROL, 8) & GCR3_TRP_MODE).toBe(GCR3_TRP_MODE);

        expect(yield* dmaRead(bench, one, { address: 0 })).toBe(50);
        expect(yield* dmaRead(bench, one, { address: 0, pasid: 3 })).toBe(53);
        expect(yield* dmaRead(bench, one, { address: 0, pasid: 4 })).toBe('COMPLETER_ABORT');
        expect(yield* dmaRead(bench, one, { address: 0x1000, pasid: 3 })).toBe('COMPLETER_ABORT');
        expect(yield* dmaRead(bench, one, { address: 0x1000 })).toBe('COMPLETER_ABORT');

        expect(yield* domain.detach(one)).toBe(0);
        expect(entryOf(bench, ONE)).toEqual(BLOCKED);
        expect(yield* dmaRead(bench, one, { address: 0, pasid: 3 })).toBe('COMPLETER_ABORT');
        yield* domain.destroy();
        expect(written).toEqual([]);
        yield* tables.unmapAll();
        yield* parent.destroy();
      })(),
    );
    expect(told).toEqual([4, 3, -1]);
    expect(held(bench)).toEqual(before);
  });

  it('leaves requests without PASID to its parent alone when these use no first stage.', () => {
    withForeign(function* ({ bench, one }, { table }) {
      const domain = yield* sure(table({ usesPasidZero: false }));
      expect(yield* domain.attach(one)).toBe(0);
      // As before, without GIoV.
      expect(entryOf(bench, ONE)[0]! >> 52n).toBe(0x788n);
      expect(yield* dmaRead(bench, one, { address: 0xf000 })).toBe(99);
      expect(yield* dmaRead(bench, one, { address: 0, pasid: 3 })).toBe(53);
    });
  });

  it('has as many levels as its PASIDs need, and leads to tables of 4 or 5 levels.', () => {
    withForeign(function* ({ bench, one, two }, { tables, table }) {
      // Page 15 is a second level: PASIDs 200h to 3FFh.
      tables.write(ROOT, 1, 0xf001n);
      tables.write(15, 5, 0x6001n);
      expect(yield* (yield* sure(table({ pasidBits: 10 }))).attach(one)).toBe(0);
      expect((entryOf(bench, ONE)[0]! >> 56n) & 3n, 'GLX').toBe(1n);
      expect(yield* dmaRead(bench, one, { address: 0, pasid: 0x205 })).toBe(53);
      yield* tables.map(0, 20);
      tables.write(20, 0, 0x1007n);
      tables.write(ROOT, 7, 0x1_4001n);
      expect(yield* (yield* sure(table({ levels: 5 }))).attach(two)).toBe(0);
      expect((entryOf(bench, TWO)[2]! >> 54n) & 3n, 'GuestPagingMode').toBe(1n);
      expect(yield* dmaRead(bench, two, { address: 0, pasid: 7 })).toBe(50);
    });
  });

  it('is forgotten by page, by PASID or as a whole, by the unit and then by the device.', () => {
    withForeign(function* ({ bench, driver, one }, { tables, table }) {
      expect(driver.prepare(one, { deviceTlb: true, pageRequests: false })).toBe(0);
      const domain = yield* sure(table());
      yield* domain.attach(one);
      const reads = (pasid?: number) => dmaRead(bench, one, { address: 0, ...(pasid === undefined ? {} : { pasid }) });
      expect([yield* reads(3), yield* reads()]).toEqual([53, 50]);
      const commands = submitted(bench);

      tables.write(9, 0, 0xf007n);
      expect(yield* reads(3), 'stale').toBe(53);
      expect(yield* domain.forget({ pasid: 3, range: { first: 0, pages: 1 } })).toBe(0);
      expect(yield* reads(3)).toBe(99);

      tables.write(ROOT, 3, 0x1001n);
      expect(yield* reads(3), 'stale').toBe(99);
      expect(yield* domain.forget({ pasid: 3 })).toBe(0);
      expect(yield* reads(3)).toBe(50);

      tables.write(ROOT, 0, 0x6001n);
      expect(yield* reads(), 'stale').toBe(50);
      expect(yield* domain.forget({ pasid: 0 })).toBe(0);
      expect(yield* reads()).toBe(99);

      tables.write(ROOT, 0, 0n);
      tables.write(ROOT, 3, 0n);
      expect([yield* reads(3), yield* reads()], 'stale').toEqual([50, 99]);
      expect(yield* domain.forget()).toBe(0);
      expect([yield* reads(3), yield* reads()]).toEqual(['COMPLETER_ABORT', 'COMPLETER_ABORT']);

      for (const pasid of [-1, 512, 1.5]) expect(yield* domain.forget({ pasid })).toBe(-EINVAL);
      expect(commands).toEqual([
        '3000000300000003 0000000000000006',
        '4003001020000010 0000000000000004',
        '3000000300000003 7ffffffffffff007',
        '4003001020000010 7ffffffffffff005',
        '3000000300000000 7ffffffffffff007',
        '4000001020000010 7ffffffffffff001',
        '3000000300000000 7ffffffffffff003',
        '4000001020000010 7ffffffffffff001',
      ]);
    });
  });

  it('and all that was translated through it loses what its parent loses.', () => {
    withForeign(function* ({ bench, one, two }, { tables, table }) {
      const domain = yield* sure(table());
      expect([yield* domain.attach(one), yield* domain.attach(two)]).toEqual([0, 0]);
      const reads = function* () {
        return [
          yield* dmaRead(bench, one, { address: 0, pasid: 3 }),
          yield* dmaRead(bench, two, { address: 0, pasid: 3 }),
        ];
      };
      expect(yield* reads()).toEqual([53, 53]);
      expect(yield* tables.unmap(10)).toBe(0);
      expect(yield* reads()).toEqual(['COMPLETER_ABORT', 'COMPLETER_ABORT']);
      yield* tables.map(77, 10);
      expect(yield* reads()).toEqual([77, 77]);
      // The GCR3 table itself.
      expect(yield* tables.unmap(ROOT)).toBe(0);
      expect(yield* reads()).toEqual(['COMPLETER_ABORT', 'COMPLETER_ABORT']);
    });
  });

  it('stands alone: nothing is attached for its device beside it.', () => {
    withForeign(function* ({ driver, one, two }, { parent, table }) {
      const domain = yield* sure(table());
      const guest = yield* sure(driver.allocateDomain({ stage: 'first' }));
      expect(yield* domain.attach(one, { pasid: 3 })).toBe(-EINVAL);
      expect(yield* domain.attach(one)).toBe(0);
      expect(yield* domain.attach(one)).toBe(-EBUSY);
      expect(yield* parent.attach(one)).toBe(-EBUSY);
      expect(yield* guest.attach(one, { pasid: 3 })).toBe(-EBUSY);
      expect(yield* guest.attach(two, { pasid: 3 })).toBe(0);
      expect(yield* domain.attach(two)).toBe(-EBUSY);
      expect(yield* domain.detach(two)).toBe(-EINVAL);
      expect(yield* domain.detach(one, 3)).toBe(-EINVAL);
      expect(yield* domain.detach(one)).toBe(0);
      expect(yield* parent.attach(one)).toBe(0);
    });
  });

  it('excludes nested tables of other devices, for which the unit reads roots of GCR3 tables otherwise.', () => {
    withForeign(function* ({ bench, driver, one, two }, { parent, table }) {
      const domain = yield* sure(table());
      const nested = yield* sure(driver.allocateNested({ parent, table: 1, levels: 4 }));
      const guest = yield* sure(driver.allocateDomain({ stage: 'first' }));
      const before = held(bench);
      expect(yield* nested.attach(one, { pasid: 3 })).toBe(0);
      expect(bench.unit.read(CONTROL, 8) & GCR3_TRP_MODE).toBe(0n);
      expect(yield* dmaRead(bench, one, { address: 0, pasid: 3 })).toBe(50);
      expect(yield* domain.attach(two)).toBe(-EBUSY);
      expect(yield* nested.detach(one, 3)).toBe(0);

      expect(yield* domain.attach(two)).toBe(0);
      expect(yield* nested.attach(one, { pasid: 3 })).toBe(-EBUSY);
      expect(yield* dmaRead(bench, two, { address: 0, pasid: 3 })).toBe(53);
      // Without a host table below there is nothing to be read otherwise.
      expect(yield* guest.attach(one, { pasid: 3 })).toBe(0);
      expect(yield* guest.detach(one, 3)).toBe(0);
      expect(yield* domain.detach(two)).toBe(0);

      expect(yield* nested.attach(one, { pasid: 3 })).toBe(0);
      expect(yield* dmaRead(bench, one, { address: 0, pasid: 3 })).toBe(50);
      expect(yield* nested.detach(one, 3)).toBe(0);
      expect(held(bench)).toEqual(before);
    });
  });

  it('brings page requests of every PASID to its handler, and those left at a detach are refused.', () => {
    const bench = AmdBench.up({ efr: GUEST_EFR, efr2: { GCR3TRPModeSup: 1 } });
    const { driver, device, answers } = withPageRequests(bench);
    const groups: PageRequestGroup[] = [];
    const request = requestsUnder(3);
    const domain = bench.run(
      (function* () {
        const made = yield* sure((yield* foreign({ bench, driver })).table());
        expect(yield* made.attach(device, { onPageRequest: (group) => void groups.push(group) })).toBe(0);
        return made;
      })(),
    );
    // PPR, and GPRP: answers carry the PASID.
    expect((entryOf(bench, ONE)[0]! >> 52n) & 3n).toBe(3n);
    request(bench, device, { group: 1 });
    request(bench, device, { group: 2, pasid: 0x1ff });
    request(bench, device, { group: 3, pasid: -1 });
    bench.engine.run();
    expect(groups.map(({ pasid, index }) => [pasid, index])).toEqual([
      [3, 1],
      [0x1ff, 2],
      [-1, 3],
    ]);
    bench.run(groups[1]!.respond('success'));
    expect(answers).toEqual([[2, SUCCESS, 0x1ff]]);
    const page = { page: 0, read: true, write: false, execute: false, privileged: false };
    bench.engine.spawn(driver.attachments.reportPageFault(device, page, 8));
    bench.engine.run();
    expect(groups.at(-1)).toMatchObject({ pasid: 8, requests: [page] });
    bench.run(domain.detach(device));
    expect(answers.slice(1)).toEqual([
      [1, 1, 3],
      [3, 1, undefined],
    ]);
  });

  it('needs a unit that reads its root as a guest address, a host table of the same unit, and a place in it.', () => {
    withForeign(function* ({ bench, driver }, { table }) {
      const guest = yield* sure(driver.allocateDomain({ stage: 'first' }));
      const other = scalableBench();
      const stranger = other.run(sure(behind(other).driver.allocateDomain()));
      expect(yield* table({ parent: guest })).toBe(-EINVAL);
      expect(yield* table({ parent: stranger })).toBe(-EINVAL);
      expect(yield* table({ table: 2 ** 36 })).toBe(-EINVAL);
      for (const pasidBits of [0, 21, 9.5]) expect(yield* table({ pasidBits })).toBe(-EINVAL);
      expect(bench.unit.read(CONTROL, 8) & GCR3_TRP_MODE).toBe(0n);
    });
    withForeign(
      function* (_, { table }) {
        expect(yield* table({ levels: 5 })).toBe(-EOPNOTSUPP);
      },
      { efr: { GATS: 0 } },
    );
    withForeign(
      function* (_, { table }) {
        expect(yield* table()).toBe(-EOPNOTSUPP);
      },
      { efr2: {} },
    );
    const intel = scalableBench();
    const { driver } = behind(intel);
    const parent = intel.run(sure(driver.allocateDomain()));
    const asked = { parent, table: 0, pasidBits: 9, levels: 4, usesPasidZero: true } as const;
    expect(intel.run(driver.allocatePasidTable(asked))).toBe(-EOPNOTSUPP);
  });

  it('costs nothing when no domain id is left, and can be attached once there is one.', () => {
    withForeign(function* ({ bench, driver, one }, { table }) {
      const domain = yield* sure(table());
      const before = held(bench);
      const { domainIds } = driver as AmdDriver;
      const ids = [...domainIds.used];
      bench.kernel.faultPoints.refuse = (point) => point === 'domain id';
      expect(yield* domain.attach(one)).toBe(-ENOSPC);
      bench.kernel.faultPoints.refuse = null;
      expect([held(bench), [...domainIds.used]]).toEqual([before, ids]);
      expect(entryOf(bench, ONE)).toEqual(BLOCKED);
      expect(yield* domain.attach(one)).toBe(0);
      expect(yield* domain.detach(one)).toBe(0);
      expect([...domainIds.used]).toEqual(ids);
    });
  });

  it('whose detach hardware does not confirm keeps its device until a detach succeeds.', () => {
    withForeign(function* ({ bench, one }, { parent, table }) {
      const domain = yield* sure(table());
      yield* domain.attach(one);
      expect(yield* dmaRead(bench, one, { address: 0, pasid: 3 })).toBe(53);
      bench.tap = (offset, value) => {
        if (offset !== 0x2008) return true;
        const ring = Number(BigInt.asUintN(52, bench.unit.read(0x0008, 8)));
        bench.memory.write(ring + Number(value) - 32, new Uint8Array(16).fill(0xff));
        bench.tap = null;
        return true;
      };
      expect(yield* domain.detach(one)).toBe(-EIO);
      expect(yield* parent.attach(one)).toBe(-EBUSY);
      expect(yield* domain.detach(one)).toBe(0);
      expect(yield* dmaRead(bench, one, { address: 0, pasid: 3 })).toBe('COMPLETER_ABORT');
      expect(yield* parent.attach(one)).toBe(0);
    });
  });
});
