/** A device's own MMU in front of the platform's IOMMU, by a driver of its own and the same commands as ever. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { IoasidMapFlag, VFIO_ATTACH_IOASID, VFIO_BIND_IOASID_FD, VFIO_DETACH_IOASID } from '../../src/uapi/index.ts';
import {
  BENCHES,
  forgetFlushes,
  type MakeBench,
  MMU_DEV,
  MMU_RIDS,
  type MmuBench,
  poke,
  WINDOW,
} from './device-mmu-bench.ts';
import { DEV, engineOf, map, named, PAGE, type Setup, setUp, unmap } from './machine-bench.ts';

const K4 = BigInt(PAGE);
const IOVA = 0x10_0000n;
const HELLO = new TextEncoder().encode('through two tables');
const REFUSED_BY_MMU = 'NO_TRANSLATION';
/** Registers of the MMU, and its table memory, by base address. */
const [MMU, TABLES] = [2, 4];
const CONTROL = 0x08;

/** Runs a body for a program that has one of the devices and 16 pages of memory. */
function withDevice(make: MakeBench, body: (s: Setup, all: MmuBench) => Script): MmuBench {
  const all = make();
  const { bench } = all;
  bench.run(
    (function* () {
      yield* body(yield* setUp(bench, 16 * PAGE, MMU_DEV[0]), all);
      yield* bench.program().sleep(20_000);
    })(),
  );
  return all;
}

const facts = ({ bench }: MmuBench) =>
  bench.kernel.faults.map(({ unit, address, access }) => ({ unit, address, access }));
const OWN = '0000:00:04.0 MMU';

describe.each(BENCHES)('A device with an MMU of its own, behind a unit of %s', (_, make) => {
  it('is served by a driver in front of the unit’s, and other devices by the unit’s alone', () => {
    const { kernel } = make().bench;
    const names = kernel.iommu.groups.map(({ driver }) => driver.name);
    expect(names).toEqual([names[0], names[0], `${names[0]}+mmu`, `${names[0]}+mmu`]);
    expect(new Set(kernel.iommu.groups.slice(2).map(({ driver }) => driver)).size).toBe(1);
  });

  it('reads and writes what is mapped: each page is translated by the device, and what comes out of that by the unit', () => {
    const all = withDevice(make, function* (s, { asked, engines }) {
      s.program.write(s.memory, HELLO);
      expect(yield* map(s, IOVA, s.memory, 2n * K4)).toBe(0);
      const driver = yield* engineOf(s);
      expect(yield* driver.read(IOVA, HELLO.length)).toEqual({ ok: true, data: HELLO });
      expect((yield* driver.write(IOVA + K4, HELLO)).ok).toBe(true);
      expect((yield* driver.read(IOVA, 4)).ok).toBe(true);
      expect(s.program.read(s.memory + K4, HELLO.length)).toEqual(HELLO);
      expect(engines[0]!.state.mmu).toMatchObject({ hits: 1, misses: 2, faults: 0 });
      expect(asked).toEqual([WINDOW + IOVA, WINDOW + IOVA + K4, WINDOW + IOVA]);
    });
    expect(all.bench.kernel.faults).toEqual([]);
  });

  it('is refused by both after an unmap: its own MMU has forgotten, and so has the unit', () => {
    const all = withDevice(make, function* (s, { asked, engines }) {
      yield* map(s, IOVA, s.memory, 2n * K4);
      const driver = yield* engineOf(s);
      yield* driver.read(IOVA, 4);
      yield* driver.write(IOVA + K4, HELLO);
      expect(yield* unmap(s, IOVA, 2n * K4)).toEqual({ result: 0, size: 2n * K4 });
      expect(engines[0]!.state.mmu.kept).toEqual([]);
      const before = asked.length;
      expect(yield* driver.read(IOVA, 4)).toEqual({ ok: false, error: REFUSED_BY_MMU, faultAddress: IOVA });
      expect((yield* driver.write(IOVA + K4, HELLO)).ok).toBe(false);
      expect(asked).toHaveLength(before);
      yield* s.program.sleep(20_000);
      // With its MMU off the program sends the device straight to where the pages were on the bus.
      yield* poke(s, MMU, CONTROL, 0);
      expect(yield* driver.read(WINDOW + IOVA, 4)).toMatchObject({ ok: false });
      expect(asked).toEqual([...asked.slice(0, before), WINDOW + IOVA]);
    });
    expect(facts(all).map(({ address, access }) => ({ address, access }))).toEqual([
      { address: IOVA, access: 'read' },
      { address: IOVA + K4, access: 'write' },
      { address: WINDOW + IOVA, access: 'read' },
    ]);
    expect(facts(all).map(({ unit }) => unit === OWN)).toEqual([true, true, false]);
  });

  it('is stopped by the unit when it goes on using what it should have forgotten', () => {
    const all = withDevice(make, function* (s, { engines }) {
      forgetFlushes(engines[0]!);
      s.program.write(s.memory, HELLO);
      yield* map(s, IOVA, s.memory, K4);
      const driver = yield* engineOf(s);
      yield* driver.read(IOVA, 4);
      expect((yield* unmap(s, IOVA, K4)).result).toBe(0);
      expect(engines[0]!.state.mmu.kept).toEqual([Number(IOVA / K4)]);
      yield* driver.write(IOVA, new Uint8Array(HELLO.length));
      yield* s.program.sleep(20_000);
      expect(s.program.read(s.memory, HELLO.length)).toEqual(HELLO);
      // And when other memory comes to the same place, that is what it finds.
      s.program.write(s.memory + K4, HELLO.slice().reverse());
      yield* map(s, IOVA, s.memory + K4, K4);
      expect(yield* driver.read(IOVA, HELLO.length)).toEqual({ ok: true, data: HELLO.slice().reverse() });
    });
    expect(all.bench.kernel.faults).toHaveLength(1);
    expect(facts(all)[0]).toMatchObject({ address: WINDOW + IOVA, access: 'write' });
    expect(facts(all)[0]!.unit).not.toBe(OWN);
  });

  it('keeps its unmaps waiting no longer than hardware may take when it does not say that it has forgotten', () => {
    const all = withDevice(make, function* (s, { engines, bench }) {
      yield* map(s, IOVA, s.memory, K4);
      const { mmu } = engines[0]!;
      const read = mmu.registerRead.bind(mmu);
      mmu.registerRead = (offset, into, length) => {
        read(offset, into, length);
        if (offset === 0x10) into[3]! |= 0x80;
      };
      const start = bench.engine.now;
      expect((yield* unmap(s, IOVA, K4)).result).toBe(0);
      expect(bench.engine.now - start).toBeLessThan(12e9);
      expect(bench.kernel.pages.pinned).toBe(0);
    });
    expect(all.bench.kernel.log.toString()).toContain('00:04.0 does not say that it has forgotten translations');
  });

  it('reaches no more when its program turns its MMU to its own ends', () => {
    const all = withDevice(make, function* (s, { bench }) {
      const other = yield* setUp(bench, PAGE, DEV[0]);
      other.program.write(other.memory, HELLO);
      yield* map(other, IOVA, other.memory, K4);
      yield* map(s, IOVA, s.memory, K4, IoasidMapFlag.READ);
      const driver = yield* engineOf(s);
      // Page 0x100 again, in the first table, which is the first page behind the directory: to all of physical memory, writable.
      for (let bus = 0x100; bus < 0x200; bus++) {
        yield* poke(s, TABLES, 0x1000 + 4 * 0x100, (bus << 3) | 7);
        yield* poke(s, MMU, 0x10, 1);
        expect((yield* driver.read(IOVA, 4)).ok).toBe(false);
      }
      // To where it really is, writable.
      yield* poke(s, TABLES, 0x1000 + 4 * 0x100, Number((WINDOW + IOVA) / K4) * 8 + 7);
      yield* poke(s, MMU, 0x10, 1);
      expect((yield* driver.read(IOVA, 4)).ok).toBe(true);
      yield* driver.write(IOVA, HELLO);
      yield* s.program.sleep(20_000);
      expect(s.program.read(s.memory, HELLO.length)).toEqual(new Uint8Array(HELLO.length));
      expect(other.program.read(other.memory, HELLO.length)).toEqual(HELLO);
    });
    expect(all.bench.kernel.faults).toHaveLength(257);
  });

  it('loses one page of several', () => {
    const all = withDevice(make, function* (s) {
      for (let n = 0n; n < 3n; n++) yield* map(s, IOVA + n * K4, s.memory, K4);
      const driver = yield* engineOf(s);
      expect((yield* unmap(s, IOVA + K4, K4)).result).toBe(0);
      const results = [];
      for (let n = 0n; n < 3n; n++) results.push((yield* driver.read(IOVA + n * K4, 4)).ok);
      expect(results).toEqual([true, false, true]);
    });
    expect(facts(all)).toEqual([{ unit: OWN, address: IOVA + K4, access: 'read' }]);
  });

  it.each([
    ['the tables', (s: Setup) => poke(s, TABLES, 0x1000 + 4 * 0x101, Number((WINDOW + IOVA) / K4) * 8 + 7)],
    [
      'the translations',
      function* (s: Setup) {
        yield* map(s, IOVA + K4, s.memory, K4);
        expect((yield* (yield* engineOf(s)).read(IOVA + K4, 4)).ok).toBe(true);
        return 0;
      },
    ],
  ])('finds nothing in its MMU of %s of the program before it', (_what, leave) => {
    const { bench } = withDevice(make, function* (s) {
      yield* map(s, IOVA, s.memory, K4);
      yield* leave(s);
      yield* s.program.exit();
    });
    bench.run(
      (function* () {
        const s = yield* setUp(bench, PAGE, MMU_DEV[0]);
        yield* map(s, IOVA, s.memory, K4);
        expect(yield* (yield* engineOf(s)).read(IOVA + K4, 4)).toMatchObject({ error: REFUSED_BY_MMU });
      })(),
    );
  });

  it('can be sent where the unit alone would see an interrupt', () => {
    const all = withDevice(make, function* (s, { bench }) {
      const driver = yield* engineOf(s);
      expect(yield* map(s, 0xfee0_0000n, s.memory, K4)).toBe(0);
      yield* driver.write(0xfee0_0000n, HELLO);
      yield* s.program.sleep(20_000);
      expect(s.program.read(s.memory, HELLO.length)).toEqual(HELLO);
      expect(yield* map(s, 0xffff_f000n, s.memory, K4)).toBe(0);
      expect(yield* named(map(s, 1n << 32n, s.memory, K4))).toBe('-EINVAL');
      const plain = yield* setUp(bench, PAGE, DEV[0]);
      expect(yield* named(map(plain, 0xfee0_0000n, plain.memory, K4))).toBe('-EINVAL');
    });
    expect(all.bench.kernel.faults).toEqual([]);
  });

  it.each([
    ['read', IoasidMapFlag.READ, true, false],
    ['written', IoasidMapFlag.WRITE, false, true],
  ])(
    'learns at once that a page may only be %s, which not every table of a unit can say',
    (_right, flags, read, write) => {
      withDevice(make, function* (s) {
        expect(yield* map(s, IOVA, s.memory, K4, flags)).toBe(0);
        const driver = yield* engineOf(s);
        expect((yield* driver.read(IOVA, 4)).ok).toBe(read);
        expect((yield* driver.write(IOVA, HELLO)).ok).toBe(write);
      });
    },
  );

  it('shares an I/O address space with a second such device, which finds what was mapped before it came', () => {
    withDevice(make, function* (s, { engines }) {
      s.program.write(s.memory, HELLO);
      yield* map(s, IOVA, s.memory, K4);
      yield* map(s, 0xff00_0000n, s.memory, K4);
      const second = yield* s.program.open(MMU_DEV[1]);
      yield* s.program.ioctl(second, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
      expect(yield* s.program.ioctl(second, VFIO_ATTACH_IOASID, { ioasid: s.ioasid })).toBe(0);
      const driver = yield* engineOf({ ...s, deviceFd: second });
      for (const iova of [IOVA, 0xff00_0000n]) {
        expect(yield* driver.read(iova, HELLO.length)).toEqual({ ok: true, data: HELLO });
      }
      yield* unmap(s, IOVA, K4);
      expect((yield* driver.read(IOVA, 4)).ok).toBe(false);
      expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid })).toBe(0);
      expect((yield* driver.read(0xff00_0000n, 4)).ok).toBe(true);
      expect(engines.map(({ state }) => state.mmu.registers['MMU_CONTROL'])).toEqual([0, 0b101]);
    });
  });

  it('shares none with a device that has no MMU: their drivers are two', () => {
    withDevice(make, function* (s) {
      const plain = yield* s.program.open(DEV[0]);
      yield* s.program.ioctl(plain, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
      expect(yield* named(s.program.ioctl(plain, VFIO_ATTACH_IOASID, { ioasid: s.ioasid }))).toBe('-EINVAL');
    });
  });

  it('is blocked while it is attached to nothing, with its MMU on or off', () => {
    const all = withDevice(make, function* (s) {
      yield* map(s, IOVA, s.memory, K4);
      const driver = yield* engineOf(s);
      yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid });
      for (const on of [0, 1]) {
        yield* poke(s, MMU, CONTROL, on);
        expect((yield* driver.read(IOVA, 4)).ok).toBe(false);
      }
    });
    expect(facts(all).map(({ unit, address }) => [unit === OWN, address])).toEqual([
      [false, IOVA],
      [false, WINDOW + IOVA],
    ]);
  });

  it('has two groups of its own, one for each requester', () => {
    const { kernel } = make().bench;
    expect(kernel.iommu.groups.slice(2).map(({ devices }) => devices.map(({ rid }) => rid))).toEqual(
      MMU_RIDS.map((rid) => [rid]),
    );
  });
});
