import { describe, expect, it } from 'vitest';
import { VFIO_DETACH_IOASID } from '../../src/uapi/index.ts';
import { Bench, type BenchOptions, DEV, engineOf, MIB, map, PAGE, setUp, unmap } from './bench.ts';

const HELLO = new TextEncoder().encode('hello, device');

/** Kinds of units that the driver has to cope with. */
const UNITS: Readonly<Record<string, BenchOptions>> = {
  'queued invalidation, 4 levels': {},
  'register-based invalidation': { ecap: { QI: 0 } },
  'caching mode': { cap: { CM: 1 } },
  'caching mode and register-based invalidation': { cap: { CM: 1 }, ecap: { QI: 0 } },
  '3 levels': { cap: { SAGAW: 0b00010, MGAW: 38 } },
  'no page-selective invalidation': { cap: { PSI: 0, MAMV: 0 } },
  'no superpages, no snoop control': { cap: { SSLPS: 0 }, ecap: { SC: 0 } },
  'a write buffer': { cap: { RWBF: 1 } },
  'root pointer commands that flush': { cap: { ESRTPS: 1 } },
  'protected memory': { cap: { PLMR: 1, PHMR: 1 } },
  'version 6': { version: 6 },
};

describe.each(Object.entries(UNITS))('DMA through the kernel, on a unit with %s', (_, options) => {
  it('reads and writes what is mapped, and faults after the unmap', () => {
    const bench = Bench.up(options);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const driver = yield* engineOf(s);
        s.program.write(s.memory, HELLO);
        expect(yield* map(s, 0x10_0000n, s.memory, BigInt(2 * PAGE))).toBe(0);
        const read = yield* driver.read(0x10_0000n, HELLO.length);
        expect(read).toEqual({ ok: true, data: HELLO });
        expect((yield* driver.write(0x10_1000n, HELLO)).ok).toBe(true);
        yield* s.program.sleep(10_000);
        expect(s.program.read(s.memory + 0x1000n, HELLO.length)).toEqual(HELLO);
        expect(yield* unmap(s, 0x10_0000n, BigInt(2 * PAGE))).toEqual({ result: 0, size: BigInt(2 * PAGE) });
        expect(yield* driver.read(0x10_0000n, 16)).toEqual({ ok: false, error: 'UNSUPPORTED_REQUEST' });
        yield* s.program.sleep(10_000);
      })(),
    );
    expect(bench.kernel.faults).toHaveLength(1);
    expect(bench.kernel.faults[0]).toMatchObject({ code: 6, requester: 0x10, address: 0x10_0000n, access: 'read' });
    expect(bench.kernel.log.toString()).toContain('0000:00:02.0');
  });

  it('blocks a device again when it is detached', () => {
    const bench = Bench.up(options);
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const driver = yield* engineOf(s);
        yield* map(s, 0n, s.memory, BigInt(PAGE));
        expect((yield* driver.read(0n, 4)).ok).toBe(true);
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid })).toBe(0);
        expect((yield* driver.read(0n, 4)).ok).toBe(false);
        yield* s.program.sleep(10_000);
      })(),
    );
    expect(bench.kernel.faults.map(({ code }) => code)).toEqual([2]);
  });
});

describe('DMA through the kernel', () => {
  it('reports more faults than there are records, and says that some were lost', () => {
    const bench = Bench.up({ cap: { NFR: 0 } });
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const driver = yield* engineOf(s);
        for (let i = 0; i < 5; i++) yield* driver.read(BigInt(i * PAGE), 4);
        yield* s.program.sleep(100_000);
        // A write of several payloads is several requests, all blocked at about the same time.
        yield* driver.write(0n, new Uint8Array(PAGE));
        yield* s.program.sleep(100_000);
        yield* driver.read(0x7000n, 4);
        yield* s.program.sleep(100_000);
      })(),
    );
    expect(bench.kernel.faults.slice(0, 5).map(({ address }) => address)).toEqual([
      0n,
      0x1000n,
      0x2000n,
      0x3000n,
      0x4000n,
    ]);
    expect(bench.kernel.faults.at(-1)).toMatchObject({ address: 0x7000n, access: 'read' });
    expect(bench.kernel.log.toString()).toContain('faults were lost');
  });

  it('refuses a write to a mapping that only allows reads', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const driver = yield* engineOf(s);
        yield* map(s, 0n, s.memory, BigInt(PAGE), 1);
        expect((yield* driver.read(0n, 4)).ok).toBe(true);
        yield* driver.write(0n, HELLO);
        yield* s.program.sleep(10_000);
        expect(s.program.read(s.memory, HELLO.length)).toEqual(new Uint8Array(HELLO.length));
      })(),
    );
    expect(bench.kernel.faults).toMatchObject([{ code: 5, access: 'write' }]);
  });

  it('leaves a stale translation behind when the invalidation after an unmap is left out', () => {
    const bench = Bench.up({ kernel: { invalidateOnUnmap: false } });
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const driver = yield* engineOf(s);
        yield* map(s, 0n, s.memory, BigInt(PAGE));
        yield* driver.read(0n, 4);
        expect(yield* unmap(s, 0n, BigInt(PAGE))).toEqual({ result: 0, size: BigInt(PAGE) });
        yield* driver.write(0n, HELLO);
        yield* s.program.sleep(10_000);
        expect(s.program.read(s.memory, HELLO.length)).toEqual(HELLO);
      })(),
    );
    expect(bench.kernel.faults).toEqual([]);
  });

  it('maps aligned memory with 2 MiB pages', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench, 4 * MIB);
        const before = bench.kernel.allocator.inUse['I/O page table']!;
        expect(yield* map(s, BigInt(2 * MIB), s.memory, BigInt(4 * MIB))).toBe(0);
        // One table at level 3 and one at level 2 whose entries are leaves.
        expect(bench.kernel.allocator.inUse['I/O page table']).toBe(before + 2);
        const driver = yield* engineOf(s);
        s.program.write(s.memory + BigInt(3 * MIB), HELLO);
        expect(yield* driver.read(BigInt(5 * MIB), HELLO.length)).toEqual({ ok: true, data: HELLO });
        expect(yield* unmap(s, 0n, 1n << 40n)).toEqual({ result: 0, size: BigInt(4 * MIB) });
        expect(bench.kernel.allocator.inUse['I/O page table']).toBe(before);
        expect((yield* driver.read(BigInt(5 * MIB), 4)).ok).toBe(false);
      })(),
    );
  });

  it('keeps two programs with a device each apart', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const one = yield* setUp(bench, PAGE, DEV[0]);
        const two = yield* setUp(bench, PAGE, DEV[1]);
        one.program.write(one.memory, Uint8Array.of(1));
        two.program.write(two.memory, Uint8Array.of(2));
        expect(yield* map(one, 0n, one.memory, BigInt(PAGE))).toBe(0);
        expect(yield* map(two, 0n, two.memory, BigInt(PAGE))).toBe(0);
        const first = yield* engineOf(one);
        const second = yield* engineOf(two);
        expect(yield* first.read(0n, 1)).toEqual({ ok: true, data: Uint8Array.of(1) });
        expect(yield* second.read(0n, 1)).toEqual({ ok: true, data: Uint8Array.of(2) });
        expect(yield* one.program.exit()).toBe(0);
        expect(yield* second.read(0n, 1)).toEqual({ ok: true, data: Uint8Array.of(2) });
      })(),
    );
  });

  it.each([0, 1])('keeps unmaps of two programs at the same time apart (queued invalidation: %i)', (QI) => {
    const bench = Bench.up({ ecap: { QI } });
    bench.run(
      (function* () {
        const setups = [yield* setUp(bench, PAGE, DEV[0]), yield* setUp(bench, PAGE, DEV[1])];
        const drivers = [yield* engineOf(setups[0]!), yield* engineOf(setups[1]!)];
        for (const [i, s] of setups.entries()) {
          yield* map(s, BigInt(i * 16 * PAGE), s.memory, BigInt(PAGE));
          expect((yield* drivers[i]!.read(BigInt(i * 16 * PAGE), 4)).ok).toBe(true);
        }
        const tasks = setups.map((s, i) => bench.engine.spawn(unmap(s, BigInt(i * 16 * PAGE), BigInt(PAGE))));
        for (const task of tasks) expect(yield task.done).toMatchObject({ result: 0 });
        for (const [i, driver] of drivers.entries()) {
          expect((yield* driver.read(BigInt(i * 16 * PAGE), 4)).ok).toBe(false);
        }
      })(),
    );
  });
});
