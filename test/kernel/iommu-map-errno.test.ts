/** Maps of /dev/iommu and what hardware has to forget, with every error: 2.5.1, 2.5.2 and 2.6 of the proposal's sheet. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { EINVAL, IOMMU_INVALIDATE_CACHE, IOMMU_MAP_DMA, IOMMU_UNMAP_DMA } from '../../src/uapi/index.ts';
import { BAD_RANGES } from './bad-calls.ts';
import { named } from './bench.ts';
import { type MachineOptions, PAGE, RW } from './machine-bench.ts';
import { COOKIES, type Standing } from './v2-bench.ts';
import { expectUnchanged, MACHINES } from './v2-machines.ts';

const K4 = BigInt(PAGE);

describe.each(MACHINES)('On %s', (_, up) => {
  const unchanged = (body: (s: Standing) => Script, options?: MachineOptions) => expectUnchanged(up(options), body);

  describe('IOMMU_MAP_DMA and IOMMU_UNMAP_DMA', () => {
    it.each(BAD_RANGES)('are EINVAL for %s', (__, iova, offset, size, flags) => {
      unchanged(function* (s) {
        expect(yield* named(s.map(s.root, iova, s.buffer + offset, size, flags))).toBe('-EINVAL');
      });
    });

    it('are EINVAL for an unknown ioasid, one of another descriptor, and one whose table a user manages', () => {
      unchanged(function* (s) {
        const other = yield* s.program.open('/dev/iommu');
        const user = yield* s.alloc({ flags: 1, type: 0, format: 1, addr_width: 48, parent_ioasid: s.root });
        for (const [fd, ioasid] of [
          [s.iommuFd, 99],
          [s.iommuFd, 0],
          [other, s.root],
          [s.iommuFd, user],
        ] as const) {
          const range = { ioasid, iova: 0x1_0000n, size: 4n * K4 };
          const mapping = { ...range, flags: RW, vaddr: s.buffer };
          expect(yield* s.program.ioctl(fd, IOMMU_MAP_DMA, mapping)).toBe(-EINVAL);
          expect(yield* s.program.ioctl(fd, IOMMU_UNMAP_DMA, range)).toBe(-EINVAL);
        }
        expect(yield* s.free(user)).toBe(0);
        yield* s.program.close(other);
      });
    });

    it('are EEXIST over what is mapped, EFAULT for memory that the process does not have or may not write', () => {
      unchanged(function* (s) {
        expect(yield* named(s.map(s.root, 0x1_3000n, s.buffer, 2n * K4))).toBe('-EEXIST');
        expect(yield* named(s.map(s.root, 0xf000n, s.buffer, 2n * K4))).toBe('-EEXIST');
        expect(yield* named(s.map(s.root, 0n, s.buffer + 3n * K4, 2n * K4))).toBe('-EFAULT');
        expect(yield* named(s.map(s.root, 0n, 0n, K4))).toBe('-EFAULT');
        const constant = yield* s.program.mmap(PAGE, { writable: false });
        expect(yield* named(s.map(s.root, 0n, constant, K4))).toBe('-EFAULT');
      });
    });

    it('are ENOMEM above the limit of locked memory and ENOSPC above that of mappings', () => {
      const limits = { kernel: { lockLimit: 5, mappingLimit: 2 } };
      unchanged(function* (s) {
        const more = yield* s.memory(Uint8Array.of(1), 2 * PAGE);
        expect(yield* named(s.map(s.root, 0n, more, 2n * K4))).toBe('-ENOMEM');
        expect(yield* named(s.map(s.root, 0x1000n, more, K4))).toBe('0');
        expect(yield* named(s.map(s.root, 0x2000n, s.buffer, K4))).toBe('-ENOSPC');
        expect(yield* s.unmap(s.root, 0x1000n, K4)).toBe(0);
      }, limits);
    });

    it('are EINVAL for a range that cuts a mapping, that is no range of pages, or that wraps', () => {
      unchanged(function* (s) {
        for (const [iova, size] of [
          [0x1_1000n, 3n * K4],
          [0x1_0000n, 3n * K4],
          [0xf000n, 4n * K4],
          [0x1_3000n, 4n * K4],
          [0x1_0000n, 0n],
          [0x1_0001n, K4],
          [0x1_0000n, 100n],
          [2n ** 64n - K4, 2n * K4],
        ] as const) {
          expect(yield* named(s.unmap(s.root, iova, size))).toBe('-EINVAL');
        }
        expect(yield* s.unmap(s.root, 0n, 0x1_0000n), 'nothing is there').toBe(0);
      });
    });

    it('go before the first attach too, with the same errors and pages charged at once', () => {
      unchanged(function* (s) {
        const fresh = yield* s.alloc();
        expect(yield* s.map(fresh, 0n, s.buffer, 2n * K4)).toBe(0);
        expect(s.locked).toBe(6);
        expect(yield* named(s.map(fresh, K4, s.buffer, K4))).toBe('-EEXIST');
        expect(yield* named(s.map(fresh, 4n * K4, 0n, K4))).toBe('-EFAULT');
        expect(yield* named(s.map(fresh, 2n ** 48n, s.buffer, K4))).toBe('-EINVAL');
        expect(yield* named(s.unmap(fresh, 0n, K4))).toBe('-EINVAL');
        expect(s.locked).toBe(6);
        expect(yield* s.unmap(fresh, 0n, 2n * K4)).toBe(0);
        expect(s.locked).toBe(4);
        expect(yield* s.map(fresh, 0n, s.buffer, K4)).toBe(0);
        expect(yield* s.free(fresh), 'freeing gives the pages back').toBe(0);
      });
    });

    it('are ENOENT in a nested space for what its parent does not map, and charge nothing there', () => {
      unchanged(function* (s) {
        const child = yield* s.alloc({ parent_ioasid: s.root });
        expect(yield* named(s.map(child, 0n, 0x1_3000n, 2n * K4))).toBe('-ENOENT');
        expect(yield* named(s.map(child, 0n, s.buffer, K4))).toBe('-ENOENT');
        expect(yield* s.map(child, 0n, 0x1_0000n, 4n * K4)).toBe(0);
        expect(yield* named(s.map(child, 0n, 0x1_0000n, K4))).toBe('-EEXIST');
        expect(yield* named(s.unmap(child, 0n, K4))).toBe('-EINVAL');
        expect(s.locked).toBe(4);
        expect(yield* s.free(child)).toBe(0);
      });
    });
  });

  describe('IOMMU_INVALIDATE_CACHE', () => {
    const [DOMAIN, PASID, ADDR] = [0, 1, 2];
    const page = { addr: 0x1000n, granule_size: K4, nb_granules: 1n };

    function withUser(body: (invalidate: (values: object) => Script<number>, s: Standing) => Script): void {
      unchanged(function* (s) {
        const user = yield* s.alloc({ flags: 1, type: 0, format: 1, addr_width: 48, parent_ioasid: s.root });
        const defaults = { child_ioasid: user, cache: 1, granularity: ADDR, ...page };
        yield* body((values) => s.program.ioctl(s.iommuFd, IOMMU_INVALIDATE_CACHE, { ...defaults, ...values }), s);
        expect(yield* s.free(user)).toBe(0);
      });
    }

    // Bits of the caches: 1 for the IOTLB, 2 for device TLBs, 4 for PASIDs.
    it.each([
      [1, [DOMAIN, PASID, ADDR]],
      [2, [PASID, ADDR]],
      [4, [DOMAIN, PASID]],
      [3, [PASID, ADDR]],
      [5, [DOMAIN, PASID]],
      [6, [PASID]],
      [7, [PASID]],
      [0, []],
      [8, []],
      [9, []],
    ])('knows for caches %i only the granularities %j', (cache, known) => {
      withUser(function* (invalidate) {
        for (const granularity of [DOMAIN, PASID, ADDR, 3, 0xffff_ffff]) {
          const wanted = known.includes(granularity) ? '0' : '-EINVAL';
          expect(yield* named(invalidate({ cache, granularity })), `granularity ${granularity}`).toBe(wanted);
        }
      });
    });

    it.each([
      ['a granule of less than a page', { granule_size: 2048n }],
      ['a granule that is no power of two', { granule_size: 3n * K4, addr: 0n }],
      ['no granule size', { granule_size: 0n }],
      ['no granules', { nb_granules: 0n }],
      ['an address inside a page', { addr: 0x1001n }],
      ['an address inside a granule', { granule_size: 2n * K4 }],
      ['a range that wraps', { addr: 2n ** 64n - K4, nb_granules: 2n }],
      ['far too many granules', { nb_granules: 2n ** 64n - 1n }],
      ['a device that is not bound', { flags: 1, dev_cookie: COOKIES[1] }],
      ['an unknown flag', { flags: 4 }],
      ['an unknown ioasid', { child_ioasid: 99 }],
      ['a space whose table the kernel manages', { child_ioasid: 1 }],
    ])('is EINVAL for %s', (__, values) => {
      withUser(function* (invalidate) {
        expect(yield* named(invalidate(values))).toBe('-EINVAL');
        expect(yield* named(invalidate({}))).toBe('0');
      });
    });

    it('is EINVAL for a space of another descriptor', () => {
      withUser(function* (invalidate, s) {
        const { iommuFd } = s;
        s.iommuFd = yield* s.program.open('/dev/iommu');
        expect(yield* named(invalidate({}))).toBe('-EINVAL');
        yield* s.program.close(s.iommuFd);
        s.iommuFd = iommuFd;
      });
    });
  });
});
