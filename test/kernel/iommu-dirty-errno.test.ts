/** What version 2's commands for dirty tracking refuse: whatever it is, what was written is told after that. */
import { describe, expect, it } from 'vitest';
import {
  EFAULT,
  EINVAL,
  EOVERFLOW,
  IOMMU_GET_DIRTY_BITMAP,
  IOMMU_SET_DIRTY_TRACKING,
  VFIO_BIND_IOMMU_FD,
} from '../../src/uapi/index.ts';
import { Bench, named } from './bench.ts';
import { DIRTY, IOVA, NO_CLEAR, PAGES, TRACKING, Tracker, withTracker, writes } from './dirty-bench.ts';
import { DEV, PAGE } from './machine-bench.ts';
import { COOKIES } from './v2-bench.ts';
import { expectUnchanged, MACHINES } from './v2-machines.ts';

const K4 = BigInt(PAGE);
const ENABLE = 1;

describe.each(TRACKING)('On %s, a space', (_, up) => {
  describe('refuses', () => {
    const whole = { iova: IOVA, length: BigInt(PAGES) * K4 };

    it.each<[string, object, string]>([
      ['an unknown space', { ioasid: 99 }, '-EINVAL'],
      ['no length', { length: 0n }, '-EINVAL'],
      ['an iova inside a page', { iova: IOVA + 8n }, '-EINVAL'],
      ['a length that is not whole pages', { length: K4 + 1n }, '-EINVAL'],
      ['a range that wraps', { iova: 2n ** 64n - K4, length: 2n * K4 }, '-EOVERFLOW'],
      ['a range that wraps, and more', { iova: K4, length: 2n ** 64n - K4 + 1n }, '-EOVERFLOW'],
      ['all addresses', { iova: 0n, length: 2n ** 64n - K4 }, '-EINVAL'],
      ['bits for no bytes', { page_size: 0n }, '-EINVAL'],
      ['bits for less than a page', { page_size: 2048n }, '-EINVAL'],
      ['bits for three pages', { page_size: 3n * K4 }, '-EINVAL'],
      ['an iova inside of what a bit stands for', { iova: IOVA + K4, length: 2n * K4, page_size: 2n * K4 }, '-EINVAL'],
      ['half of what a bit stands for', { length: 3n * K4, page_size: 2n * K4 }, '-EINVAL'],
      ['a range that nothing is mapped in', { iova: 0x7000_0000n }, '-EINVAL'],
      ['a range that begins before what is mapped', { iova: IOVA - K4, length: 2n * K4 }, '-EINVAL'],
      ['a range that ends behind what is mapped', { iova: IOVA + 15n * K4, length: 2n * K4 }, '-EINVAL'],
      ['a range with a hole', { ...whole, length: 32n * K4 }, '-EINVAL'],
      ['no bitmap', { data: 0n }, '-EFAULT'],
      ['a bitmap that the program does not have', { data: 2n ** 63n }, '-EFAULT'],
      ['a bitmap over the end of addresses', { data: 2n ** 64n - 1n }, '-EFAULT'],
    ])('to tell of %s, and has it all to tell after that', (__, values, errno) => {
      withTracker(up(), function* (s, engine) {
        expect(yield* s.map(s.root, IOVA + 24n * K4, s.buffer, 8n * K4)).toBe(0);
        yield* s.set(s.root, true);
        yield* writes(engine, [0, 15]);
        for (const flags of [0, NO_CLEAR]) expect(yield* s.bits({ ...values, flags })).toBe(errno);
        expect(yield* s.bits()).toEqual([0, 15]);
      });
    });

    it('a bitmap that ends too early, or that may only be read', () => {
      withTracker(up(), function* (s, engine) {
        yield* s.set(s.root, true);
        yield* writes(engine, [0, 15]);
        const constant = yield* s.program.mmap(PAGE, { writable: false });
        const alone = yield* s.program.mmap(PAGE);
        const next = yield* s.program.mmap(PAGE);
        expect(yield* s.program.munmap(next, PAGE)).toBe(0);
        const end = (next > alone ? alone : next) + K4;
        const edge = next > alone ? end - 1n : alone - 1n;
        for (const data of [constant, edge]) expect(yield* s.get({ data })).toBe(-EFAULT);
        expect(yield* s.bits()).toEqual([0, 15]);
      });
    });

    it('to track what belongs to another descriptor, or to nobody', () => {
      withTracker(up(), function* (s) {
        expect(yield* s.set(s.root, true)).toBe(0);
        const { iommuFd } = s;
        s.iommuFd = yield* s.program.open('/dev/iommu');
        expect([yield* s.set(s.root, true), yield* s.get()]).toEqual([-EINVAL, -EINVAL]);
        const fresh = yield* s.alloc({ flags: DIRTY });
        expect(yield* named(s.get({ ioasid: fresh })), 'nothing is tracked').toBe('-EINVAL');
        s.iommuFd = iommuFd;
        for (const unknown of [0, 99, 2 ** 32 - 1]) expect(yield* s.set(unknown, true)).toBe(-EINVAL);
        expect(yield* s.get({ iova: 2n ** 64n - K4, length: 2n * K4 })).toBe(-EOVERFLOW);
        expect(yield* s.bits()).toEqual([]);
      });
    });
  });

  it('that hardware no longer answers for is EIO: all that was asked for counts as written, and nothing more is tracked', () => {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* new Tracker(bench).begin(1);
        const [engine, other] = [yield* s.engine(0), yield* s.alloc({ flags: DIRTY })];
        expect([yield* s.attach(0, s.root), yield* s.attach(1, other)]).toEqual([0, 0]);
        expect(yield* s.set(s.root, true)).toBe(0);
        yield* writes(engine, [3, 12]);
        bench.tap = () => false;
        expect(yield* s.bits({ iova: IOVA, length: 8n * K4 })).toBe('-EIO');
        expect(yield* named(s.set(other, true))).toBe('-EIO');
        expect(yield* s.map(other, IOVA, s.buffer, K4)).toBe(0);
        expect(yield* named(s.get({ ioasid: other, length: K4 }))).toBe('-EINVAL');
        expect(yield* s.bits({ iova: IOVA, length: 8n * K4 })).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.log.toString()).toContain('which are never used again');
  });
});

describe.each(MACHINES)('On %s, which tracks no writes', (_, up) => {
  it('a space that is to be tracked is attached to by no device, and one that is not is EOPNOTSUPP', () => {
    expectUnchanged(up(), function* (s) {
      const call = (ioasid: number) => s.program.ioctl(s.iommuFd, IOMMU_SET_DIRTY_TRACKING, { ioasid, flags: ENABLE });
      const get = (ioasid: number) => {
        const range = { iova: 0x1_0000n, length: K4, page_size: K4, data: s.buffer };
        return s.program.ioctl(s.iommuFd, IOMMU_GET_DIRTY_BITMAP, { ioasid, ...range });
      };
      expect(yield* named(call(s.root))).toBe('-EOPNOTSUPP');
      expect(yield* named(get(s.root))).toBe('-EOPNOTSUPP');
      const tracked = yield* s.alloc({ flags: DIRTY });
      expect(yield* call(tracked), 'nobody knows yet for which devices').toBe(0);
      const fd = yield* s.program.open(DEV[1]);
      const bound = s.program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: s.iommuFd, cookie: COOKIES[1] });
      expect(yield* bound).toBe(0);
      s.deviceFds[1] = fd;
      expect(yield* named(s.attach(1, tracked))).toBe('-EINVAL');
      expect(yield* s.free(tracked)).toBe(0);
      yield* s.program.close(fd);
    });
  });
});

describe('A unit in legacy mode', () => {
  it('has nowhere to say that writes are tracked, whatever it could do', () => {
    expectUnchanged(Bench.up({ ecap: { SSADS: 1 } }), function* (s) {
      const tracked = yield* s.alloc({ flags: DIRTY });
      expect(yield* s.detach(0, s.root)).toBe(0);
      expect(yield* named(s.attach(0, tracked))).toBe('-EINVAL');
      expect(yield* s.attach(0, s.root)).toBe(0);
      expect(yield* s.free(tracked)).toBe(0);
    });
  });
});
