/** What every command and every file has in common: 2.6 of the proposal's sheet, first rows. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import {
  E2BIG,
  EBADF,
  EEXIST,
  EFAULT,
  EINVAL,
  EMFILE,
  ENOENT,
  ENOTTY,
  IOASID_ALLOC,
  IOASID_COMMANDS,
  IOASID_DMA_MAP,
  IOASID_FREE,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
  VFIO_UNBIND_IOASID_FD,
} from '../../src/uapi/index.ts';
import { PAGE, RW, withSetup } from './bench.ts';

const K4 = BigInt(PAGE);

describe('files', () => {
  it('gives ENOENT for a path that names nothing, EBADF for a closed descriptor, EMFILE when the table is full', () => {
    withSetup(
      function* ({ program, ioasidFd }) {
        expect(yield* program.open('/dev/nothing')).toBe(-ENOENT);
        expect(yield* program.close(99)).toBe(-EBADF);
        expect(yield* program.ioctl(99, IOASID_ALLOC)).toBe(-EBADF);
        expect(yield* program.open('/dev/ioasid')).toBe(-EMFILE);
        expect(yield* program.close(ioasidFd)).toBe(0);
        expect(yield* program.open('/dev/ioasid')).toBe(ioasidFd);
      },
      { kernel: { fileLimit: 2 } },
    );
  });

  it('gives EINVAL for reading /dev/ioasid', () => {
    withSetup(function* ({ program, ioasidFd }) {
      expect(yield* program.pread(ioasidFd, 4, 0n)).toBe(-EINVAL);
      expect(yield* program.pwrite(ioasidFd, new Uint8Array(4), 0n)).toBe(-EINVAL);
    });
  });

  it('names a device by its address and by its name', () => {
    withSetup(function* ({ program }) {
      expect(yield* program.open('/dev/vfio/devices/0000:00:02.0')).toBeGreaterThanOrEqual(0);
      expect(yield* program.open('/dev/vfio/devices/dev1')).toBeGreaterThanOrEqual(0);
    });
  });
});

describe('every command', () => {
  it('is ENOTTY when the kernel does not have it, on either kind of file', () => {
    withSetup(function* ({ program, ioasidFd, deviceFd }) {
      // All of version 1's are there: a bad address is what is wrong with those that take a structure.
      for (const { number, argument } of IOASID_COMMANDS) {
        if (typeof argument === 'object') expect(yield* program.system.ioctl(ioasidFd, number, 0n)).toBe(-EFAULT);
      }
      const behind = IOASID_COMMANDS.at(-1)!.number + 1;
      for (const number of [behind, behind + 1, IOASID_COMMANDS[0].number - 1]) {
        expect(yield* program.system.ioctl(ioasidFd, number, 0n)).toBe(-ENOTTY);
      }
      expect(yield* program.system.ioctl(ioasidFd, 0, 0n)).toBe(-ENOTTY);
      expect(yield* program.ioctl(ioasidFd, VFIO_UNBIND_IOASID_FD)).toBe(-ENOTTY);
      expect(yield* program.ioctl(deviceFd, IOASID_ALLOC)).toBe(-ENOTTY);
    });
  });

  it('is EFAULT for a structure at a bad address, also one that begins at the last mapped byte', () => {
    withSetup(function* ({ program, ioasidFd, memory }) {
      const { number } = IOASID_MAP_DMA;
      for (const address of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, memory + K4 * 16n - 4n + 1n, memory + K4 * 16n]) {
        expect(yield* program.system.ioctl(ioasidFd, number, address)).toBe(-EFAULT);
      }
      program.write(memory + K4 * 16n - 4n, Uint8Array.of(40, 0, 0, 0));
      expect(yield* program.system.ioctl(ioasidFd, number, memory + K4 * 16n - 4n)).toBe(-EFAULT);
    });
  });

  it('is EINVAL for an argsz below the structure, E2BIG for non-zero bytes behind it, and takes zeros there', () => {
    withSetup(function* ({ program, ioasidFd, ioasid, memory }) {
      const call = function* (argsz: number, behind: number): Script<number> {
        const bytes = new Uint8Array(64);
        bytes.set(IOASID_DMA_MAP.encode({ argsz, ioasid, flags: RW, vaddr: memory, iova: 0n, size: K4 }));
        bytes[47] = behind;
        program.write(memory + K4, bytes);
        return yield* program.system.ioctl(ioasidFd, IOASID_MAP_DMA.number, memory + K4);
      };
      expect(yield* call(0, 0)).toBe(-EINVAL);
      expect(yield* call(39, 0)).toBe(-EINVAL);
      expect(yield* call(48, 1)).toBe(-E2BIG);
      expect(yield* call(PAGE + 1, 0)).toBe(-E2BIG);
      expect(yield* call(0xffff_ffff, 0)).toBe(-E2BIG);
      expect(yield* call(47, 1)).toBe(0);
      expect(yield* call(48, 0)).toBe(-EEXIST);
    });
  });

  it('is EINVAL for an unknown flag and for padding that is not 0', () => {
    withSetup(function* ({ program, ioasidFd, deviceFd, ioasid, memory }) {
      expect(yield* program.ioctl(ioasidFd, IOASID_FREE, { ioasid, flags: 1 })).toBe(-EINVAL);
      expect(yield* program.ioctl(ioasidFd, IOASID_UNMAP_DMA, { ioasid, flags: 1, size: K4 })).toBe(-EINVAL);
      expect(yield* program.ioctl(deviceFd, VFIO_BIND_IOASID_FD, { ioasid_fd: ioasidFd, flags: 1 })).toBe(-EINVAL);
      expect(yield* program.ioctl(deviceFd, VFIO_ATTACH_IOASID, { ioasid, flags: 2 })).toBe(-EINVAL);
      expect(yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid, flags: 1 })).toBe(-EINVAL);
      const bytes = IOASID_DMA_MAP.encode({ ioasid, flags: RW, vaddr: memory, size: K4 });
      bytes[12] = 1;
      program.write(memory, bytes);
      expect(yield* program.system.ioctl(ioasidFd, IOASID_MAP_DMA.number, memory)).toBe(-EINVAL);
    });
  });
});
