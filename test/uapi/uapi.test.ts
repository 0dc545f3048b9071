import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  ERRNO,
  errnoName,
  formatResult,
  IOASID_ALLOC,
  IOASID_COMMANDS,
  IOASID_DIRTY_BITMAP,
  IOASID_DIRTY_TRACKING,
  IOASID_DMA_MAP,
  IOASID_DMA_UNMAP,
  IOASID_PASID_TABLE,
  IOASID_REFERENCE,
  IOMMU_COMMANDS,
  ioctlNumber,
  type ObjectOf,
  padding,
  Struct,
  u32,
  u64,
  VFIO_ATTACH,
  VFIO_BIND,
  VFIO_COMMANDS,
  VFIO_DEVICE_INFO,
  VFIO_DEVICE_INFO_CAP_PASID,
  VFIO_REGION_INFO,
} from '../../src/uapi/index.ts';

const bytes = (hexadecimal: string) => Uint8Array.from(Buffer.from(hexadecimal.replaceAll(' ', ''), 'hex'));

describe('errno', () => {
  it('has the numbers of Linux on x86', () => {
    const { EPERM, ENOENT, EIO, E2BIG, EBADF, ENOMEM, EFAULT, EBUSY, EEXIST, ENODEV, EINVAL, EMFILE, ENOTTY } = ERRNO;
    expect([EPERM, ENOENT, EIO, E2BIG, EBADF, ENOMEM, EFAULT, EBUSY]).toEqual([1, 2, 5, 7, 9, 12, 14, 16]);
    expect([EEXIST, ENODEV, EINVAL, EMFILE, ENOTTY]).toEqual([17, 19, 22, 24, 25]);
    const { ENOSPC, EDEADLK, EOVERFLOW, EBADFD, EMSGSIZE, EOPNOTSUPP, EADDRINUSE, ETIMEDOUT } = ERRNO;
    expect([ENOSPC, EDEADLK, EOVERFLOW, EBADFD, EMSGSIZE]).toEqual([28, 35, 75, 77, 90]);
    expect([EOPNOTSUPP, EADDRINUSE, ETIMEDOUT]).toEqual([95, 98, 110]);
  });

  it('has a number for each name and a name for each number', () => {
    expect(new Set(Object.values(ERRNO)).size).toBe(Object.keys(ERRNO).length);
    for (const [name, number] of Object.entries(ERRNO)) expect(errnoName(-number)).toBe(name);
  });

  it('names failures and leaves successes as they are', () => {
    expect(errnoName(-22n)).toBe('EINVAL');
    expect(errnoName(22)).toBeUndefined();
    expect(formatResult(-14)).toBe('-EFAULT');
    expect(formatResult(3)).toBe('3');
    expect(formatResult(-9999)).toBe('-9999');
  });
});

describe('ioctl numbers', () => {
  it('carry the type and the number, neither a size nor a direction', () => {
    expect(ioctlNumber(';', 103)).toBe(0x3b67);
    expect(IOASID_ALLOC.number).toBe((0x3b << 8) | 103);
  });

  it("are those of the proposal's offsets: +0 to +13 for /dev/ioasid, in its order; ours begin at C0h", () => {
    expect(IOASID_COMMANDS.map(({ name, number }) => [name, number])).toEqual([
      ['IOASID_CHECK_EXTENSION', 0x3b64],
      ['IOASID_REGISTER_MEMORY', 0x3b65],
      ['IOASID_UNREGISTER_MEMORY', 0x3b66],
      ['IOASID_ALLOC', 0x3b67],
      ['IOASID_FREE', 0x3b68],
      ['IOASID_GET_INFO', 0x3b69],
      ['IOASID_MAP_DMA', 0x3b6a],
      ['IOASID_UNMAP_DMA', 0x3b6b],
      ['IOASID_CREATE_NESTING', 0x3b6c],
      ['IOASID_BIND_PGTABLE', 0x3b6d],
      ['IOASID_UNBIND_PGTABLE', 0x3b6e],
      ['IOASID_BIND_PASID_TABLE', 0x3b6f],
      ['IOASID_UNBIND_PASID_TABLE', 0x3b70],
      ['IOASID_INVALIDATE_CACHE', 0x3b71],
      ['IOASID_SET_DIRTY_TRACKING', 0x3bc0],
      ['IOASID_GET_DIRTY_BITMAP', 0x3bc1],
    ]);
  });

  it('are +0 to +6 for /dev/iommu, and ours are the same as in version 1', () => {
    expect(IOMMU_COMMANDS.map(({ name, number }) => [name, number])).toEqual([
      ['IOMMU_CHECK_EXTENSION', 0x3b64],
      ['IOMMU_DEVICE_GET_INFO', 0x3b65],
      ['IOMMU_IOASID_ALLOC', 0x3b66],
      ['IOMMU_IOASID_FREE', 0x3b67],
      ['IOMMU_MAP_DMA', 0x3b68],
      ['IOMMU_UNMAP_DMA', 0x3b69],
      ['IOMMU_INVALIDATE_CACHE', 0x3b6a],
      ['IOMMU_SET_DIRTY_TRACKING', 0x3bc0],
      ['IOMMU_GET_DIRTY_BITMAP', 0x3bc1],
    ]);
  });

  it('of a device file begin at 22 for binding, as in the proposal', () => {
    expect(VFIO_COMMANDS.map(({ name, number }) => [name, number])).toEqual([
      ['VFIO_DEVICE_GET_INFO', 0x3b6b],
      ['VFIO_DEVICE_GET_REGION_INFO', 0x3b6c],
      ['VFIO_BIND_IOASID_FD', 0x3b7a],
      ['VFIO_UNBIND_IOASID_FD', 0x3b7b],
      ['VFIO_ATTACH_IOASID', 0x3b7c],
      ['VFIO_DETACH_IOASID', 0x3b7d],
    ]);
  });
});

describe('structures', () => {
  it('encodes a map as type1 does, with the ioasid behind the flags', () => {
    const map = { ioasid: 7, flags: 3, vaddr: 0x4000_0000n, iova: 0xffff_ffff_f000n, size: 0x1000n };
    expect(IOASID_DMA_MAP.encode(map)).toEqual(
      bytes('28000000 03000000 07000000 00000000 0000004000000000 00f0ffffffff0000 0010000000000000'),
    );
    expect(IOASID_DMA_MAP.decode(IOASID_DMA_MAP.encode(map))).toEqual({ argsz: 40, ...map });
  });

  it('encodes an unmap', () => {
    expect(IOASID_DMA_UNMAP.encode({ ioasid: 1, iova: 0x2000n, size: 2n ** 64n - 1n })).toEqual(
      bytes('20000000 00000000 01000000 00000000 0020000000000000 ffffffffffffffff'),
    );
  });

  it('encodes what is asked of written pages, with the members of Linux', () => {
    const asked = { flags: 1, ioasid: 2, iova: 0x1000n, length: 0x8000n, page_size: 0x1000n, data: 0x7f00_0000_0123n };
    expect(IOASID_DIRTY_BITMAP.encode(asked)).toEqual(
      bytes('30000000 01000000 02000000 00000000 0010000000000000 0080000000000000 0010000000000000 23010000007f0000'),
    );
    expect(IOASID_DIRTY_TRACKING.encode({ flags: 1, ioasid: 2 })).toEqual(bytes('10000000 01000000 02000000 00000000'));
  });

  it('encodes a PASID table, with its format behind its place', () => {
    const table = { flags: 1, child_ioasid: 3, vendor: 2, addr: 0x1_0000n, size: 9, address_width: 57 };
    expect(IOASID_PASID_TABLE.encode(table)).toEqual(
      bytes('20000000 01000000 03000000 02000000 0000010000000000 09000000 39000000'),
    );
  });

  it('encodes a bind with a negative descriptor as a signed number', () => {
    expect(VFIO_BIND.encode({ ioasid_fd: -1 })).toEqual(bytes('10000000 00000000 ffffffff 00000000'));
    expect(VFIO_BIND.decode(bytes('10000000 00000000 ffffffff 00000000')).ioasid_fd).toBe(-1);
  });

  it('encodes an attach with a PASID', () => {
    expect(VFIO_ATTACH.encode({ flags: 1, ioasid: 2, user_pasid: 0xfffff })).toEqual(
      bytes('10000000 01000000 02000000 ffff0f00'),
    );
  });

  it("has Linux's vfio_region_info", () => {
    expect(VFIO_REGION_INFO.bytes).toBe(32);
    expect(
      VFIO_REGION_INFO.decode(bytes('20000000 03000000 02000000 00000000 0040000000000000 0000000000020000')),
    ).toEqual({ argsz: 32, flags: 3, index: 2, cap_offset: 0, size: 0x4000n, offset: 0x200_0000_0000n });
  });

  it("has Linux's vfio_device_info, and behind it the proposal's capability 5", () => {
    expect(VFIO_DEVICE_INFO.decode(bytes('28000000 82000000 08000000 00000000 18000000 00000000'))).toEqual({
      argsz: 40,
      flags: 0x82,
      num_regions: 8,
      num_irqs: 0,
      cap_offset: 24,
    });
    expect(VFIO_DEVICE_INFO_CAP_PASID.encode({ id: 0x1_0005 })).toEqual(bytes('05000100 00000000 00000000 00000000'));
  });

  it('fills in argsz unless the caller gives one', () => {
    expect(IOASID_REFERENCE.encode({ ioasid: 1 })[0]).toBe(16);
    expect(IOASID_REFERENCE.encode({ argsz: 8, ioasid: 1 })[0]).toBe(8);
  });

  it('takes bytes that are missing at the end as zeros', () => {
    expect(IOASID_REFERENCE.decode(bytes('10000000 00000000 05'))).toEqual({ argsz: 16, flags: 0, ioasid: 5 });
  });

  it('refuses to be declared with implicit padding', () => {
    expect(() => new Struct('bad', '', { argsz: u32(''), address: u64('') })).toThrow(/not aligned/);
    expect(() => new Struct('bad', '', { argsz: u32('') })).toThrow(/implicit padding/);
  });

  it('begins with argsz and flags and is a multiple of eight bytes, every one of them', () => {
    for (const { argument } of [...IOASID_COMMANDS, ...VFIO_COMMANDS]) {
      if (typeof argument === 'string') continue;
      expect(argument.layout.$.fields.slice(0, 2).map(({ name }) => name)).toEqual(['argsz', 'flags']);
      expect(argument.bytes % 8).toBe(0);
      const covered = argument.layout.$.fields.reduce((sum, { width }) => sum + width, 0);
      expect(covered).toBe(argument.bytes * 8);
    }
  });

  it('describes a value for traces without what goes without saying', () => {
    expect(IOASID_DMA_MAP.describe(IOASID_DMA_MAP.encode({ ioasid: 1, flags: 3, iova: 0x1000n }))).toBe(
      '{flags 3, ioasid 1, vaddr 0x0, iova 0x1000, size 0x0}',
    );
  });

  it('has numbers for 32 bits, bigints for 64 bits and no padding in its object form', () => {
    const struct = new Struct('s', '', { argsz: u32(''), padding, address: u64('') });
    expectTypeOf(struct.decode(new Uint8Array(16))).toEqualTypeOf<{ argsz: number; address: bigint }>();
    expectTypeOf<ObjectOf<{ a: typeof padding }>>().toEqualTypeOf<Record<never, never>>();
    expect(struct.padding.map(({ name }) => name)).toEqual(['padding']);
  });
});
