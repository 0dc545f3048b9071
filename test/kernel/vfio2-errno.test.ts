/**
 * Commands of a device file that is bound to /dev/iommu, with every error: 2.6 of the proposal's sheet. Whatever is refused
 * changes nothing.
 */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  EBUSY,
  EINVAL,
  IOASID_ALLOC,
  IOMMU_IOASID_ALLOC,
  VFIO_2_COMMANDS,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID_2,
  VFIO_DEVICE_GET_REGION_INFO,
} from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { refusesMalformed } from './bad-calls.ts';
import { Bench, named } from './bench.ts';
import { DEV, type MachineBench, PAGE } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { COOKIES, type Standing } from './v2-bench.ts';
import { expectUnchanged, MACHINES } from './v2-machines.ts';

const K4 = BigInt(PAGE);
const [USER, SNOOP, DIRTY, DUMMY] = [1, 4, 16, 32];
const X86 = { flags: USER, type: 0, format: 1, addr_width: 48 };
const VPASID = 1;

/** Binds device 1 and gives its descriptor. */
function* bindSecond({ program, iommuFd, deviceFds }: Standing): Script<number> {
  const fd = yield* program.open(DEV[1]);
  expect(yield* program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: iommuFd, cookie: COOKIES[1] })).toBe(0);
  deviceFds[1] = fd;
  return fd;
}

describe.each(MACHINES)('On %s', (_, up) => {
  const unchanged = (body: (s: Standing, bench: MachineBench) => Script) => {
    const bench = up();
    expectUnchanged(bench, (s) => body(s, bench));
  };

  describe('every command', () => {
    it('is ENOTTY when the kernel does not have it', () => {
      unchanged(function* ({ program, deviceFds }) {
        const fresh = yield* program.open(DEV[1]);
        for (const fd of [deviceFds[0]!, fresh]) {
          for (const number of [0, 0x3b64, 0x3b7e, 0xffff_ffff]) {
            expect(yield* named(program.system.ioctl(fd, number, 0n))).toBe('-ENOTTY');
          }
          expect(yield* named(program.ioctl(fd, IOMMU_IOASID_ALLOC, {}))).toBe('-ENOTTY');
        }
        // Version 1's last command: in version 2 nothing has this number.
        expect(yield* named(program.ioctl(deviceFds[0]!, { ...VFIO_ATTACH_IOASID, number: 0x3b7d }, {}))).toBe(
          '-ENOTTY',
        );
        yield* program.close(fresh);
      });
    });

    it.each(VFIO_2_COMMANDS.map((command) => [command.name, command] as const))(
      '%s: EFAULT for a bad pointer, EINVAL for a short structure or an unknown flag, E2BIG for what stands behind it',
      (__, command) => {
        unchanged(function* ({ program, iommuFd, deviceFds, root }) {
          const values = { iommu_fd: iommuFd, ioasid: root };
          yield* refusesMalformed(program, deviceFds[0]!, command, { values, unknownFlags: [1, 31] });
        });
      },
    );
  });

  describe('VFIO_BIND_IOMMU_FD', () => {
    it('is EINVAL for a descriptor that is not open, or that is no /dev/iommu', () => {
      unchanged(function* ({ program, deviceFds }) {
        const fd = yield* program.open(DEV[1]);
        for (const bad of [-1, 99, fd, deviceFds[0]!]) {
          const bound = program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: bad, cookie: COOKIES[1] });
          expect(yield* named(bound), `descriptor ${bad}`).toBe('-EINVAL');
        }
        expect(yield* program.pread(fd, 4, 0n), 'still inert').toBe(-EINVAL);
        yield* program.close(fd);
      });
    });

    it('is refused for version 1’s descriptor, which has no room for a cookie', () => {
      unchanged(function* ({ program }) {
        const old = yield* program.open('/dev/ioasid');
        const fd = yield* program.open(DEV[1]);
        const bound = program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: old, cookie: COOKIES[1] });
        expect(yield* named(bound)).toBe('-E2BIG');
        // Without one it is version 1's bind, and the file speaks version 1 from then on.
        expect(yield* program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: old })).toBe(0);
        const ioasid = yield* program.ioctl(old, IOASID_ALLOC);
        expect(yield* program.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid })).toBe(0);
        yield* program.close(fd);
        yield* program.close(old);
      });
    });

    it('is EBUSY for a device that is bound and for a cookie that is in use, and takes that cookie elsewhere', () => {
      unchanged(function* ({ program, iommuFd, deviceFds }, bench) {
        const bind = (fd: number, iommu_fd: number, cookie: bigint) =>
          program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd, cookie });
        expect(yield* bind(deviceFds[0]!, iommuFd, COOKIES[1])).toBe(-EBUSY);
        expect(yield* bind(deviceFds[0]!, iommuFd, COOKIES[0])).toBe(-EBUSY);
        const again = yield* program.open(DEV[0]);
        const second = yield* program.open(DEV[1]);
        const elsewhere = yield* program.open('/dev/iommu');
        expect(yield* bind(again, iommuFd, COOKIES[1]), 'through another open file').toBe(-EBUSY);
        expect(yield* bind(again, elsewhere, COOKIES[1])).toBe(-EBUSY);
        expect(yield* bind(second, iommuFd, COOKIES[0]), 'the cookie of device 0').toBe(-EBUSY);
        const stranger = bench.program('stranger');
        const theirs = yield* stranger.open('/dev/iommu');
        const fd = yield* stranger.open(DEV[0]);
        expect(yield* stranger.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: theirs, cookie: 1n })).toBe(-EBUSY);
        yield* stranger.exit();
        expect(yield* bind(second, elsewhere, COOKIES[0])).toBe(0);
        for (const one of [again, second, elsewhere]) yield* program.close(one);
      });
    });
  });

  describe('VFIO_ATTACH_IOASID and VFIO_DETACH_IOASID', () => {
    it('are EINVAL before the device is bound, and with a descriptor that it is not bound to', () => {
      unchanged(function* ({ program, iommuFd, deviceFds, root }) {
        const fresh = yield* program.open(DEV[1]);
        const other = yield* program.open('/dev/iommu');
        const old = yield* program.open('/dev/ioasid');
        for (const [fd, iommu_fd] of [
          [fresh, iommuFd],
          [deviceFds[0]!, other],
          [deviceFds[0]!, old],
          [deviceFds[0]!, deviceFds[0]!],
          [deviceFds[0]!, -1],
          [deviceFds[0]!, 99],
        ] as const) {
          expect(yield* named(program.ioctl(fd, VFIO_ATTACH_IOASID_2, { iommu_fd, ioasid: root }))).toBe('-EINVAL');
          expect(yield* named(program.ioctl(fd, VFIO_DETACH_IOASID_2, { iommu_fd, ioasid: root }))).toBe('-EINVAL');
        }
        expect(yield* program.ioctl(fresh, VFIO_DEVICE_GET_REGION_INFO, { index: 0 })).toBe(-EINVAL);
        for (const fd of [fresh, other, old]) yield* program.close(fd);
      });
    });

    it('are EINVAL for an unknown ioasid, the same twice, a dummy, and what is not attached; EBUSY for another', () => {
      unchanged(function* (s) {
        const other = yield* s.alloc();
        const dummy = yield* s.alloc({ flags: DUMMY });
        for (const [ioasid, attached, detached] of [
          [0, '-EINVAL', '-EINVAL'],
          [99, '-EINVAL', '-EINVAL'],
          [dummy, '-EINVAL', '-EINVAL'],
          [other, '-EBUSY', '-EINVAL'],
        ] as const) {
          expect(yield* named(s.attach(0, ioasid))).toBe(attached);
          expect(yield* named(s.detach(0, ioasid))).toBe(detached);
        }
        expect(yield* named(s.attach(0, s.root))).toBe('-EINVAL');
        yield* s.free(other);
        yield* s.free(dummy);
      });
    });

    it('are EINVAL for a nested space without its parent, EBUSY for leaving the parent first', () => {
      unchanged(function* (s) {
        const fd = yield* bindSecond(s);
        const child = yield* s.alloc({ parent_ioasid: s.root });
        const cousin = yield* s.alloc({ parent_ioasid: s.root });
        const stranger = yield* s.alloc({ parent_ioasid: yield* s.alloc() });
        expect(yield* named(s.attach(1, child)), 'not attached to the parent').toBe('-EINVAL');
        expect(yield* s.attach(1, s.root)).toBe(0);
        expect(yield* s.attach(1, child)).toBe(0);
        expect(yield* named(s.attach(1, child))).toBe('-EINVAL');
        expect(yield* named(s.attach(1, cousin)), 'a sibling is there').toBe('-EBUSY');
        expect(yield* named(s.attach(0, stranger)), 'of another root').toBe('-EBUSY');
        expect(yield* named(s.detach(1, s.root))).toBe('-EBUSY');
        expect(yield* s.detach(1, child)).toBe(0);
        expect(yield* named(s.detach(1, child))).toBe('-EINVAL');
        expect(yield* s.detach(1, s.root)).toBe(0);
        yield* s.program.close(fd);
        for (const id of [stranger, stranger - 1, cousin, child]) expect(yield* s.free(id)).toBe(0);
      });
    });

    it('are EADDRINUSE while something is mapped where the device cannot reach it', () => {
      unchanged(function* (s) {
        const fd = yield* bindSecond(s);
        const space = yield* s.alloc();
        expect(yield* s.map(space, 0xfedf_f000n, s.buffer, 2n * K4)).toBe(0);
        expect(yield* named(s.attach(1, space))).toBe('-EADDRINUSE');
        expect(s.locked, 'the mapping stays').toBe(6);
        expect(yield* s.unmap(space, 0xfedf_f000n, 2n * K4)).toBe(0);
        expect(yield* s.map(space, 0xfedf_f000n, s.buffer, K4)).toBe(0);
        expect(yield* s.attach(1, space)).toBe(0);
        expect(yield* named(s.map(space, 0xfee0_0000n, s.buffer, K4)), 'known now').toBe('-EINVAL');
        expect(yield* s.detach(1, space)).toBe(0);
        yield* s.program.close(fd);
        expect(yield* s.free(space)).toBe(0);
      });
    });

    it('are ENOMEM and ENOSPC when the kernel has no memory or the unit no domain id left', () => {
      unchanged(function* (s, { kernel }) {
        const fd = yield* bindSecond(s);
        const space = yield* s.alloc();
        for (const [point, errno] of [
          ['I/O page table', '-ENOMEM'],
          ['domain id', '-ENOSPC'],
        ] as const) {
          kernel.faultPoints.refuse = (one) => one === point;
          expect(yield* named(s.attach(1, space))).toBe(errno);
        }
        kernel.faultPoints.refuse = null;
        expect(yield* s.attach(1, space)).toBe(0);
        expect(yield* s.detach(1, space)).toBe(0);
        yield* s.program.close(fd);
        expect(yield* s.free(space)).toBe(0);
      });
    });

    it('are EINVAL for a vPASID without its flag, and with one refuse PASIDs that the unit cannot tell apart', () => {
      unchanged(function* (s, { kernel }) {
        const fd = yield* bindSecond(s);
        const bits = kernel.iommu.groups[0]!.driver.abilities.pasidBits;
        const attach = (vpasid: number, flags: number) =>
          s.program.ioctl(fd, VFIO_ATTACH_IOASID_2, { iommu_fd: s.iommuFd, ioasid: s.root, vpasid, flags });
        expect(yield* named(attach(5, 0))).toBe('-EINVAL');
        const refusal = bits === 0 ? '-EOPNOTSUPP' : '-EINVAL';
        for (const vpasid of [2 ** 20, 0xffff_ffff]) expect(yield* named(attach(vpasid, VPASID))).toBe(refusal);
        if (bits === 0) expect(yield* named(attach(5, VPASID))).toBe('-EOPNOTSUPP');
        expect(yield* named(s.detach(1, s.root)), 'nothing was attached').toBe('-EINVAL');
        yield* s.program.close(fd);
      });
    });
  });
});

describe('A space whose attributes the unit of a device does not have', () => {
  /** What attaching device 1 to such a space gives. */
  function expectRefused(bench: MachineBench, attributes: object): void {
    expectUnchanged(bench, function* (s) {
      const fd = yield* bindSecond(s);
      const nested = 'format' in attributes;
      const space = yield* s.alloc(nested ? { ...attributes, parent_ioasid: s.root } : attributes);
      expect(space).toBeGreaterThan(0);
      if (nested) expect(yield* s.attach(1, s.root)).toBe(0);
      expect(yield* named(s.attach(1, space))).toBe('-EINVAL');
      expect(yield* named(s.detach(1, space))).toBe('-EINVAL');
      if (nested) {
        const engine = yield* s.engine(1);
        expect((yield* engine.read(0x1_0000n, 4)).ok, 'the parent translates as before').toBe(true);
        expect(yield* s.detach(1, s.root)).toBe(0);
      }
      expect(yield* s.free(space)).toBe(0);
      yield* s.program.close(fd);
    });
  }

  it.each([
    ['more address bits than VT-d tables', () => Bench.up(), { addr_width: 49 }],
    ['snooping that VT-d cannot enforce', () => Bench.up({ ecap: { SC: 0 } }), { flags: SNOOP }],
    ['written pages tracked in legacy mode', () => Bench.up(), { flags: DIRTY }],
    ['written pages tracked by AMD', () => AmdBench.up(), { flags: DIRTY }],
    ['a first stage in legacy mode', () => Bench.up(), X86],
    ['a first stage without nesting', () => scalableBench({ ecap: { NEST: 0 } }), X86],
    ['five levels on VT-d', () => scalableBench({ cap: { FS5LP: 0 } }), { ...X86, format: 2, addr_width: 57 }],
    ['guest tables without GTSup', () => AmdBench.up(), X86],
    [
      'five levels on AMD',
      () => AmdBench.up({ efr: { ...GUEST_EFR, GATS: 0 } }),
      { ...X86, format: 2, addr_width: 57 },
    ],
  ] as const)('is EINVAL at the attach: %s', (_, up, attributes) => {
    expectRefused(up(), attributes);
  });
});
