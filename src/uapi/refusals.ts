/**
 * What each command answers when it refuses, and when. The proposal gives hardly any errno: the numbers are those of the code
 * posted in 2021 (S21), otherwise those of Linux's iommufd for the command that took its place, otherwise VFIO type1's.
 *
 * Every answer of the kernel is declared here, and the tests provoke every one.
 */
import type { ErrnoName } from './errno.ts';
import * as v1 from './ioasid.ts';
import type { Command } from './ioctl.ts';
import * as v2 from './iommu.ts';
import * as vfio from './vfio.ts';

/** When each errno comes. */
export type Refusals = Readonly<Partial<Record<ErrnoName, string>>>;

/** Of every command that takes a structure. */
export const STRUCTURE_REFUSALS: Refusals = {
  EFAULT: 'the structure cannot be read, or written back',
  EINVAL: '`argsz` is too small, a flag is unknown, or padding is not 0',
  E2BIG: 'something follows that this kernel does not know, or `argsz` exceeds a page',
};

const RANGE = 'not whole pages, none at all, or over the end of the addresses';
const READY = 'unknown ioasid, or no device is attached yet';
const PARTLY: Refusals = { EDEADLK: 'only a part of a group is attached' };
const HARDWARE = 'hardware does not confirm that it has forgotten what was';

const MAP: Refusals = {
  EEXIST: 'a part of the range is mapped',
  ENOENT: 'of a nested space: the parent does not map all of it',
  ENOSPC: 'above the limit of mappings',
  ENOMEM: 'above the limit of locked memory, or no memory is left',
  EFAULT: 'the process has no such memory, or may not write what devices are to write',
};
const IN_RANGE = `a range that is ${RANGE}; neither read nor write; outside what the IOMMU translates, or reserved`;
const UNMAP: Refusals = { EIO: HARDWARE };
const WHOLE = `a range that is ${RANGE}, or that cuts a mapping`;
/** The kernel has nothing left. */
const EXHAUSTED: Refusals = { ENOMEM: 'no memory is left' };
const NO_TABLE: Refusals = { ENOMEM: 'no memory for tables', ENOSPC: 'the unit has no domain id left' };
const USERS = 'the table is a user’s';
const INFO: Refusals = {
  EFAULT: 'the ranges cannot be written',
  EMSGSIZE: 'more ranges than places; their number is in the structure',
};
const UNTRACKABLE = 'the IOMMU cannot track writes';
const UNTOLD = `${USERS}; nothing is tracked; a range that is not mapped as a whole, or not made of whole pages of that size`;
const BITMAP: Refusals = {
  EOVERFLOW: 'a range over the end of the addresses',
  EFAULT: 'the bitmap cannot be read and written',
  EOPNOTSUPP: UNTRACKABLE,
  ...EXHAUSTED,
  EIO: `${HARDWARE}: all of the range counts as written`,
};
const FREE: Refusals = {
  EINVAL: 'unknown ioasid',
  EBUSY: 'a device is attached, or another space is nested on it',
};

const ATTACH: Refusals = {
  EBUSY: 'these requests of the device go elsewhere already; a PASID table beside nested tables of the same AMD unit',
  EOPNOTSUPP: 'a PASID where the device or its IOMMU has none',
  ENODEV: 'the device has gone, or its own MMU does not answer',
  ...NO_TABLE,
  EIO: HARDWARE,
};
const ATTACH_INVALID =
  'not bound; unknown ioasid, or attached to it already; not attached to what it is nested on; another unit’s table; ' +
  'a table that the unit cannot walk, or attributes that it does not have; others of its group go elsewhere; a PASID table by a ' +
  'PASID; a user’s table where the device is software';
const DETACH: Refusals = {
  EINVAL: 'not bound, or not attached there',
  EBUSY: 'attached to a space that is nested on this one, or by a PASID of this table',
  ENOMEM: 'the way back: the device’s own MMU has no memory for the tables of the parent',
  EIO: HARDWARE,
};
const BIND: Refusals = {
  EINVAL: 'the descriptor is not what it should be, or the group is not viable',
  EBUSY: 'bound already, or its group is somebody else’s',
  ENODEV: 'no IOMMU stands before the device, or it is gone',
  ...EXHAUSTED,
};
const REGISTERED_RANGE = `a range that is ${RANGE}`;

/** What a command refuses beside what every structure is refused for. */
export const REFUSALS: ReadonlyMap<Command, Refusals> = new Map<Command, Refusals>([
  [v1.IOASID_CHECK_EXTENSION, {}],
  [
    v1.IOASID_REGISTER_MEMORY,
    {
      EINVAL: REGISTERED_RANGE,
      EEXIST: 'a part of it is registered',
      EFAULT: 'the process has no such memory',
      ENOMEM: 'above the limit of locked memory, or no memory is left',
    },
  ],
  [
    v1.IOASID_UNREGISTER_MEMORY,
    { EINVAL: `${REGISTERED_RANGE}, or not as it was registered`, EBUSY: 'a part of it is mapped' },
  ],
  [v1.IOASID_ALLOC, { EBUSY: 'there are as many spaces as there can be', ...EXHAUSTED }],
  [v1.IOASID_FREE, FREE],
  [v1.IOASID_GET_INFO, { EINVAL: READY, ...PARTLY, ...INFO }],
  [v1.IOASID_MAP_DMA, { EINVAL: `${READY}; ${IN_RANGE}; ${USERS}; not in registered memory`, ...PARTLY, ...MAP }],
  [v1.IOASID_UNMAP_DMA, { EINVAL: `${READY}; ${WHOLE}; ${USERS}`, ...PARTLY, ...UNMAP }],
  [
    v1.IOASID_CREATE_NESTING,
    { EINVAL: `${READY}; ${USERS}`, ...PARTLY, EBUSY: 'there are as many spaces as there can be', ...EXHAUSTED },
  ],
  [
    v1.IOASID_BIND_PGTABLE,
    {
      EINVAL: `${READY}; a root; it has a table of a user; a table inside a page; the unit does not walk such tables; a device in software is attached`,
      EOPNOTSUPP: 'unknown format',
      EBUSY: 'something is mapped or nested there',
      ...PARTLY,
      ...NO_TABLE,
      EIO: HARDWARE,
    },
  ],
  [
    v1.IOASID_UNBIND_PGTABLE,
    {
      EINVAL: `${READY}; it has no table of a user`,
      EOPNOTSUPP: 'an AMD device is attached by a PASID, which no table of the kernel can serve',
      ...PARTLY,
      ...NO_TABLE,
      EIO: HARDWARE,
    },
  ],
  [
    v1.IOASID_BIND_PASID_TABLE,
    {
      EINVAL:
        `${READY}; a root; it has a table of a user; a table inside a page, or beyond the parent; no number of bits that the unit ` +
        'tells apart; a space that a PASID leads to',
      EOPNOTSUPP: 'unknown format, or the IOMMU finds PASID tables at host addresses only',
      EBUSY: 'something is mapped or nested there',
      ...NO_TABLE,
      ...PARTLY,
      EIO: HARDWARE,
    },
  ],
  [
    v1.IOASID_UNBIND_PASID_TABLE,
    {
      EINVAL: `${READY}; it has no PASID table of a user`,
      EBUSY: 'a device is attached to a space by one of its PASIDs',
      ENOMEM: 'no memory for the table that takes its place',
      ENOSPC: 'the unit has no domain id left for it',
      ...PARTLY,
      EIO: HARDWARE,
    },
  ],
  [
    v1.IOASID_INVALIDATE_CACHE,
    {
      EINVAL: `${READY}; the table is the kernel’s; unknown granularity; ${REGISTERED_RANGE}; of a PASID table any range`,
      ...PARTLY,
      EIO: HARDWARE,
    },
  ],

  [
    v1.IOASID_SET_DIRTY_TRACKING,
    { EINVAL: `${READY}; ${USERS}`, EOPNOTSUPP: UNTRACKABLE, ...EXHAUSTED, ...PARTLY, EIO: HARDWARE },
  ],
  [v1.IOASID_GET_DIRTY_BITMAP, { EINVAL: `${READY}; ${UNTOLD}`, ...BITMAP, ...PARTLY }],

  [v2.IOMMU_CHECK_EXTENSION, {}],
  [v2.IOMMU_DEVICE_GET_INFO, { EINVAL: 'unknown device', ...INFO }],
  [
    v2.IOMMU_IOASID_ALLOC,
    {
      EINVAL:
        'attributes that do not go together; a user’s table without a parent, or inside a page; no width, or no PASID has so many ' +
        'bits',
      ENOENT: 'unknown parent',
      EOPNOTSUPP: 'unknown format',
      EBUSY: 'there are as many spaces as there can be',
      ...EXHAUSTED,
    },
  ],
  [v2.IOMMU_IOASID_FREE, FREE],
  [v2.IOMMU_MAP_DMA, { EINVAL: `unknown ioasid; ${IN_RANGE}; ${USERS}`, ...MAP }],
  [v2.IOMMU_UNMAP_DMA, { EINVAL: `unknown ioasid; ${WHOLE}; ${USERS}`, ...UNMAP }],
  [
    v2.IOMMU_INVALIDATE_CACHE,
    {
      EINVAL:
        'unknown ioasid or device; the table is the kernel’s; no cache, or one without that granularity; no whole granules; ' +
        'of a PASID table: a vPASID beyond it, or none where only one is meant',
      EIO: HARDWARE,
    },
  ],

  [
    v2.IOMMU_SET_DIRTY_TRACKING,
    {
      EINVAL: `unknown ioasid; ${USERS}`,
      EOPNOTSUPP: 'the space does not have DIRTY_TRACKING',
      ...EXHAUSTED,
      EIO: HARDWARE,
    },
  ],
  [
    v2.IOMMU_GET_DIRTY_BITMAP,
    { EINVAL: `unknown ioasid; ${UNTOLD}`, ...BITMAP, EOPNOTSUPP: 'the space does not have DIRTY_TRACKING' },
  ],

  [vfio.VFIO_DEVICE_GET_INFO, { EINVAL: 'not bound' }],
  [vfio.VFIO_DEVICE_GET_REGION_INFO, { EINVAL: 'not bound, or no such region' }],
  [vfio.VFIO_BIND_IOASID_FD, BIND],
  [vfio.VFIO_UNBIND_IOASID_FD, { EINVAL: 'not bound', EIO: HARDWARE }],
  [vfio.VFIO_ATTACH_IOASID, { EINVAL: `${ATTACH_INVALID}; a PASID beyond the device’s PASID table`, ...ATTACH }],
  [vfio.VFIO_DETACH_IOASID, DETACH],
  [vfio.VFIO_BIND_IOMMU_FD, { ...BIND, EBUSY: `${BIND.EBUSY}, or another device has that cookie` }],
  [
    vfio.VFIO_ATTACH_IOASID_2,
    {
      EINVAL: `${ATTACH_INVALID}; any PASID of a device that is attached to a PASID table; another descriptor`,
      EADDRINUSE: 'mappings lie in ranges that the IOMMU does not translate for this device',
      ...ATTACH,
    },
  ],
  [vfio.VFIO_DETACH_IOASID_2, DETACH],
]);

/** All that a command refuses, with when: what is the same for every structure comes first. */
export function refusalsOf(command: Command): ReadonlyMap<ErrnoName, readonly string[]> {
  const own = REFUSALS.get(command) ?? {};
  const common = typeof command.argument === 'object' ? STRUCTURE_REFUSALS : {};
  const all = new Map<ErrnoName, string[]>();
  for (const refusals of [common, own]) {
    for (const [errno, when] of Object.entries(refusals) as [ErrnoName, string][]) {
      all.set(errno, [...(all.get(errno) ?? []), when]);
    }
  }
  return all;
}
