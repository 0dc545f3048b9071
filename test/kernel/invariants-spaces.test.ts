/** Invariants of the proposal (sheet 5.5) about I/O address spaces: each test is named after one. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  IOASID_ALLOC,
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_FREE,
  IOASID_GET_INFO,
  IOASID_INVALIDATE_CACHE,
  IOASID_MAP_DMA,
  IOASID_REGISTER_MEMORY,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_UNBIND_PGTABLE,
  IOASID_UNMAP_DMA,
  IOMMU_INVALIDATE_CACHE,
  IOMMU_IOASID_FREE,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { named } from './bench.ts';
import { DEV, type MachineBench, map, PAGE, RW, type Setup, setUp, unmap } from './machine-bench.ts';
import { Version2 } from './v2-bench.ts';
import { MACHINES } from './v2-machines.ts';

const K4 = BigInt(PAGE);
const [USER, DIRTY] = [1, 16];
const X86 = { flags: USER, type: 0, format: 1, addr_width: 48 };

/** Pages that a program is charged for. */
function lockedOf({ program }: Pick<Setup, 'program'>): number {
  return (program.system as unknown as { readonly space: { readonly locked: number } }).space.locked;
}

/** A second space, with the second device in it. */
function* second(s: Setup): Script<Setup> {
  const deviceFd = yield* s.program.open(DEV[1]);
  yield* s.program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
  const ioasid = yield* s.program.ioctl(s.ioasidFd, IOASID_ALLOC);
  expect(yield* s.program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid })).toBe(0);
  return { ...s, deviceFd, ioasid };
}

/** Every command of version 1 on a space but IOASID_FREE. */
function commandsOn({ program, memory }: Setup, fd: number, ioasid: number): Script<number>[] {
  return [
    program.ioctl(fd, IOASID_MAP_DMA, { ioasid, flags: RW, vaddr: memory, iova: 0n, size: K4 }),
    program.ioctl(fd, IOASID_UNMAP_DMA, { ioasid, iova: 0n, size: K4 }),
    program.ioctl(fd, IOASID_GET_INFO, { ioasid }),
    program.ioctl(fd, IOASID_CREATE_NESTING, { parent_ioasid: ioasid }),
    program.ioctl(fd, IOASID_BIND_PGTABLE, { child_ioasid: ioasid, vendor: 1, address_width: 48 }),
    program.ioctl(fd, IOASID_UNBIND_PGTABLE, { ioasid }),
    program.ioctl(fd, IOASID_BIND_PASID_TABLE, { child_ioasid: ioasid }),
    program.ioctl(fd, IOASID_UNBIND_PASID_TABLE, { ioasid }),
    program.ioctl(fd, IOASID_INVALIDATE_CACHE, { child_ioasid: ioasid }),
  ];
}

describe.each(MACHINES)('On %s', (_, up) => {
  /** A program that has each version open: device 0 in a space of version 1, and a space of version 2 beside. */
  function withBoth(body: (s: Setup, v2: Version2, bench: MachineBench) => Script): void {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const v2 = yield* new Version2(bench, 'other').begin(1);
        yield* body(s, v2, bench);
        yield* s.program.exit();
        yield* v2.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
    expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('user');
  }

  it('1. An id of one descriptor is meaningless on another, and nesting never crosses descriptors.', () => {
    withBoth(function* (s, v2) {
      const { program, ioasidFd, ioasid } = s;
      const elsewhere = yield* program.open('/dev/ioasid');
      for (const _ of ['no space has that number there', 'an unattached one has']) {
        for (const command of commandsOn(s, elsewhere, ioasid)) expect(yield* named(command)).toBe('-EINVAL');
        yield* program.ioctl(elsewhere, IOASID_ALLOC);
      }
      expect(yield* named(program.ioctl(elsewhere, IOASID_FREE, { ioasid }))).toBe('0');
      expect(yield* map(s, 0n, s.memory, K4), 'the space of that number here is untouched').toBe(0);
      expect(yield* named(program.ioctl(ioasidFd, IOASID_FREE, { ioasid }))).toBe('-EBUSY');
      const root = yield* v2.alloc();
      const { iommuFd } = v2;
      v2.iommuFd = yield* v2.program.open('/dev/iommu');
      expect(yield* named(v2.alloc({ parent_ioasid: root })), 'a parent of another descriptor').toBe('-ENOENT');
      expect(yield* named(v2.alloc({ ...X86, parent_ioasid: root }))).toBe('-ENOENT');
      expect(yield* named(v2.map(root, 0n, 0n, K4))).toBe('-EINVAL');
      expect(yield* named(v2.unmap(root, 0n, K4))).toBe('-EINVAL');
      expect(yield* named(v2.free(root))).toBe('-EINVAL');
      expect(yield* named(v2.program.ioctl(v2.iommuFd, IOMMU_INVALIDATE_CACHE, { child_ioasid: root, cache: 1 }))).toBe(
        '-EINVAL',
      );
      const theirs = yield* v2.alloc();
      yield* v2.alloc();
      const only = yield* v2.alloc();
      expect([theirs, only]).toEqual([root, root + 2]);
      v2.iommuFd = iommuFd;
      expect(yield* named(v2.attach(1, only)), 'only the other descriptor has this one').toBe('-EINVAL');
      expect(yield* named(v2.attach(1, root))).toBe('0');
    });
  });

  it('2. There is one I/O page table per space; one that a user manages has a parent, and a root is the kernel’s.', () => {
    withBoth(function* (s, v2, { kernel }) {
      const tables = () => kernel.allocator.inUse['I/O page table'];
      expect(yield* map(s, 0x10_0000n, s.memory, K4)).toBe(0);
      const before = tables();
      const other = yield* s.program.open('/dev/ioasid');
      expect(yield* named(s.program.ioctl(other, IOASID_BIND_PGTABLE, { child_ioasid: 1 }))).toBe('-EINVAL');
      const bindRoot = { child_ioasid: s.ioasid, vendor: 1, address_width: 48 };
      expect(yield* named(s.program.ioctl(s.ioasidFd, IOASID_BIND_PGTABLE, bindRoot)), 'a root').toBe('-EINVAL');
      expect(yield* named(v2.alloc(X86)), 'a root').toBe('-EINVAL');
      expect(tables()).toBe(before);
      yield* v2.program.close(v2.deviceFds[1]!);
      // A second device in the space needs no second table, and reaches what is mapped there.
      const deviceFd = yield* s.program.open(DEV[1]);
      yield* s.program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: s.ioasidFd });
      expect(yield* s.program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid: s.ioasid })).toBe(0);
      expect(tables()).toBe(before);
      expect(yield* unmap(s, 0x10_0000n, K4)).toMatchObject({ result: 0 });
    });
  });

  it('3. In version 1 an unattached space takes no command but attach (and FREE), in version 2 it has its attributes at once.', () => {
    withBoth(function* (s, v2) {
      const { program, ioasidFd } = s;
      const ioasid = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
      for (const command of commandsOn(s, ioasidFd, ioasid)) expect(yield* named(command)).toBe('-EINVAL');
      expect(yield* named(program.ioctl(ioasidFd, IOASID_FREE, { ioasid }))).toBe('0');
      const narrow = yield* v2.alloc({ addr_width: 32 });
      const memory = yield* v2.memory(Uint8Array.of(1), PAGE);
      expect(yield* v2.map(narrow, 2n ** 32n - K4, memory, K4)).toBe(0);
      expect(yield* named(v2.map(narrow, 2n ** 32n, memory, K4)), 'beyond its width').toBe('-EINVAL');
      expect(yield* v2.attach(1, narrow)).toBe(0);
      expect(yield* v2.detach(1, narrow)).toBe(0);
      const tracked = yield* v2.alloc({ flags: DIRTY });
      expect(yield* named(v2.attach(1, tracked)), 'what the device’s unit does not have').toBe('-EINVAL');
    });
  });

  it('11. A page is charged once per root that maps it, and children never charge: version 1.', () => {
    withBoth(function* (s) {
      expect(yield* map(s, 0n, s.memory, 4n * K4)).toBe(0);
      expect(lockedOf(s)).toBe(4);
      expect(yield* map(s, 0x10_0000n, s.memory + 2n * K4, 4n * K4), 'two of four pages again').toBe(0);
      expect(lockedOf(s)).toBe(6);
      const { ioasidFd, ioasid } = s;
      const child = yield* s.program.ioctl(ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: ioasid });
      expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child })).toBe(0);
      expect(yield* map({ ...s, ioasid: child }, 0n, 0n, 4n * K4)).toBe(0);
      expect(lockedOf(s), 'a child').toBe(6);
      expect(yield* unmap(s, 0n, 4n * K4)).toMatchObject({ result: 0 });
      expect(lockedOf(s), 'two are mapped elsewhere').toBe(4);
      expect(yield* unmap(s, 0x10_0000n, 4n * K4)).toMatchObject({ result: 0 });
      expect(lockedOf(s)).toBe(0);
    });
  });

  it('11. A page is charged once per root that maps it, and registered memory once for all: version 1.', () => {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const t = yield* second(s);
        for (const one of [s, t]) expect(yield* map(one, 0n, s.memory, 2n * K4)).toBe(0);
        expect(lockedOf(s), 'two roots').toBe(4);
        for (const one of [s, t]) expect(yield* unmap(one, 0n, 2n * K4)).toMatchObject({ result: 0 });
        const memory = { vaddr: s.memory, size: 4n * K4 };
        expect(yield* s.program.ioctl(s.ioasidFd, IOASID_REGISTER_MEMORY, memory)).toBe(0);
        for (const one of [s, t]) expect(yield* map(one, 0n, s.memory, 2n * K4)).toBe(0);
        expect(lockedOf(s)).toBe(4);
        yield* s.program.exit();
        expect(lockedOf(s)).toBe(0);
      })(),
    );
  });

  it('11. A page is charged once per root that maps it, up to the limit of locked memory: version 2.', () => {
    const bench = up({ kernel: { lockLimit: 6 } });
    bench.run(
      (function* () {
        const s = yield* new Version2(bench).begin(0);
        const memory = yield* s.memory(Uint8Array.of(1), 8 * PAGE);
        const [one, other] = [yield* s.alloc(), yield* s.alloc()];
        expect(yield* s.map(one, 0n, memory, 4n * K4)).toBe(0);
        expect(yield* s.map(one, 0x10_0000n, memory, 4n * K4), 'the same pages again').toBe(0);
        expect(yield* named(s.map(other, 0n, memory, 4n * K4)), 'another root').toBe('-ENOMEM');
        expect(yield* s.map(other, 0n, memory, 2n * K4)).toBe(0);
        expect(s.locked).toBe(6);
        const child = yield* s.alloc({ parent_ioasid: one });
        expect(yield* s.map(child, 0n, 0n, 4n * K4)).toBe(0);
        expect(s.locked, 'a child').toBe(6);
        expect(yield* named(s.map(one, 0x20_0000n, memory + 3n * K4, 2n * K4)), 'one page more').toBe('-ENOMEM');
        expect(yield* s.program.ioctl(s.iommuFd, IOMMU_IOASID_FREE, { ioasid: child })).toBe(0);
        expect(yield* s.unmap(one, 0n, 4n * K4)).toBe(0);
        expect(s.locked, 'mapped elsewhere in the same root').toBe(6);
        expect(yield* s.unmap(one, 0x10_0000n, 4n * K4)).toBe(0);
        expect(s.locked).toBe(2);
        yield* s.program.exit();
        expect(s.locked).toBe(0);
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
  });
});
