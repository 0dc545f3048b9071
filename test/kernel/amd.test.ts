/** The driver of AMD-Vi units with host tables: what it writes, in which order, and what devices can then do. */
import { describe, expect, it } from 'vitest';
import type { AmdFault } from '../../hardware/amdvi/spec/index.ts';
import { Access, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import { ns, type Script } from '../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { AmdBench, type AmdBenchOptions, entry, entryOf, ivrs, submitted, tablesOf, UNIT_RID } from './amd-bench.ts';
import { engineOf, held, map, PAGE, RIDS, type Setup, setUp, unmap } from './machine-bench.ts';
import { behind, dmaRead, mapPage, sure, unmapPage } from './scalable-bench.ts';

const K4 = BigInt(PAGE);
const MIB2 = 2 ** 21;
/** V, TV, and neither permission. */
const BLOCKED = [3n, 0n, 0n, 0n];
const IR_IW = 3n << 61n;

function withSetup(body: (s: Setup, bench: AmdBench) => Script, options?: AmdBenchOptions): void {
  const bench = AmdBench.up(options);
  bench.run(
    (function* () {
      yield* body(yield* setUp(bench), bench);
    })(),
  );
}

const unusable = ({ kernel }: AmdBench): string[] =>
  kernel.log.lines.map(({ text }) => text).filter((text) => text.startsWith('amdvi0: not usable'));

describe('The driver of an AMD-Vi unit', () => {
  it('takes it into service with a table that blocks every device, a command buffer and an event log.', () => {
    const bench = AmdBench.up();
    const register = (offset: number): bigint => bench.unit.read(offset, 8);
    // 256 devices of 32 bytes: two pages.
    expect(register(0x0000) & 0xfffn).toBe(1n);
    for (const rid of [0, UNIT_RID, ...RIDS, 0xff]) expect(entryOf(bench, rid), `${rid}`).toEqual(BLOCKED);
    expect(register(0x0008) >> 56n, 'ComLen').toBe(9n);
    expect(register(0x0010) >> 56n, 'EventLen').toBe(9n);
    // IommuEn, EventLogEn, EventIntEn, InvTimeOut 1 ms, Coherent, CmdBufEn.
    expect(register(0x0018)).toBe(0x142dn);
    // EventLogRun and CmdBufRun.
    expect(register(0x2020)).toBe(0x18n);
    expect(bench.kernel.iommu.groups).toHaveLength(2);
    expect(bench.unit.pci.isEnabled, 'MSI').toBe(true);
  });

  it('takes over what firmware says of devices, and of the unit.', () => {
    const entries = [entry('SELECT', RIDS[0], { SysMgt: 3, INITPass: 1, Lint1Pass: 1 }), entry('SELECT', RIDS[1])];
    const bench = AmdBench.up({ tables: tablesOf(ivrs({ PassPW: 1, Isoc: 1 }, entries)) });
    expect(entryOf(bench, RIDS[0])).toEqual([3n, 3n << 40n, (1n << 56n) | (1n << 63n), 0n]);
    expect(entryOf(bench, RIDS[1])).toEqual(BLOCKED);
    expect(bench.unit.read(0x0018, 8)).toBe(0x142dn | (1n << 8n) | (1n << 11n));
  });

  it('leads a device to its pages and blocks it where there are none.', () => {
    withSetup(function* (s, bench) {
      expect(yield* map(s, K4, s.memory, 2n * K4)).toBe(0);
      const engine = yield* engineOf(s);
      yield* engine.write(K4, Uint8Array.of(0xca, 0xfe));
      expect(s.program.read(s.memory, 2)).toEqual(Uint8Array.of(0xca, 0xfe));
      expect(yield* unmap(s, K4, 2n * K4)).toEqual({ result: 0, size: 2n * K4 });
      yield* engine.write(K4, Uint8Array.of(0xba, 0xad));
      yield* engine.read(0x5000n, 4);
      expect(s.program.read(s.memory, 2)).toEqual(Uint8Array.of(0xca, 0xfe));
      yield ns(5_000);
      const faults = bench.kernel.faults.map(({ unit, name, requester, pasid, address, access }) => [
        unit,
        name,
        requester,
        pasid,
        address,
        access,
      ]);
      expect(faults).toEqual([
        ['amdvi0', 'IO_PAGE_FAULT', RIDS[0], -1, K4, 'write'],
        ['amdvi0', 'IO_PAGE_FAULT', RIDS[0], -1, 0x5000n, 'read'],
      ]);
      expect(bench.unit.read(0x2020, 8), 'Status').toBe(0x18n);
    });
  });

  it('gives everything back when the program ends.', () => {
    const bench = AmdBench.up();
    const before = held(bench);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, 16n * K4);
        expect(entryOf(bench, RIDS[0])).not.toEqual(BLOCKED);
        yield* s.program.exit();
      })(),
    );
    expect(entryOf(bench, RIDS[0])).toEqual(BLOCKED);
    expect(held(bench)).toEqual(before);
  });

  it('writes entries of four levels with a domain id, and makes the unit forget what they said before.', () => {
    const bench = AmdBench.up();
    const { driver, devices } = behind(bench);
    const commands = submitted(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        expect(yield* domain.attach(devices[0]!)).toBe(0);
        const [q0, q1, q2, q3] = entryOf(bench, RIDS[0]) as [bigint, bigint, bigint, bigint];
        expect([q0 & 0xfffn, q0 >> 52n, q1, q2, q3]).toEqual([0x803n, IR_IW >> 52n, 2n, 0n, 0n]);
        expect(yield* domain.detach(devices[0]!)).toBe(0);
        yield* domain.destroy();
      })(),
    );
    expect(commands).toEqual([
      '2000000000000010 0000000000000000',
      '3000000200000000 7ffffffffffff003',
      '2000000000000010 0000000000000000',
      '3000000200000000 7ffffffffffff003',
    ]);
  });

  it('flushes a range by the smallest power of two around it, and directories when tables were freed.', () => {
    const bench = AmdBench.up();
    const { driver } = behind(bench);
    const { iommu } = bench.kernel;
    const rights = { read: true, write: true };
    const commands = submitted(bench);
    const frames = (first: number, pages: number) => Float64Array.from({ length: pages }, (_, i) => first + i);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        // The page at 0 keeps the tables.
        yield* iommu.map(domain, 0, frames(0x1000, 1), rights);
        for (const [first, pages] of [
          [4, 1],
          [4, 2],
          [4, 4],
          [6, 3],
        ] as const) {
          yield* iommu.map(domain, first, frames(0x800, pages), rights);
          expect(yield* iommu.unmap(domain, first, pages)).toBe(0);
        }
        yield* iommu.map(domain, 0x200, frames(0x200, 512), rights);
        yield* iommu.unmap(domain, 0x200, 512);
        yield* iommu.unmap(domain, 0, 1);
      })(),
    );
    expect(commands).toEqual([
      '3000000200000000 0000000000004000',
      '3000000200000000 0000000000004001',
      '3000000200000000 0000000000005001',
      // 6 to 8 lie in the 16 pages from 0 on.
      '3000000200000000 0000000000007001',
      '3000000200000000 00000000002ff001',
      '3000000200000000 0000000000000002',
    ]);
  });

  it('tells a unit that caches what is not present of new mappings too.', () => {
    const run = (NpCache: number): string[] => {
      const bench = AmdBench.up({ header: { NpCache } });
      const { driver } = behind(bench);
      const commands = submitted(bench);
      bench.run(
        (function* () {
          yield* mapPage(bench, yield* sure(driver.allocateDomain()), 4, 1);
        })(),
      );
      return commands;
    };
    expect(run(0)).toEqual([]);
    expect(run(1)).toEqual(['3000000200000000 0000000000004002']);
  });

  it.each([
    ['by one command where there is one', 1, 1],
    // 256 entries of the device table, as many interrupt tables, and the domain id of what keeps its addresses.
    ['one by one where there is none', 0, 2 * 256 + 1],
  ])('makes the unit forget everything at boot, %s.', (_, IASup, count) => {
    const bench = new AmdBench({ efr: { IASup } });
    const commands = submitted(bench);
    bench.boot();
    expect(commands).toHaveLength(count);
    if (IASup === 1) expect(commands).toEqual(['8000000000000000 0000000000000000']);
    else expect(commands.at(-1)).toBe('3000000100000000 7ffffffffffff003');
    expect(bench.kernel.iommu.groups).toHaveLength(2);
  });

  it('uses large pages, and the unit takes them.', () => {
    const bench = AmdBench.up();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        const frame = bench.kernel.allocator.allocate('test', 9);
        bench.memory.write(frame * PAGE + 0x1_2345, Uint8Array.of(77));
        yield* domain.map(512, frame, 512, { read: true, write: false });
        yield* domain.attach(devices[0]!);
        expect(yield* dmaRead(bench, devices[0]!, { address: MIB2 + 0x1_2345 })).toBe(77);
      })(),
    );
    expect(bench.kernel.allocator.inUse['I/O page table']).toBe(3);
  });

  it('has an identity domain, which leaves every address as it is.', () => {
    const bench = AmdBench.up();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const identity = yield* sure(driver.allocateIdentity());
        yield* identity.attach(devices[0]!);
        bench.memory.write(0x20_0010, Uint8Array.of(9));
        expect(yield* dmaRead(bench, devices[0]!, { address: 0x20_0010 })).toBe(9);
        expect(yield* identity.detach(devices[0]!)).toBe(0);
        expect(yield* dmaRead(bench, devices[0]!, { address: 0x20_0010 })).toBe('COMPLETER_ABORT');
        yield* identity.destroy();
      })(),
    );
  });

  it('keeps two domains apart, and a device in one place.', () => {
    const bench = AmdBench.up();
    const { driver, devices } = behind(bench);
    const [one, two] = devices as [(typeof devices)[0], (typeof devices)[0]];
    bench.run(
      (function* () {
        const left = yield* sure(driver.allocateDomain());
        const right = yield* sure(driver.allocateDomain());
        yield* left.attach(one);
        yield* right.attach(two);
        const frame = yield* mapPage(bench, left, 4, 1);
        yield* mapPage(bench, right, 4, 2);
        expect(yield* dmaRead(bench, one, { address: 4 * PAGE })).toBe(1);
        expect(yield* dmaRead(bench, two, { address: 4 * PAGE })).toBe(2);
        expect(yield* unmapPage(bench, left, 4, frame)).toBe(0);
        expect(yield* dmaRead(bench, one, { address: 4 * PAGE })).toBe('COMPLETER_ABORT');
        expect(yield* dmaRead(bench, two, { address: 4 * PAGE })).toBe(2);
        expect(yield* right.attach(one)).toBe(-EBUSY);
        expect(yield* right.detach(one)).toBe(-EINVAL);
      })(),
    );
  });

  it('routes the id that requests carry together with the device, and finds the device of its faults.', () => {
    const entries = [entry('ALIAS_SELECT', RIDS[0], { SourceDeviceID: 0x40 }), entry('SELECT', RIDS[1])];
    const bench = AmdBench.up({ tables: tablesOf(ivrs({}, entries)) });
    const { driver, devices } = behind(bench);
    const commands = submitted(bench);
    const told: number[] = [];
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        const onFault = ({ requester }: { requester: number }): void => void told.push(requester);
        expect(yield* domain.attach(devices[0]!, { onFault })).toBe(0);
      })(),
    );
    bench.unit.translate(new Translation<AmdFault>().ask(0x40, NO_PASID, Access.READ, 0, 0x7000));
    bench.engine.run();
    expect(bench.kernel.faults.map(({ requester }) => requester)).toEqual([0x40]);
    expect(told).toEqual([RIDS[0]]);
    expect(entryOf(bench, 0x40)).toEqual(entryOf(bench, RIDS[0]));
    expect(commands.slice(0, 2)).toEqual(['2000000000000010 0000000000000000', '2000000000000040 0000000000000000']);
  });

  it('refuses what host tables alone cannot do.', () => {
    const bench = AmdBench.up();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        expect(yield* driver.allocateDomain({ stage: 'first' })).toBe(-EOPNOTSUPP);
        expect(yield* driver.allocateNested({ parent: domain, table: 1, levels: 4 })).toBe(-EOPNOTSUPP);
        expect(yield* domain.attach(devices[0]!, { pasid: 5 })).toBe(-EOPNOTSUPP);
        expect(driver.prepare(devices[0]!, { deviceTlb: true, pageRequests: true })).toBe(-EOPNOTSUPP);
        expect(domain.geometry.last).toBe(2 ** 36 - 1);
        expect(domain.geometry.reserved).toEqual([
          [0xfee00, 0xfeeff],
          [0xfd0_0000, 0xfff_ffff],
        ]);
      })(),
    );
  });
});

describe('A unit is not used', () => {
  it.each<[string, AmdBenchOptions, string]>([
    [
      'whose capability block is not where firmware says.',
      { tables: tablesOf(ivrs({ CapabilityOffset: 0x44 })) },
      'its function has no capability block where firmware says',
    ],
    [
      'whose function is not there.',
      { tables: tablesOf(ivrs({ DeviceID: 0x0003 })) },
      'its function has no capability block where firmware says',
    ],
    ['with neither host nor guest tables.', { efr: { HATS: 3 } }, 'it has neither host nor guest tables'],
    [
      'whose host tables firmware forbids, and that has no others.',
      { tables: tablesOf(ivrs({ HATDis: 1 })) },
      'it has neither host nor guest tables',
    ],
    ['where no register answers.', { tables: tablesOf(ivrs({ Base: 0xfeb0_0000 })) }, 'nothing answers at its address'],
  ])('%s', (_, options, why) => {
    const bench = AmdBench.up(options);
    expect(unusable(bench)).toEqual([`amdvi0: not usable: ${why}`]);
    expect(bench.kernel.iommu.groups).toEqual([]);
  });
});
