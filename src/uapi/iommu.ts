/**
 * `/dev/iommu`: version 2 of the proposal, "[RFC v2] /dev/iommu uAPI proposal" (2021-07-09), section 2.1. What version 1 does
 * with commands after the first attach is here an attribute of IOMMU_IOASID_ALLOC.
 *
 * The ioctl's type and base are those of the code posted in 2021, and so are the names of the device's attributes; members
 * are the proposal's. Map, unmap and dirty tracking have version 1's structures, and extensions its numbers.
 */
import {
  IOASID_DIRTY_BITMAP,
  IOASID_DIRTY_TRACKING,
  IOASID_DMA_MAP,
  IOASID_DMA_UNMAP,
  IOASID_OWN_BASE,
  IOASID_REFERENCE,
} from './ioasid.ts';
import { command } from './ioctl.ts';
import { padding, Struct, u32, u64 } from './struct.ts';

export const IOMMU_TYPE = ';';
export const IOMMU_BASE = 100;

const REFERENCE = 'RFC v2 2.1';
const argsz = u32('size of this structure as the caller knows it');

/** What IOMMU_DEVICE_GET_INFO says of a device's IOMMU. */
export const IommuDeviceInfoFlag = {
  ENFORCE_SNOOP: 1,
  PGSIZES: 2,
  ADDR_WIDTH: 4,
  DIRTY_TRACKING: 8,
} as const;

/** Kinds of nesting: a merged table that the kernel keeps, or two tables that hardware walks. */
export const IommuNesting = { SOFTWARE: 1, HARDWARE: 2 } as const;

/** Formats of user-managed tables; each is also a bit of a device's `formats`. */
export const IommuFormat = {
  X86_4LEVEL: 1,
  X86_5LEVEL: 2,
  /** Of a PASID table that leads to tables of four levels, and of five. */
  AMD_GCR3: 4,
  AMD_GCR3_5LEVEL: 8,
} as const;

export const IommuIoasidFlag = {
  USER_PGTABLE: 1,
  USER_PASID_TABLE: 2,
  /** With neither of the two the kernel enforces snooping where it can. */
  ENFORCE_SNOOP: 4,
  NO_ENFORCE_SNOOP: 8,
  /** It can be tracked which pages devices write to. */
  DIRTY_TRACKING: 16,
  /** A root that no device is ever attached to: a place where pages are pinned once for the spaces nested on it. */
  DUMMY: 32,
  /** Of a PASID table: requests without PASID use the entry of PASID 0; otherwise the parent space alone translates them. */
  GIOV: 64,
} as const;

/** What the table is made by: type1's map and unmap. */
export const IommuIoasidType = { KERNEL_TYPE1V2: 1 } as const;

/** In place of a parent: there is none. */
export const INVALID_IOASID = 0;

export const IommuGranularity = { DOMAIN: 0, PASID: 1, ADDR: 2 } as const;

export const IommuCache = { IOTLB: 1, DEV_IOTLB: 2, PASID: 4 } as const;

export const IommuInvalidateFlag = { DEVICE: 1, VPASID: 2 } as const;

export const IOMMU_DEVICE_INFO = new Struct('iommu_device_info', REFERENCE, {
  argsz,
  flags: u32('out: what is known and can be done', IommuDeviceInfoFlag),
  dev_cookie: u64('in: the device, by the cookie of its bind'),
  pgsize_bitmap: u64('out: sizes of pages that kernel-managed tables can have'),
  addr_width: u32('out: bits of an I/O virtual address'),
  nesting: u32('out: what spaces can be nested on one that this device is attached to', IommuNesting),
  formats: u32('out: formats of user-managed tables', IommuFormat),
  pasid_bits: u32("out: bits of a PASID that the device's requests may carry"),
  num_ranges: u32('in: places at `ranges`; out: how many permitted ranges there are'),
  padding,
  ranges: u64('where the permitted ranges go, each as first and last address'),
});

export const IOMMU_IOASID_ATTRIBUTES = new Struct('iommu_ioasid_alloc', REFERENCE, {
  argsz,
  flags: u32('attributes', IommuIoasidFlag),
  type: u32('of a kernel-managed table', IommuIoasidType),
  parent_ioasid: u32('the space that the new one is nested on; 0 for a root'),
  addr: u64('of a user-managed table: where it is in the parent space'),
  format: u32('of a user-managed table', IommuFormat),
  addr_width: u32('bits of an I/O virtual address; for a PASID table of a PASID'),
});

export const IOMMU_CACHE = new Struct('iommu_invalidate_cache', REFERENCE, {
  argsz,
  flags: u32('which members narrow the scope', IommuInvalidateFlag),
  child_ioasid: u32('a space with a user-managed table'),
  granularity: u32('what is invalidated', IommuGranularity),
  cache: u32('in which caches', IommuCache),
  vpasid: u32('with VPASID'),
  dev_cookie: u64('with DEVICE'),
  addr: u64('with ADDR: start of the range'),
  granule_size: u64('with ADDR: bytes of one granule'),
  nb_granules: u64('with ADDR: how many'),
});

const at = IOMMU_BASE;
export const IOMMU_CHECK_EXTENSION = command('IOMMU_CHECK_EXTENSION', IOMMU_TYPE, at + 0, 'value');
export const IOMMU_DEVICE_GET_INFO = command('IOMMU_DEVICE_GET_INFO', IOMMU_TYPE, at + 1, IOMMU_DEVICE_INFO);
export const IOMMU_IOASID_ALLOC = command('IOMMU_IOASID_ALLOC', IOMMU_TYPE, at + 2, IOMMU_IOASID_ATTRIBUTES);
export const IOMMU_IOASID_FREE = command('IOMMU_IOASID_FREE', IOMMU_TYPE, at + 3, IOASID_REFERENCE);
export const IOMMU_MAP_DMA = command('IOMMU_MAP_DMA', IOMMU_TYPE, at + 4, IOASID_DMA_MAP);
export const IOMMU_UNMAP_DMA = command('IOMMU_UNMAP_DMA', IOMMU_TYPE, at + 5, IOASID_DMA_UNMAP);
export const IOMMU_INVALIDATE_CACHE = command('IOMMU_INVALIDATE_CACHE', IOMMU_TYPE, at + 6, IOMMU_CACHE);
export const IOMMU_SET_DIRTY_TRACKING = command(
  'IOMMU_SET_DIRTY_TRACKING',
  IOMMU_TYPE,
  IOASID_OWN_BASE + 0,
  IOASID_DIRTY_TRACKING,
);
export const IOMMU_GET_DIRTY_BITMAP = command(
  'IOMMU_GET_DIRTY_BITMAP',
  IOMMU_TYPE,
  IOASID_OWN_BASE + 1,
  IOASID_DIRTY_BITMAP,
);

/** In ascending order of their numbers. */
export const IOMMU_COMMANDS = [
  IOMMU_CHECK_EXTENSION,
  IOMMU_DEVICE_GET_INFO,
  IOMMU_IOASID_ALLOC,
  IOMMU_IOASID_FREE,
  IOMMU_MAP_DMA,
  IOMMU_UNMAP_DMA,
  IOMMU_INVALIDATE_CACHE,
  IOMMU_SET_DIRTY_TRACKING,
  IOMMU_GET_DIRTY_BITMAP,
] as const;
