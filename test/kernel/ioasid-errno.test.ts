/** Commands of /dev/ioasid with every error that they can give: 2.6 of the proposal's sheet, and type1's rules, 2.5.1. */
import { describe, expect, it } from 'vitest';
import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENOMEM,
  ENOSPC,
  IOASID_ALLOC,
  IOASID_CHECK_EXTENSION,
  IOASID_FREE,
  VFIO_DETACH_IOASID,
} from '../../src/uapi/index.ts';
import { BAD_RANGES } from './bad-calls.ts';
import { map, named, PAGE, unmap, withSetup } from './bench.ts';

const K4 = BigInt(PAGE);

describe('IOASID_CHECK_EXTENSION', () => {
  it('knows what there is, so that mappings behave as in the second version of type1, and answers 0 for everything else', () => {
    withSetup(function* ({ program, ioasidFd }) {
      for (const known of [1, 3, 4, 5, 6, 7, 8]) {
        expect(yield* program.ioctl(ioasidFd, IOASID_CHECK_EXTENSION, known)).toBe(1);
      }
      for (const unknown of [0, 2, 9, 2 ** 32]) {
        expect(yield* program.ioctl(ioasidFd, IOASID_CHECK_EXTENSION, unknown)).toBe(0);
      }
    });
  });
});

describe('IOASID_ALLOC and IOASID_FREE', () => {
  it('give numbers that mean nothing on another descriptor', () => {
    withSetup(function* ({ program, ioasidFd }) {
      const id = yield* program.ioctl(ioasidFd, IOASID_ALLOC);
      const other = yield* program.open('/dev/ioasid');
      expect(yield* program.ioctl(other, IOASID_FREE, { ioasid: id })).toBe(-EINVAL);
      expect(yield* program.ioctl(ioasidFd, IOASID_FREE, { ioasid: id })).toBe(0);
      expect(yield* program.ioctl(ioasidFd, IOASID_FREE, { ioasid: id })).toBe(-EINVAL);
      expect(yield* program.ioctl(ioasidFd, IOASID_FREE, { ioasid: 0 })).toBe(-EINVAL);
    });
  });

  it('refuse with EBUSY to free a space that a device is attached to', () => {
    withSetup(function* ({ program, ioasidFd, deviceFd, ioasid }) {
      expect(yield* program.ioctl(ioasidFd, IOASID_FREE, { ioasid })).toBe(-EBUSY);
      yield* program.ioctl(deviceFd, VFIO_DETACH_IOASID, { ioasid });
      expect(yield* program.ioctl(ioasidFd, IOASID_FREE, { ioasid })).toBe(0);
    });
  });
});

describe('IOASID_MAP_DMA', () => {
  it('is EINVAL before a device is attached, and for an unknown ioasid', () => {
    withSetup(function* (s) {
      const fresh = yield* s.program.ioctl(s.ioasidFd, IOASID_ALLOC);
      expect(yield* map({ ...s, ioasid: fresh }, 0n, s.memory, K4)).toBe(-EINVAL);
      expect(yield* unmap({ ...s, ioasid: fresh }, 0n, K4)).toMatchObject({ result: -EINVAL });
      expect(yield* map({ ...s, ioasid: 999 }, 0n, s.memory, K4)).toBe(-EINVAL);
      expect(yield* unmap({ ...s, ioasid: 999 }, 0n, K4)).toMatchObject({ result: -EINVAL });
    });
  });

  it.each(BAD_RANGES)('is EINVAL for %s', (_, iova, offset, size, flags) => {
    withSetup(function* (s) {
      expect(yield* named(map(s, iova, s.memory + offset, size, flags))).toBe('-EINVAL');
      expect(s.program.system).toHaveProperty('space.locked', 0);
    });
  });

  it('takes the last page before 48 bits and those around the interrupt range', () => {
    withSetup(function* (s) {
      for (const iova of [2n ** 48n - K4, 0xfedf_f000n, 0xfef0_0000n]) {
        expect(yield* named(map(s, iova, s.memory, K4))).toBe('0');
      }
    });
  });

  it('is EEXIST where any page is mapped already', () => {
    withSetup(function* (s) {
      expect(yield* map(s, 4n * K4, s.memory, 4n * K4)).toBe(0);
      for (const [iova, pages] of [
        [4n, 4n],
        [0n, 5n],
        [7n, 1n],
        [7n, 4n],
        [0n, 16n],
      ] as const) {
        expect(yield* named(map(s, iova * K4, s.memory, pages * K4))).toBe('-EEXIST');
      }
      expect(yield* map(s, 8n * K4, s.memory + 3n * K4, K4)).toBe(0);
      expect(yield* map(s, 3n * K4, s.memory, K4)).toBe(0);
    });
  });

  it('is EFAULT for memory that the process does not have, or may not write', () => {
    withSetup(function* (s) {
      expect(yield* map(s, 0n, s.memory + 15n * K4, 2n * K4)).toBe(-EFAULT);
      expect(yield* map(s, 0n, 0n, K4)).toBe(-EFAULT);
      const constant = yield* s.program.mmap(PAGE, { writable: false });
      expect(yield* map(s, 0n, constant, K4, 3)).toBe(-EFAULT);
      expect(yield* map(s, 0n, constant, K4, 1)).toBe(0);
    });
  });

  it('is ENOMEM above the limit of locked memory, and charges no page for a failure', () => {
    withSetup(
      function* (s) {
        expect(yield* map(s, 0n, s.memory, 5n * K4)).toBe(-ENOMEM);
        expect(yield* map(s, 0n, s.memory, 3n * K4)).toBe(0);
        expect(yield* map(s, 8n * K4, s.memory + 3n * K4, 2n * K4)).toBe(-ENOMEM);
        expect(yield* map(s, 8n * K4, s.memory + 3n * K4, K4)).toBe(0);
        expect(yield* unmap(s, 0n, 3n * K4)).toMatchObject({ result: 0 });
        expect(yield* map(s, 0n, s.memory, 3n * K4)).toBe(0);
      },
      { kernel: { lockLimit: 4 } },
    );
  });

  it('is ENOSPC above the limit of mappings', () => {
    withSetup(
      function* (s) {
        expect(yield* map(s, 0n, s.memory, K4)).toBe(0);
        expect(yield* map(s, K4, s.memory, K4)).toBe(0);
        expect(yield* map(s, 2n * K4, s.memory, K4)).toBe(-ENOSPC);
      },
      { kernel: { mappingLimit: 2 } },
    );
  });
});

describe('IOASID_UNMAP_DMA', () => {
  it('removes several whole mappings at once and writes how much that was', () => {
    withSetup(function* (s) {
      yield* map(s, 0n, s.memory, 2n * K4);
      yield* map(s, 8n * K4, s.memory, K4);
      yield* map(s, 32n * K4, s.memory, K4);
      expect(yield* unmap(s, 0n, 16n * K4)).toEqual({ result: 0, size: 3n * K4 });
      expect(yield* unmap(s, 0n, 16n * K4)).toEqual({ result: 0, size: 0n });
      expect(yield* unmap(s, 0n, 2n ** 64n - K4)).toEqual({ result: 0, size: K4 });
    });
  });

  it('is EINVAL when the range cuts a mapping at its start or its end, and removes nothing then', () => {
    withSetup(function* (s) {
      yield* map(s, 4n * K4, s.memory, 4n * K4);
      for (const [iova, pages] of [
        [5n, 3n],
        [4n, 3n],
        [0n, 6n],
        [6n, 10n],
        [5n, 1n],
      ] as const) {
        expect(yield* unmap(s, iova * K4, pages * K4)).toMatchObject({ result: -EINVAL, size: pages * K4 });
      }
      expect(yield* unmap(s, 4n * K4, 4n * K4)).toEqual({ result: 0, size: 4n * K4 });
    });
  });

  it('is EINVAL for size 0, a range that is not whole pages, and one that wraps', () => {
    withSetup(function* (s) {
      for (const [iova, size] of [
        [0n, 0n],
        [1n, K4],
        [0n, 100n],
        [2n ** 64n - K4, 2n * K4],
      ] as const) {
        expect(yield* unmap(s, iova, size)).toMatchObject({ result: -EINVAL });
      }
    });
  });
});
