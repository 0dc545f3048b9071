/** What a device that is software refuses its program, and what it is to each command. */
import { describe, expect, it } from 'vitest';
import { ns, type Script } from '../../hardware/sim/index.ts';
import {
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_GET_INFO,
  IOMMU_DEVICE_GET_INFO,
  IommuFormat,
  IommuIoasidFlag,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DEVICE_GET_REGION_INFO,
  VfioAttachFlag,
} from '../../src/uapi/index.ts';
import { DEV, engineOf, map, named, PAGE, setUp } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { AT, GREETING, on, REGISTER, SOFT, SOFT_COOKIE, SOFT_DEV, words } from './software-bench.ts';
import { COOKIES } from './v2-bench.ts';

const K4 = BigInt(PAGE);
const { DUMMY, USER_PGTABLE } = IommuIoasidFlag;
const { X86_4LEVEL } = IommuFormat;
const { VPASID } = VfioAttachFlag;
const { LENGTH, COMMAND, STATUS } = REGISTER;
const NINES = new Uint8Array(PAGE).fill(9);

describe('A device in software, as its program sees it,', () => {
  const bench = () => scalableBench();

  it('can be bound once, and not under a name that another device has', () => {
    on(bench(), function* (s) {
      yield* s.begin(0);
      expect(yield* named(s.bindSoft())).toBe('-EBUSY');
      const other = s.bench.program('other');
      const iommu_fd = yield* other.open('/dev/iommu');
      const fd = yield* other.open(SOFT_DEV);
      expect(yield* named(other.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd, cookie: 1n }))).toBe('-EBUSY');
      expect(s.bench.kernel.addMediated('soft1')).toBe(0);
      const bind = function* (path: string, cookie: bigint): Script<string> {
        const another = yield* s.program.open(path);
        return yield* named(s.program.ioctl(another, VFIO_BIND_IOMMU_FD, { iommu_fd: s.iommuFd, cookie }));
      };
      for (const taken of [SOFT_COOKIE, COOKIES[0]]) {
        expect(yield* bind('/dev/vfio/devices/soft1', taken)).toBe('-EBUSY');
      }
      expect(yield* bind(DEV[1], SOFT_COOKIE)).toBe('-EBUSY');
    });
  });

  it('is inert before it is bound, and has one region', () => {
    on(bench(), function* (s) {
      const fd = yield* s.program.open(SOFT_DEV);
      s.deviceFds[SOFT] = fd;
      expect(yield* named(s.program.pwrite(fd, words(1), COMMAND))).toBe('-EINVAL');
      expect(yield* s.program.pread(fd, 4, 0n)).toBe(-22);
      expect(yield* named(s.attach(SOFT, 1))).toBe('-EINVAL');
      s.iommuFd = yield* s.program.open('/dev/iommu');
      expect(yield* s.bindSoft()).toBe(0);
      const sizes: bigint[] = [];
      for (let index = 0; index < 8; index++) {
        sizes.push((yield* s.program.exchange(fd, VFIO_DEVICE_GET_REGION_INFO, { index })).value.size);
      }
      expect(sizes).toEqual([0x4000n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]);
      expect(yield* s.program.pread(fd, 4, 0n)).toEqual(Uint8Array.of(1, 0x41, 0x4d, 0x44));
      expect(yield* s.program.pread(fd, 4, 0x4000n)).toBe(-22);
      expect(yield* s.program.pread(fd, 8, 0x2000n)).toEqual(new Uint8Array(8));
      expect(yield* s.program.pwrite(fd, NINES, 0x1ff8n)).toBe(PAGE);
      expect(yield* s.program.pread(fd, 16, 0x1ff0n)).toEqual(
        Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9),
      );
    });
  });

  it('is refused what every device is refused', () => {
    on(bench(), function* (s) {
      yield* s.begin();
      const [root, other] = [yield* s.alloc(), yield* s.alloc()];
      const child = yield* s.alloc({ parent_ioasid: root });
      const dummy = yield* s.alloc({ flags: DUMMY });
      expect(yield* named(s.attach(SOFT, 99))).toBe('-EINVAL');
      expect(yield* named(s.attach(SOFT, dummy))).toBe('-EINVAL');
      expect(yield* named(s.attach(SOFT, child))).toBe('-EINVAL');
      expect(yield* named(s.detach(SOFT, root))).toBe('-EINVAL');
      expect(yield* s.attach(SOFT, root)).toBe(0);
      expect(yield* named(s.attach(SOFT, root))).toBe('-EINVAL');
      expect(yield* named(s.attach(SOFT, other))).toBe('-EBUSY');
      expect(yield* named(s.free(root))).toBe('-EBUSY');
      expect(yield* s.attach(SOFT, child)).toBe(0);
      expect(yield* named(s.detach(SOFT, root))).toBe('-EBUSY');
      expect(yield* named(s.detach(SOFT, 99))).toBe('-EINVAL');
      expect(yield* s.detach(SOFT, child)).toBe(0);
      expect(yield* s.detach(SOFT, root)).toBe(0);
      expect(yield* s.free(child)).toBe(0);
      expect(yield* s.free(root)).toBe(0);
    });
  });

  it('is refused with ENOMEM when nothing is left, and works when something is', () => {
    on(bench(), function* (s) {
      const { faultPoints, pages } = s.bench.kernel;
      const without = function* (point: string, call: Script<number>): Script<string> {
        faultPoints.refuse = (what) => what === point;
        const result = yield* named(call);
        faultPoints.refuse = null;
        return result;
      };
      s.iommuFd = yield* s.program.open('/dev/iommu');
      s.deviceFds[SOFT] = yield* s.program.open(SOFT_DEV);
      expect(yield* without('bound device', s.bindSoft())).toBe('-ENOMEM');
      expect(yield* s.bindSoft()).toBe(0);
      const root = yield* s.alloc();
      expect(yield* without('attachment', s.attach(SOFT, root))).toBe('-ENOMEM');
      expect(yield* named(s.detach(SOFT, root))).toBe('-EINVAL');
      expect(yield* s.attach(SOFT, root)).toBe(0);
      yield* s.program.exit();
      expect(pages.pinned).toBe(0);
      expect(s.bench.kernel.removeMediated('soft0')).toBe(0);
    });
  });

  it('has no PASIDs, and cannot use a table that its process keeps for hardware', () => {
    on(bench(), function* (s) {
      yield* s.begin();
      const { root, engine } = yield* s.standing();
      const marked = { iommu_fd: s.iommuFd, ioasid: root, flags: VPASID, vpasid: 5 };
      const child = yield* s.alloc({ parent_ioasid: root });
      const attach = s.program.ioctl(s.deviceFds[SOFT]!, VFIO_ATTACH_IOASID_2, { ...marked, ioasid: child });
      expect(yield* named(attach)).toBe('-EOPNOTSUPP');
      const users = { flags: USER_PGTABLE, type: 0, parent_ioasid: root, addr: AT, format: X86_4LEVEL, addr_width: 48 };
      const kept = yield* s.alloc(users);
      expect(kept).toBeGreaterThan(0);
      expect(yield* named(s.attach(SOFT, kept))).toBe('-EINVAL');
      const unsupported = { ok: false, error: 'UNSUPPORTED_REQUEST' };
      expect(yield* engine.read(AT, 4, { pasid: 5 })).toEqual(unsupported);
      expect(yield* engine.read(AT, 4, { addressType: 2 })).toEqual(unsupported);
      const fd = s.deviceFds[SOFT]!;
      yield* s.program.pwrite(fd, words(0x1001), LENGTH);
      yield* s.program.pwrite(fd, words(1), COMMAND);
      yield ns(1000);
      // DONE, ERROR and BAD_LENGTH.
      expect(yield* s.program.pread(fd, 4, STATUS)).toEqual(words(0x46));
    });
  });

  it('is one whose accesses are coherent, of any address, and nothing else', () => {
    on(bench(), function* (s) {
      yield* s.begin();
      const asked = { dev_cookie: SOFT_COOKIE };
      const { result, value } = yield* s.program.exchange(s.iommuFd, IOMMU_DEVICE_GET_INFO, asked);
      expect(result).toBe(0);
      expect(value).toMatchObject({
        flags: 15,
        pgsize_bitmap: 0x1000n,
        addr_width: 64,
        nesting: 1,
        formats: 0,
        pasid_bits: 0,
        num_ranges: 1,
      });
    });
  });

  it('makes a space of version 1 ready, in which a table of the process cannot be bound then', () => {
    const machine = bench();
    machine.kernel.addMediated('soft0');
    machine.run(
      (function* () {
        const s = yield* setUp(machine, 16 * PAGE, SOFT_DEV);
        expect(yield* map(s, AT, s.memory, K4)).toBe(0);
        const engine = yield* engineOf(s);
        expect((yield* engine.write(AT, GREETING)).ok).toBe(true);
        expect(s.program.read(s.memory, GREETING.length)).toEqual(GREETING);
        const info = yield* s.program.exchange(s.ioasidFd, IOASID_GET_INFO, { ioasid: s.ioasid });
        // MAP and SOFTWARE_NESTING.
        expect(info).toMatchObject({ result: 0, value: { flags: 9, addr_width: 64, formats: 0, num_ranges: 0 } });
        const child = yield* s.program.ioctl(s.ioasidFd, IOASID_CREATE_NESTING, { parent_ioasid: s.ioasid });
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_ATTACH_IOASID, { ioasid: child })).toBe(0);
        const table = { child_ioasid: child, addr: AT, vendor: 1, address_width: 48 };
        expect(yield* named(s.program.ioctl(s.ioasidFd, IOASID_BIND_PGTABLE, table))).toBe('-EINVAL');
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: child })).toBe(0);
        expect(yield* s.program.ioctl(s.deviceFd, VFIO_DETACH_IOASID, { ioasid: s.ioasid })).toBe(0);
        expect(machine.kernel.pages.pinned).toBe(0);
        expect(yield* named(map(s, AT, s.memory, K4))).toBe('-EINVAL');
      })(),
    );
  });

  it('comes and goes, but not while somebody has it', () => {
    on(bench(), function* (s) {
      const { kernel } = s.bench;
      expect(['soft0', 'dev0'].map((name) => kernel.addMediated(name))).toEqual([-17, -17]);
      expect(['', 'a/b', '..', 'a'.repeat(64)].map((name) => kernel.addMediated(name))).toEqual([-22, -22, -22, -22]);
      expect(['soft9', 'dev0'].map((name) => kernel.removeMediated(name))).toEqual([-19, -19]);
      yield* s.begin();
      expect(kernel.removeMediated('soft0')).toBe(-16);
      const late = yield* s.program.open(SOFT_DEV);
      yield* s.program.close(s.deviceFds[SOFT]!);
      expect(kernel.removeMediated('soft0')).toBe(0);
      expect(yield* named(s.program.open(SOFT_DEV))).toBe('-ENOENT');
      s.deviceFds[SOFT] = late;
      expect(yield* named(s.bindSoft())).toBe('-ENODEV');
    });
  });
});
