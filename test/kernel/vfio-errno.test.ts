/** Commands and regions of a device file with every error that they can give: 2.6 of the proposal's sheet. */
import { describe, expect, it } from 'vitest';
import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOSPC,
  EOPNOTSUPP,
  IOASID_ALLOC,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_UNBIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { DEV, PAGE, withSetup } from './bench.ts';

describe('VFIO_BIND_IOASID_FD and VFIO_UNBIND_IOASID_FD', () => {
  it('are EINVAL for a descriptor that is no open /dev/ioasid', () => {
    withSetup(function* ({ program, deviceFd }) {
      yield* program.ioctl(deviceFd, VFIO_UNBIND_IOASID_FD);
      for (const fd of [-1, 99, deviceFd]) {
        expect(yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: fd })).toBe(-EINVAL);
      }
    });
  });

  it('are EBUSY for a device that is bound, whoever asks', () => {
    withSetup(function* ({ program, ioasidFd, deviceFd }, bench) {
      expect(yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd })).toBe(-EBUSY);
      const other = bench.program('other');
      const fd = yield* other.open(DEV[0]);
      const ioasids = yield* other.open('/dev/ioasid');
      expect(yield* other.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids })).toBe(-EBUSY);
      expect(yield* other.ioctl(fd, VFIO_UNBIND_IOASID_FD)).toBe(-EINVAL);
      expect(yield* program.close(deviceFd)).toBe(0);
      expect(yield* other.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids })).toBe(0);
    });
  });

  it('are EINVAL for unbinding what is not bound', () => {
    withSetup(function* ({ program, deviceFd }) {
      expect(yield* program.ioctl(deviceFd, VFIO_UNBIND_IOASID_FD)).toBe(0);
      expect(yield* program.ioctl(deviceFd, VFIO_UNBIND_IOASID_FD)).toBe(-EINVAL);
    });
  });

  it('are ENODEV for a device that no IOMMU serves, in both versions', () => {
    withSetup(
      function* ({ program, ioasidFd, deviceFd }) {
        expect(yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd })).toBe(-ENODEV);
        const iommu_fd = yield* program.open('/dev/iommu');
        expect(yield* program.ioctl(deviceFd, VFIO_BIND_IOMMU_FD, { iommu_fd, cookie: 1n })).toBe(-ENODEV);
      },
      { cap: { SAGAW: 0 } },
    );
  });
});

describe('VFIO_ATTACH_IOASID and VFIO_DETACH_IOASID', () => {
  it('are EINVAL before the device is bound, for an unknown ioasid, and for what is not attached', () => {
    withSetup(function* ({ program, ioasidFd, deviceFd, ioasid }) {
      expect(yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid: ioasid + 1 })).toBe(-EINVAL);
      expect(yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid })).toBe(0);
      expect(yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid })).toBe(-EINVAL);
      expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid: 99 })).toBe(-EINVAL);
      const second = yield* program.open(DEV[1]);
      expect(yield* program.ioctl(second, VFIO_ATTACH_IOASID, { ioasid })).toBe(-EINVAL);
      expect(yield* program.ioctl(second, VFIO_DETACH_IOASID, { ioasid })).toBe(-EINVAL);
      const foreign = yield* program.open('/dev/ioasid');
      expect(yield* program.ioctl(second, VFIO_BIND_IOASID_FD, { ioasid_fd: foreign })).toBe(0);
      expect(yield* program.ioctl(second, VFIO_ATTACH_IOASID, { ioasid })).toBe(-EINVAL);
      expect(ioasidFd).not.toBe(foreign);
    });
  });

  it('never replace: EINVAL for the same ioasid again, EBUSY for another', () => {
    withSetup(function* ({ program, ioasidFd, deviceFd, ioasid }) {
      const other = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
      expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid })).toBe(-EINVAL);
      expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid: other })).toBe(-EBUSY);
    });
  });

  it('are EOPNOTSUPP with a PASID, which the device cannot send, and EINVAL for a PASID without its flag', () => {
    withSetup(function* ({ program, deviceFd, ioasid }) {
      yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid });
      const pasid = { ioasid, user_pasid: 5 };
      expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ...pasid, flags: 1 })).toBe(-EOPNOTSUPP);
      expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, pasid)).toBe(-EINVAL);
    });
  });

  it('are ENOSPC when the unit has no domain id left', () => {
    // 16 ids, of which 0 is never used.
    withSetup(
      function* ({ program }, bench) {
        expect(bench.kernel.devices).toHaveLength(2);
        expect(yield* program.sleep(1)).toBe(0);
        const group = bench.kernel.iommu.groupOf(bench.kernel.devices[0]!)!;
        const taken: (object | number)[] = [];
        for (let i = 0; i < 20; i++) taken.push(yield* group.driver.allocateDomain());
        expect(taken.filter((domain) => domain === -ENOSPC)).toHaveLength(6);
      },
      { cap: { ND: 0 } },
    );
  });
});

describe('a device file', () => {
  it('gives no access to the device before it is bound, nor through another open file', () => {
    withSetup(function* ({ program, deviceFd }) {
      const other = yield* program.open(DEV[0]);
      expect(yield* program.pread(deviceFd, 4, 0n)).toBeInstanceOf(Uint8Array);
      for (const fd of [other, yield* program.open(DEV[1])]) {
        expect(yield* program.pread(fd, 4, 0n)).toBe(-EINVAL);
        expect(yield* program.pwrite(fd, new Uint8Array(4), 0n)).toBe(-EINVAL);
        expect(yield* program.ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, { index: 0 })).toBe(-EINVAL);
      }
    });
  });

  it('tells where regions lie, and that most do not exist', () => {
    withSetup(function* ({ program, deviceFd }) {
      const ask = (index: number) => program.exchange(deviceFd, VFIO_DEVICE_GET_REGION_INFO, { index });
      expect((yield* ask(0)).value).toMatchObject({ size: 0x4000n, offset: 0n, flags: 3 });
      expect((yield* ask(1)).value).toMatchObject({ size: 0n, offset: 1n << 40n, flags: 0 });
      expect((yield* ask(8)).result).toBe(-EINVAL);
    });
  });

  it('is EINVAL outside of its regions, stops at the end of one, and is EFAULT for a bad buffer', () => {
    withSetup(function* ({ program, deviceFd }) {
      expect(yield* program.pread(deviceFd, 4, 0x4000n)).toBe(-EINVAL);
      expect(yield* program.pread(deviceFd, 4, 1n << 40n)).toBe(-EINVAL);
      expect(yield* program.pread(deviceFd, 4, 1n << 60n)).toBe(-EINVAL);
      expect(yield* program.pwrite(deviceFd, new Uint8Array(4), -4n)).toBe(-EINVAL);
      expect(yield* program.pread(deviceFd, 64, 0x4000n - 8n)).toHaveLength(8);
      expect(yield* program.system.pread(deviceFd, 0n, 4, 0n)).toBe(-EFAULT);
      expect(yield* program.system.pwrite(deviceFd, 0n, 4, 0n)).toBe(-EFAULT);
    });
  });
});

describe('memory', () => {
  it('is EINVAL for no length, ENOMEM for more than there is, and EINVAL for giving up what is no range of pages', () => {
    withSetup(function* ({ program, memory }) {
      expect(yield* program.mmap(0)).toBe(BigInt(-EINVAL));
      expect(yield* program.mmap(2 ** 40)).toBe(BigInt(-ENOMEM));
      expect(yield* program.munmap(memory, 0)).toBe(-EINVAL);
      expect(yield* program.munmap(memory + 1n, 16 * PAGE)).toBe(-EINVAL);
      expect(yield* program.munmap((1n << 47n) - 4096n, 2 * PAGE)).toBe(-EINVAL);
      expect(yield* program.munmap(memory, 16 * PAGE)).toBe(0);
      expect(() => program.read(memory, 1)).toThrow(/segmentation fault/);
    });
  });
});
