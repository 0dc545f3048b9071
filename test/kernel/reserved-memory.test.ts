/** What the kernel does with memory that firmware shares with devices (RMRR). */
import { describe, expect, it } from 'vitest';
import { encode } from '../../hardware/bits/index.ts';
import { ADDRESS, COMMAND, LENGTH, STATUS } from '../../hardware/devices/dma-engine/spec.ts';
import { ns, type Script } from '../../hardware/sim/index.ts';
import type { DmarStructure } from '../../hardware/vtd/spec/dmar.ts';
import { GCMD } from '../../hardware/vtd/spec/index.ts';
import { EINVAL, VFIO_BIND_IOASID_FD } from '../../src/uapi/index.ts';
import { Bench, type BenchOptions, DEV, MIB, PAGE, RIDS } from './bench.ts';
import { remarks, rmrr, tableOf, UNIT } from './tables.ts';

describe('Reserved memory', () => {
  const FIRST = 0xf_0000;
  const own = rmrr(FIRST, FIRST + 2 * PAGE - 1, RIDS[0]);

  /** Lets the first device write its (empty) buffer to an address; false when the request is refused. */
  function* reads(bench: Bench, address: number): Script<boolean> {
    const base = bench.kernel.devices[0]!.bars.get(0)!.address;
    yield* bench.bus.mmioWrite(base + ADDRESS.$.offset!, 8, BigInt(address));
    yield* bench.bus.mmioWrite(base + LENGTH.$.offset!, 4, 16n);
    yield* bench.bus.mmioWrite(base + COMMAND.$.offset!, 4, BigInt(encode(COMMAND, { START: 1 })[0]!));
    yield ns(20_000);
    const status = Number(yield* bench.bus.mmioRead(base + STATUS.$.offset!, 4));
    expect(status & STATUS.DONE.mask).not.toBe(0);
    return (status & STATUS.ERROR.mask) === 0;
  }

  it.each<[string, BenchOptions]>([
    ['with queued invalidation', {}],
    ['with register-based invalidation', { ecap: { QI: 0 } }],
    ['in caching mode', { cap: { CM: 1 } }],
  ])('stays in reach of its device at its own address, and nothing else does (%s)', (_, options) => {
    const bench = Bench.up({ ...options, tables: tableOf(UNIT, own) });
    expect(remarks(bench)).toEqual(['vtd0: 0000:00:02.0 keeps 8192 bytes of reserved memory and stays with firmware']);
    bench.run(
      (function* () {
        expect(yield* reads(bench, FIRST)).toBe(true);
        expect(yield* reads(bench, FIRST + PAGE)).toBe(true);
        expect(yield* reads(bench, FIRST + 2 * PAGE)).toBe(false);
        expect(yield* reads(bench, FIRST - PAGE)).toBe(false);
      })(),
    );
    expect(bench.kernel.faults.map(({ address }) => address)).toEqual([BigInt(FIRST + 2 * PAGE), BigInt(FIRST - PAGE)]);
  });

  it('is in reach when remapping is switched on, without a gap', () => {
    const bench = new Bench({ tables: tableOf(UNIT, own) });
    const tables: (number | undefined)[] = [];
    bench.tap = (offset, value) => {
      if (offset === GCMD.$.offset && (Number(value) & GCMD.TE.mask) !== 0) {
        tables.push(bench.kernel.allocator.inUse['I/O page table']);
      }
      return true;
    };
    bench.run(bench.kernel.boot());
    expect(tables).toEqual([4]);
  });

  it('keeps its device from programs, and no other one', () => {
    const bench = Bench.up({ tables: tableOf(UNIT, own) });
    bench.run(
      (function* () {
        const program = bench.program();
        const ioasid_fd = yield* program.open('/dev/ioasid');
        for (const [device, result] of [
          [DEV[0], -EINVAL],
          [DEV[1], 0],
        ] as const) {
          const fd = yield* program.open(device);
          const bound = yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd });
          expect(Math.min(bound, 0)).toBe(result);
        }
        yield* program.exit();
      })(),
    );
  });

  it('may be listed in pieces that overlap, for several devices', () => {
    const pieces = [rmrr(FIRST + PAGE, FIRST + 3 * PAGE - 1, ...RIDS), own, own];
    const bench = Bench.up({ tables: tableOf(UNIT, ...pieces) });
    expect(remarks(bench)).toEqual([
      'vtd0: 0000:00:02.0 keeps 12288 bytes of reserved memory and stays with firmware',
      'vtd0: 0000:00:03.0 keeps 8192 bytes of reserved memory and stays with firmware',
    ]);
  });

  it.each<[string, DmarStructure]>([
    ['RAM of the kernel', rmrr(2 * MIB, 2 * MIB + PAGE - 1, RIDS[0])],
    ['no whole page', rmrr(FIRST, FIRST + 99, RIDS[0])],
    ['no page boundary', rmrr(FIRST + 1, FIRST + PAGE, RIDS[0])],
    ['empty', rmrr(FIRST + PAGE, FIRST - 1, RIDS[0])],
    ['larger than memory', { ...own, base: 0n, limit: 2n ** 64n - 1n } as DmarStructure],
  ])('that is %s is not mapped, and its device is like any other', (_, range) => {
    const bench = Bench.up({ tables: tableOf(UNIT, range) });
    expect(remarks(bench)).toEqual([expect.stringMatching(/^dmar: .* is no reserved memory and is not mapped$/)]);
    bench.run(
      (function* () {
        const program = bench.program();
        const ioasid_fd = yield* program.open('/dev/ioasid');
        const fd = yield* program.open(DEV[0]);
        expect(yield* program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd })).toBeGreaterThanOrEqual(0);
        expect(yield* reads(bench, FIRST)).toBe(false);
        yield* program.exit();
      })(),
    );
  });

  it('costs its device everything when there is no memory for its tables', () => {
    const bench = new Bench({ tables: tableOf(UNIT, own) });
    bench.kernel.faultPoints.refuse = (purpose) => purpose === 'I/O page table';
    bench.run(bench.kernel.boot());
    expect(remarks(bench)).toEqual(['vtd0: 0000:00:02.0 loses its reserved memory: -ENOMEM']);
    expect(bench.kernel.allocator.inUse['I/O page table']).toBeUndefined();
    bench.run(
      (function* () {
        expect((yield* reads(bench, FIRST)) as boolean).toBe(false);
      })(),
    );
  });
});
