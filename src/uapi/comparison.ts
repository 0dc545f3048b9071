/**
 * Version 1, version 2 and what Linux has now, command by command: for `docs/uapi.md`. Final names and numbers are those of
 * `include/uapi/linux/iommufd.h` and `vfio.h`; this kernel does not answer to them.
 */
import * as v1 from './ioasid.ts';
import { type Command, ioctlNumber } from './ioctl.ts';
import * as v2 from './iommu.ts';
import * as vfio from './vfio.ts';

/** Commands of today's `/dev/iommu` and VFIO device files, by number. */
export const FINAL = {
  IOMMU_DESTROY: ioctlNumber(';', 0x80),
  IOMMU_IOAS_ALLOC: ioctlNumber(';', 0x81),
  IOMMU_IOAS_COPY: ioctlNumber(';', 0x83),
  IOMMU_IOAS_IOVA_RANGES: ioctlNumber(';', 0x84),
  IOMMU_IOAS_MAP: ioctlNumber(';', 0x85),
  IOMMU_IOAS_UNMAP: ioctlNumber(';', 0x86),
  IOMMU_OPTION: ioctlNumber(';', 0x87),
  IOMMU_HWPT_ALLOC: ioctlNumber(';', 0x89),
  IOMMU_GET_HW_INFO: ioctlNumber(';', 0x8a),
  IOMMU_HWPT_SET_DIRTY_TRACKING: ioctlNumber(';', 0x8b),
  IOMMU_HWPT_GET_DIRTY_BITMAP: ioctlNumber(';', 0x8c),
  IOMMU_HWPT_INVALIDATE: ioctlNumber(';', 0x8d),
  IOMMU_FAULT_QUEUE_ALLOC: ioctlNumber(';', 0x8e),
  IOMMU_VIOMMU_ALLOC: ioctlNumber(';', 0x90),
  IOMMU_VDEVICE_ALLOC: ioctlNumber(';', 0x91),
  VFIO_DEVICE_GET_INFO: ioctlNumber(';', 107),
  VFIO_DEVICE_GET_REGION_INFO: ioctlNumber(';', 108),
  VFIO_DEVICE_BIND_IOMMUFD: ioctlNumber(';', 118),
  VFIO_DEVICE_ATTACH_IOMMUFD_PT: ioctlNumber(';', 119),
  VFIO_DEVICE_DETACH_IOMMUFD_PT: ioctlNumber(';', 120),
} as const;

export interface Comparison {
  /** What a program wants. */
  readonly task: string;
  readonly v1: readonly Command[];
  readonly v2: readonly Command[];
  readonly final: readonly (keyof typeof FINAL)[];
  /** In what they differ. */
  readonly differs: string;
}

export const COMPARISON: readonly Comparison[] = [
  {
    task: 'Ask what the kernel can do',
    v1: [v1.IOASID_CHECK_EXTENSION],
    v2: [v2.IOMMU_CHECK_EXTENSION],
    final: [],
    differs: 'Linux now has no such command: a program tries, and -ENOTTY, -E2BIG or -EOPNOTSUPP says no.',
  },
  {
    task: 'Take control of a device',
    v1: [vfio.VFIO_BIND_IOASID_FD],
    v2: [vfio.VFIO_BIND_IOMMU_FD],
    final: ['VFIO_DEVICE_BIND_IOMMUFD'],
    differs:
      'Version 1 has no name for the device, version 2 the program’s cookie, Linux now an id that the kernel gives.',
  },
  {
    task: 'Give a device back',
    v1: [vfio.VFIO_UNBIND_IOASID_FD],
    v2: [],
    final: [],
    differs: 'Version 1 has a command; since version 2 closing the device file is the way.',
  },
  {
    task: 'Ask what a device can do',
    v1: [v1.IOASID_GET_INFO],
    v2: [v2.IOMMU_DEVICE_GET_INFO],
    final: ['IOMMU_GET_HW_INFO', 'IOMMU_IOAS_IOVA_RANGES'],
    differs:
      'Version 1 asks a space, after the first attach, and is told reserved ranges; version 2 asks a device, before, and is told ' +
      'permitted ones. Linux now gives the unit’s own capability registers, and the permitted ranges of a space.',
  },
  {
    task: 'Make a space whose table the kernel keeps',
    v1: [v1.IOASID_ALLOC],
    v2: [v2.IOMMU_IOASID_ALLOC],
    final: ['IOMMU_IOAS_ALLOC', 'IOMMU_HWPT_ALLOC'],
    differs:
      'In version 1 a bare number, in version 2 a number with attributes; both are mappings and table at once. Linux now has two ' +
      'objects: one space of mappings, and a hardware table for each kind of unit that it is attached to.',
  },
  {
    task: 'End a space',
    v1: [v1.IOASID_FREE],
    v2: [v2.IOMMU_IOASID_FREE],
    final: ['IOMMU_DESTROY'],
    differs: 'The same, but that -ENOENT is now the answer to an unknown id.',
  },
  {
    task: 'Map memory of the process',
    v1: [v1.IOASID_MAP_DMA],
    v2: [v2.IOMMU_MAP_DMA],
    final: ['IOMMU_IOAS_MAP'],
    differs:
      'Version 1 maps after the first attach only. Linux now also chooses addresses, and checks lengths against the units that ' +
      'are attached.',
  },
  {
    task: 'Unmap it',
    v1: [v1.IOASID_UNMAP_DMA],
    v2: [v2.IOMMU_UNMAP_DMA],
    final: ['IOMMU_IOAS_UNMAP'],
    differs: 'Whole mappings only. A range with nothing in it is 0 bytes here, as for type1, and -ENOENT in Linux now.',
  },
  {
    task: 'Charge memory once for several spaces',
    v1: [v1.IOASID_REGISTER_MEMORY, v1.IOASID_UNREGISTER_MEMORY],
    v2: [v2.IOMMU_IOASID_ALLOC],
    final: ['IOMMU_IOAS_COPY', 'IOMMU_OPTION'],
    differs:
      'Version 1 registers memory, version 2 nests spaces on a dummy root that pins it. Linux now copies mappings, which share ' +
      'pinned pages.',
  },
  {
    task: 'Nest a space whose table the kernel merges',
    v1: [v1.IOASID_CREATE_NESTING, v1.IOASID_MAP_DMA],
    v2: [v2.IOMMU_IOASID_ALLOC, v2.IOMMU_MAP_DMA],
    final: [],
    differs: 'Linux never took it: a program merges by itself, with maps and copies.',
  },
  {
    task: 'Nest a table of the process, which hardware walks',
    v1: [v1.IOASID_CREATE_NESTING, v1.IOASID_BIND_PGTABLE, v1.IOASID_UNBIND_PGTABLE],
    v2: [v2.IOMMU_IOASID_ALLOC],
    final: ['IOMMU_HWPT_ALLOC'],
    differs:
      'Version 1 binds the table after the attach, since version 2 it is an attribute. Here a device is attached to the parent ' +
      'too; in Linux now not.',
  },
  {
    task: 'Let hardware walk PASID tables of the process',
    v1: [v1.IOASID_BIND_PASID_TABLE, v1.IOASID_UNBIND_PASID_TABLE],
    v2: [v2.IOMMU_IOASID_ALLOC],
    final: ['IOMMU_VIOMMU_ALLOC', 'IOMMU_VDEVICE_ALLOC', 'IOMMU_HWPT_ALLOC'],
    differs:
      'Here the format is told: bits of a PASID, levels of the tables behind it, GIoV. Version 1 also wants each space that the ' +
      'table leads to bound and attached, to keep track of it. Linux now passes the guest’s own device table entry (AMD) or stream ' +
      'table entry (Arm) under an object for its IOMMU.',
  },
  {
    task: 'Make hardware forget what the process has changed in its table',
    v1: [v1.IOASID_INVALIDATE_CACHE],
    v2: [v2.IOMMU_INVALIDATE_CACHE],
    final: ['IOMMU_HWPT_INVALIDATE'],
    differs:
      'Version 1 knows all or a range, version 2 also which cache, device and PASID. Linux now takes an array of requests in the ' +
      'unit’s own words.',
  },
  {
    task: 'Lead a device’s requests to a space',
    v1: [vfio.VFIO_ATTACH_IOASID],
    v2: [vfio.VFIO_ATTACH_IOASID_2],
    final: ['VFIO_DEVICE_ATTACH_IOMMUFD_PT'],
    differs:
      'Here an attach never replaces; in Linux now it does, without a moment in between at which DMA is blocked.',
  },
  {
    task: 'Block them again',
    v1: [vfio.VFIO_DETACH_IOASID],
    v2: [vfio.VFIO_DETACH_IOASID_2],
    final: ['VFIO_DEVICE_DETACH_IOMMUFD_PT'],
    differs: 'Here the space is named; Linux now detaches whatever is there.',
  },
  {
    task: 'Learn of faults, and answer page requests',
    v1: [],
    v2: [],
    final: ['IOMMU_FAULT_QUEUE_ALLOC'],
    differs:
      'The proposal left it open. Here read(), poll() and write() of the descriptor, for all its devices; in Linux now of one ' +
      'descriptor for each queue, for page requests only.',
  },
  {
    task: 'Learn which pages devices have written to',
    v1: [v1.IOASID_SET_DIRTY_TRACKING, v1.IOASID_GET_DIRTY_BITMAP],
    v2: [v2.IOMMU_SET_DIRTY_TRACKING, v2.IOMMU_GET_DIRTY_BITMAP],
    final: ['IOMMU_HWPT_SET_DIRTY_TRACKING', 'IOMMU_HWPT_GET_DIRTY_BITMAP'],
    differs:
      'The proposal left it open; these two are of ioasim, and do what Linux’s do. Linux tracks a hardware table; here a space is ' +
      'also told what was written through spaces that are merged of it.',
  },
  {
    task: 'Ask what a device file stands for',
    v1: [vfio.VFIO_DEVICE_GET_INFO],
    v2: [vfio.VFIO_DEVICE_GET_INFO],
    final: ['VFIO_DEVICE_GET_INFO'],
    differs:
      'Version 2 adds a capability for devices that can have several spaces, each under a PASID; Linux now tells that by ' +
      'IOMMU_GET_HW_INFO.',
  },
  {
    task: 'Find a device’s registers',
    v1: [vfio.VFIO_DEVICE_GET_REGION_INFO],
    v2: [vfio.VFIO_DEVICE_GET_REGION_INFO],
    final: ['VFIO_DEVICE_GET_REGION_INFO'],
    differs: 'The same.',
  },
];
