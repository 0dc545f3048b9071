/**
 * Version 1's commands on nested spaces and registered memory (proposal 2.1, flows 4.2 to 4.4), on units of both vendors. A plain
 * process stands where the flows have a machine with a guest.
 */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import {
  type Command,
  IOASID_ALLOC,
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_FREE,
  IOASID_GET_INFO,
  IOASID_INVALIDATE_CACHE,
  IOASID_REGISTER_MEMORY,
  IOASID_UNBIND_PGTABLE,
  IOASID_UNREGISTER_MEMORY,
  IoasidFormat,
  IoasidGranularity,
  IoasidInfoFlag,
  type Members,
  type ObjectOf,
  type Struct,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { DEV, engineOf, type MachineBench, map, named, type Setup, setUp, unmap } from './bench.ts';
import { scalableBench } from './scalable-bench.ts';

const K4 = BigInt(PAGE_SIZE);
const HELLO = new TextEncoder().encode('hello, device');
/** What the process calls the beginning of its memory when it speaks to its device. */
const GPA = 0x1_0000n;

/** With what unbinds a table under a PASID: whether the kernel's own could take its place. */
const MACHINES: readonly (readonly [string, () => MachineBench, string])[] = [
  ['an Intel unit', () => scalableBench(), '0'],
  ['an AMD unit', () => AmdBench.up({ efr: GUEST_EFR }), '-EOPNOTSUPP'],
];

describe.each(MACHINES)('Version 1 on %s', (_, up, unbound) => {
  function withSpace(body: (s: Setup, call: Call) => Script): void {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const call: Call = (command, argument) => named(s.program.ioctl(s.ioasidFd, command, argument));
        yield* body(s, call);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
    expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('I/O page table');
  }

  type Call = <M extends Members>(command: Command<Struct<M>>, argument: Partial<ObjectOf<M>>) => Script<string>;

  /** A child of the bench's space, which maps all of the process's memory at GPA; the device is attached to both. */
  function* nested(s: Setup): Script<number> {
    expect(yield* map(s, GPA, s.memory, 16n * K4)).toBe(0);
    const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
    expect(child).toBeGreaterThan(0);
    expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child })).toBe(0);
    return child;
  }

  it('nests nothing on a space that no device is attached to', () => {
    withSpace(function* (s, call) {
      const bare = yield* s.program.ioctl(s.ioasidFd, IOASID_ALLOC);
      expect(yield* call(IOASID_CREATE_NESTING, { parent_ioasid: bare })).toBe('-EINVAL');
      expect(yield* call(IOASID_CREATE_NESTING, { parent_ioasid: 99 })).toBe('-EINVAL');
    });
  });

  it('merges the mappings of a nested space and of its parent', () => {
    withSpace(function* (s, call) {
      const child = yield* nested(s);
      s.program.write(s.memory + K4, HELLO);
      const driver = yield* engineOf(s);
      expect((yield* driver.read(GPA, 4)).ok).toBe(false);
      expect(yield* map({ ...s, ioasid: child }, 0x2000n, GPA + K4, K4)).toBe(0);
      expect(yield* driver.read(0x2000n, HELLO.length)).toEqual({ ok: true, data: HELLO });
      expect(yield* call(IOASID_FREE, { ioasid: s.ioasid })).toBe('-EBUSY');
      expect(yield* unmap({ ...s, ioasid: child }, 0x2000n, K4)).toEqual({ result: 0, size: K4 });
      expect((yield* driver.read(0x2000n, 4)).ok).toBe(false);
      expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: child })).toBe(0);
      expect(yield* driver.read(GPA + K4, HELLO.length)).toEqual({ ok: true, data: HELLO });
    });
  });

  it('walks a table that the process has built in its memory, and keeps what it has cached until it is told', () => {
    withSpace(function* (s, call) {
      const child = yield* nested(s);
      const table = buildTable(s, 0x5000n, GPA + 4n * K4);
      s.program.write(s.memory + 4n * K4, HELLO);
      const driver = yield* engineOf(s);
      const format = { vendor: IoasidFormat.X86, address_width: 48 };
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, addr: table, ...format })).toBe('0');
      expect(yield* driver.read(0x5000n, HELLO.length)).toEqual({ ok: true, data: HELLO });
      // The process leads the address elsewhere. Nobody has been told.
      buildTable(s, 0x5000n, GPA + 5n * K4);
      expect(yield* driver.read(0x5000n, HELLO.length)).toEqual({ ok: true, data: HELLO });
      const range = { granularity: IoasidGranularity.RANGE, iova: 0x5000n, size: K4 };
      expect(yield* call(IOASID_INVALIDATE_CACHE, { child_ioasid: child, ...range })).toBe('0');
      expect(yield* driver.read(0x5000n, 4)).toEqual({ ok: true, data: new Uint8Array(4) });
      expect(yield* call(IOASID_UNBIND_PGTABLE, { ioasid: child })).toBe('0');
      expect((yield* driver.read(0x5000n, 4)).ok).toBe(false);
    });
  });

  it('unbinds a table from what is attached by a PASID only where one of the kernel can take its place', () => {
    withSpace(function* (s, call) {
      const child = yield* nested(s);
      const other = { ...s, deviceFd: yield* s.program.open(DEV[1]) };
      const on = (deviceFd: number, place: object) => named(s.program.ioctl(deviceFd, VFIO_ATTACH_IOASID, place));
      const bound = s.program.ioctl(other.deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
      expect(yield* bound).toBe(0);
      for (const ioasid of [s.ioasid, child]) expect(yield* on(other.deviceFd, { ioasid })).toBe('0');
      const format = { vendor: IoasidFormat.X86, address_width: 48, addr: buildTable(s, 0x5000n, GPA + 4n * K4) };
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, ...format })).toBe('0');
      s.program.write(s.memory + 4n * K4, HELLO);
      // One of them goes there by a PASID from now on.
      expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: child })).toBe(0);
      expect(yield* on(s.deviceFd, { ioasid: child, flags: 1, user_pasid: 5 })).toBe('0');
      const drivers = [yield* engineOf(s), yield* engineOf(other)] as const;
      const reads = function* (): Script<boolean[]> {
        const [byPasid, without] = drivers;
        return [(yield* byPasid.read(0x5000n, 4, { pasid: 5 })).ok, (yield* without.read(0x5000n, 4)).ok];
      };
      expect(yield* reads()).toEqual([true, true]);
      expect(yield* call(IOASID_UNBIND_PGTABLE, { ioasid: child })).toBe(unbound);
      const isKept = unbound !== '0';
      expect(yield* reads()).toEqual([isKept, isKept]);
    });
  });

  it('binds and maps only where that has a meaning', () => {
    withSpace(function* (s, call) {
      const child = yield* nested(s);
      const table = { addr: GPA, vendor: IoasidFormat.X86, address_width: 48 };
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: s.ioasid, ...table })).toBe('-EINVAL');
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, ...table, addr: GPA + 8n })).toBe('-EINVAL');
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, ...table, vendor: 7 })).toBe('-EOPNOTSUPP');
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, ...table, address_width: 40 })).toBe(
        '-EOPNOTSUPP',
      );
      expect(yield* call(IOASID_INVALIDATE_CACHE, { child_ioasid: child })).toBe('-EINVAL');
      expect(yield* call(IOASID_UNBIND_PGTABLE, { ioasid: child })).toBe('-EINVAL');
      expect(yield* map({ ...s, ioasid: child }, 0n, GPA, K4)).toBe(0);
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, ...table })).toBe('-EBUSY');
      yield* unmap({ ...s, ioasid: child }, 0n, K4);
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, ...table })).toBe('0');
      expect(yield* named(map({ ...s, ioasid: child }, 0n, GPA, K4))).toBe('-EINVAL');
      expect(yield* call(IOASID_BIND_PGTABLE, { child_ioasid: child, ...table })).toBe('-EINVAL');
      expect(yield* call(IOASID_INVALIDATE_CACHE, { child_ioasid: child, granularity: 2 })).toBe('-EINVAL');
      expect(yield* call(IOASID_INVALIDATE_CACHE, { child_ioasid: child, granularity: 1 })).toBe('-EINVAL');
    });
  });

  it('pins and charges registered memory once, and maps nothing else then', () => {
    withSpace(function* (s, call) {
      const { space } = s.program.system as unknown as { space: { locked: number } };
      const half = { vaddr: s.memory, size: 8n * K4 };
      expect(yield* call(IOASID_REGISTER_MEMORY, half)).toBe('0');
      expect(yield* call(IOASID_REGISTER_MEMORY, { vaddr: s.memory + 7n * K4, size: K4 })).toBe('-EEXIST');
      expect(yield* call(IOASID_REGISTER_MEMORY, { vaddr: 0n, size: K4 })).toBe('-EFAULT');
      expect(yield* call(IOASID_REGISTER_MEMORY, { vaddr: s.memory, size: 0n })).toBe('-EINVAL');
      expect(space.locked).toBe(8);
      expect(yield* map(s, 0n, s.memory, 4n * K4)).toBe(0);
      expect(yield* map(s, 0x10_0000n, s.memory, 4n * K4)).toBe(0);
      expect(space.locked).toBe(8);
      expect(yield* named(map(s, 0x20_0000n, s.memory + 7n * K4, 2n * K4))).toBe('-EINVAL');
      expect(yield* call(IOASID_UNREGISTER_MEMORY, half)).toBe('-EBUSY');
      expect(yield* call(IOASID_REGISTER_MEMORY, { vaddr: s.memory + 8n * K4, size: 8n * K4 })).toBe('0');
      expect(yield* map(s, 0x20_0000n, s.memory + 7n * K4, 2n * K4)).toBe(0);
      for (const [iova, pages] of [
        [0n, 4n],
        [0x10_0000n, 4n],
        [0x20_0000n, 2n],
      ] as const) {
        expect(yield* unmap(s, iova, pages * K4)).toEqual({ result: 0, size: pages * K4 });
      }
      expect(yield* call(IOASID_UNREGISTER_MEMORY, { ...half, size: K4 })).toBe('-EINVAL');
      expect(yield* call(IOASID_UNREGISTER_MEMORY, half)).toBe('0');
      expect(space.locked).toBe(8);
    });
  });

  it('tells what a space can be used for, and which addresses are reserved', () => {
    withSpace(function* (s, call) {
      const child = yield* nested(s);
      const places = yield* s.program.mmap(PAGE_SIZE);
      const ask = (ioasid: number, num_ranges: number) =>
        s.program.exchange(s.ioasidFd, IOASID_GET_INFO, { ioasid, num_ranges, ranges: places });
      const { value: count } = yield* ask(s.ioasid, 0);
      expect(count).toMatchObject({ addr_width: 48, children: 1, pgsize_bitmap: 0x4020_1000n });
      expect(count.num_ranges).toBeGreaterThan(0);
      const { result } = yield* ask(s.ioasid, count.num_ranges);
      expect(result).toBe(0);
      const first = new DataView(s.program.read(places, 16).slice().buffer);
      expect([first.getBigUint64(0, true), first.getBigUint64(8, true)]).toEqual([0xfee0_0000n, 0xfeef_ffffn]);
      const { value } = yield* ask(child, 0);
      expect(value.flags & IoasidInfoFlag.BIND_PGTABLE).not.toBe(0);
      expect(value.flags & IoasidInfoFlag.HARDWARE_NESTING).not.toBe(0);
      expect(yield* call(IOASID_GET_INFO, { ioasid: 99 })).toBe('-EINVAL');
      expect(yield* call(IOASID_GET_INFO, { ioasid: child, num_ranges: 9, ranges: 1n })).toBe('-EFAULT');
    });
  });
});

/** Present, writable, for users, accessed, dirty. */
const ENTRY = 0x67n;

/** Writes a 4-level x86 table into the first four pages of the process's memory and gives its address for the device. */
function buildTable({ program, memory }: Setup, iova: bigint, to: bigint): bigint {
  const tables = [0n, 1n, 2n, 3n].map((i) => i * K4);
  for (const [i, at] of tables.entries()) {
    const index = (iova >> BigInt(39 - 9 * i)) & 0x1ffn;
    const next = tables[i + 1];
    const entry = new Uint8Array(8);
    new DataView(entry.buffer).setBigUint64(0, (next === undefined ? to : GPA + next) | ENTRY, true);
    program.write(memory + at + index * 8n, entry);
  }
  return GPA;
}
