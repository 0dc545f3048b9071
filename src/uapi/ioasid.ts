/**
 * `/dev/ioasid`: version 1 of the proposal, "[RFC] /dev/ioasid uAPI proposal" (2021-05-27), section 2.1.
 *
 * Names, offsets and members are the proposal's. It gives neither the ioctl's type and base, which are those of the code
 * posted in 2021, nor binary layouts, which follow the rules of struct.ts: `argsz` and `flags` come first.
 */
import { command } from './ioctl.ts';
import { padding, Struct, u32, u64 } from './struct.ts';

export const IOASID_TYPE = ';';
export const IOASID_BASE = 100;

const REFERENCE = 'RFC v1 2.1';
const OWN = 'ioasim, as Linux iommufd';
const argsz = u32('size of this structure as the caller knows it');
const noFlags = u32('none is defined');
const ioasid = u32('an I/O address space of this fd');

/** Extensions that IOASID_CHECK_EXTENSION can be asked about, numbered in the order in which the proposal lists them. */
export const IoasidExtension = {
  MAP_TYPE1V2: 1,
  MAP_NEWTYPE: 2,
  IOASID_NESTING: 3,
  USER_PAGE_TABLE: 4,
  USER_PASID_TABLE: 5,
  MULTIDEV_GROUP: 6,
  DMA_NO_SNOOP: 7,
  DIRTY_TRACKING: 8,
} as const;

export const IoasidMapFlag = { READ: 1, WRITE: 2 } as const;

/** What an IOASID_INVALIDATE_CACHE covers. */
export const IoasidGranularity = { ALL: 0, RANGE: 1 } as const;

/** One I/O address space and nothing more: IOASID_FREE and the UNBIND commands. */
export const IOASID_REFERENCE = new Struct('ioasid_reference', REFERENCE, { argsz, flags: noFlags, ioasid, padding });

export const IOASID_MEMORY = new Struct('ioasid_memory', REFERENCE, {
  argsz,
  flags: noFlags,
  vaddr: u64('start of the range in the process'),
  size: u64('bytes'),
});

/** type1's map structure and an ioasid. */
export const IOASID_DMA_MAP = new Struct('ioasid_dma_map', REFERENCE, {
  argsz,
  flags: u32('what devices may do', IoasidMapFlag),
  ioasid,
  padding,
  vaddr: u64('process address; in a nested space an address of the parent'),
  iova: u64('I/O virtual address'),
  size: u64('bytes'),
});

/** type1's unmap structure and an ioasid. */
export const IOASID_DMA_UNMAP = new Struct('ioasid_dma_unmap', REFERENCE, {
  argsz,
  flags: noFlags,
  ioasid,
  padding,
  iova: u64('I/O virtual address'),
  size: u64('bytes; the kernel writes how many it has unmapped'),
});

export const IOASID_NESTING = new Struct('ioasid_nesting', REFERENCE, {
  argsz,
  flags: noFlags,
  parent_ioasid: u32('the I/O address space that the new one is nested on'),
  padding,
});

/** What a space can be used for, as far as the devices that are attached to it allow. */
export const IoasidInfoFlag = {
  MAP: 1,
  BIND_PGTABLE: 2,
  BIND_PASID_TABLE: 4,
  SOFTWARE_NESTING: 8,
  HARDWARE_NESTING: 16,
} as const;

/** Formats of user-managed tables: page tables, and tables of them by PASID. Each is also a bit of a space's `formats`. */
export const IoasidFormat = { X86: 1, AMD_GCR3: 2 } as const;

export const IOASID_INFO = new Struct('ioasid_info', REFERENCE, {
  argsz,
  flags: u32('out: what the space can be used for', IoasidInfoFlag),
  ioasid,
  addr_width: u32('out: bits of an I/O virtual address'),
  pgsize_bitmap: u64('out: sizes of pages that can be mapped'),
  formats: u32('out: formats of tables that can be bound', IoasidFormat),
  children: u32('out: spaces that are nested on this one'),
  num_ranges: u32('in: places at `ranges`; out: how many reserved ranges there are'),
  padding,
  ranges: u64('where the reserved ranges go, each as first and last address'),
});

export const IOASID_PGTABLE = new Struct('ioasid_pgtable', REFERENCE, {
  argsz,
  flags: noFlags,
  child_ioasid: u32('a nested I/O address space'),
  vendor: u32('format: whose', IoasidFormat),
  addr: u64('table, an address of the parent space'),
  address_width: u32('format: bits of input address'),
  padding,
});

export const IoasidPasidTableFlag = {
  /** Requests without PASID use the entry of PASID 0; otherwise the parent space alone translates them (DTE.GIoV). */
  GIOV: 1,
} as const;

/**
 * What a process that plays an AMD IOMMU finds in the device table entry of its guest: GCR3 root, GLX, GIoV, GuestPagingMode.
 * Spaces that are attached with a PASID of the same device are kept track of and lead no request anywhere: their
 * IOASID_INVALIDATE_CACHE and their faults go by this table.
 */
export const IOASID_PASID_TABLE = new Struct('ioasid_pasid_table', REFERENCE, {
  argsz,
  flags: u32('format: what else', IoasidPasidTableFlag),
  child_ioasid: u32('a nested I/O address space'),
  vendor: u32('format: whose; AMD_GCR3', IoasidFormat),
  addr: u64('table, an address of the parent space'),
  size: u32('format: bits of a PASID that it tells apart'),
  address_width: u32('format: bits of an address that the tables behind it translate'),
});

export const IOASID_CACHE = new Struct('ioasid_cache', REFERENCE, {
  argsz,
  flags: noFlags,
  child_ioasid: u32('a nested I/O address space with a user-managed table'),
  granularity: u32('what is invalidated', IoasidGranularity),
  iova: u64('start of the range'),
  size: u64('bytes'),
});

export const IoasidDirtyTrackingFlag = { ENABLE: 1 } as const;

/** Both versions leave dirty tracking open: these commands do what those of Linux's iommufd came to do. */
export const IOASID_DIRTY_TRACKING = new Struct('ioasid_dirty_tracking', OWN, {
  argsz,
  flags: u32(
    'with ENABLE writes are tracked from now on, and what was written before is forgotten',
    IoasidDirtyTrackingFlag,
  ),
  ioasid,
  padding,
});

export const IoasidDirtyBitmapFlag = {
  /** What is told stays written, and is told again. */
  NO_CLEAR: 1,
} as const;

export const IOASID_DIRTY_BITMAP = new Struct('ioasid_dirty_bitmap', OWN, {
  argsz,
  flags: u32('what happens to what is told', IoasidDirtyBitmapFlag),
  ioasid,
  padding,
  iova: u64('start of the range, of which everything is mapped'),
  length: u64('bytes'),
  page_size: u64('bytes that one bit stands for: a power of two, 4 KiB at least'),
  data: u64('bitmap: bits of written pages are set, others stay as they are; bit 0 of byte 0 comes first'),
});

const at = IOASID_BASE;
/** What the proposal leaves open has the same numbers in both versions, behind its own and those of Linux's VFIO and iommufd. */
export const IOASID_OWN_BASE = 0xc0;
export const IOASID_CHECK_EXTENSION = command('IOASID_CHECK_EXTENSION', IOASID_TYPE, at + 0, 'value');
export const IOASID_REGISTER_MEMORY = command('IOASID_REGISTER_MEMORY', IOASID_TYPE, at + 1, IOASID_MEMORY);
export const IOASID_UNREGISTER_MEMORY = command('IOASID_UNREGISTER_MEMORY', IOASID_TYPE, at + 2, IOASID_MEMORY);
export const IOASID_ALLOC = command('IOASID_ALLOC', IOASID_TYPE, at + 3, 'none');
export const IOASID_FREE = command('IOASID_FREE', IOASID_TYPE, at + 4, IOASID_REFERENCE);
export const IOASID_GET_INFO = command('IOASID_GET_INFO', IOASID_TYPE, at + 5, IOASID_INFO);
export const IOASID_MAP_DMA = command('IOASID_MAP_DMA', IOASID_TYPE, at + 6, IOASID_DMA_MAP);
export const IOASID_UNMAP_DMA = command('IOASID_UNMAP_DMA', IOASID_TYPE, at + 7, IOASID_DMA_UNMAP);
export const IOASID_CREATE_NESTING = command('IOASID_CREATE_NESTING', IOASID_TYPE, at + 8, IOASID_NESTING);
export const IOASID_BIND_PGTABLE = command('IOASID_BIND_PGTABLE', IOASID_TYPE, at + 9, IOASID_PGTABLE);
export const IOASID_UNBIND_PGTABLE = command('IOASID_UNBIND_PGTABLE', IOASID_TYPE, at + 10, IOASID_REFERENCE);
export const IOASID_BIND_PASID_TABLE = command('IOASID_BIND_PASID_TABLE', IOASID_TYPE, at + 11, IOASID_PASID_TABLE);
export const IOASID_UNBIND_PASID_TABLE = command('IOASID_UNBIND_PASID_TABLE', IOASID_TYPE, at + 12, IOASID_REFERENCE);
export const IOASID_INVALIDATE_CACHE = command('IOASID_INVALIDATE_CACHE', IOASID_TYPE, at + 13, IOASID_CACHE);
export const IOASID_SET_DIRTY_TRACKING = command(
  'IOASID_SET_DIRTY_TRACKING',
  IOASID_TYPE,
  IOASID_OWN_BASE + 0,
  IOASID_DIRTY_TRACKING,
);
export const IOASID_GET_DIRTY_BITMAP = command(
  'IOASID_GET_DIRTY_BITMAP',
  IOASID_TYPE,
  IOASID_OWN_BASE + 1,
  IOASID_DIRTY_BITMAP,
);

/** In ascending order of their numbers. */
export const IOASID_COMMANDS = [
  IOASID_CHECK_EXTENSION,
  IOASID_REGISTER_MEMORY,
  IOASID_UNREGISTER_MEMORY,
  IOASID_ALLOC,
  IOASID_FREE,
  IOASID_GET_INFO,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IOASID_CREATE_NESTING,
  IOASID_BIND_PGTABLE,
  IOASID_UNBIND_PGTABLE,
  IOASID_BIND_PASID_TABLE,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_INVALIDATE_CACHE,
  IOASID_SET_DIRTY_TRACKING,
  IOASID_GET_DIRTY_BITMAP,
] as const;
