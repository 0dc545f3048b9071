/**
 * `/dev/vfio/devices/NAME`: one device. The commands of both versions of the proposal (section 2.2 of each) and, from Linux's
 * VFIO, how a program learns what a device is and where its regions lie in the file.
 *
 * The two versions give the same numbers to different commands. A file speaks the version of the descriptor that it is bound
 * to; VFIO_BASE + 22 binds in both, and its descriptor stands at the same place.
 */
import { command } from './ioctl.ts';
import { padding, Struct, s32, u32, u64 } from './struct.ts';

export const VFIO_TYPE = ';';
export const VFIO_BASE = 100;

const REFERENCE = 'RFC v1 2.2';
const argsz = u32('size of this structure as the caller knows it');
const noFlags = u32('none is defined');

export const IoasidAttachFlag = { USER_PASID: 1 } as const;

export const VfioRegionFlag = { READ: 1, WRITE: 2, MMAP: 4 } as const;

export const VfioDeviceFlag = { RESET: 1, PCI: 2, CAPS: 0x80 } as const;

/** What kinds of capabilities there can be behind a vfio_device_info. */
export const VfioDeviceCapability = { PASID: 5 } as const;

/** Of the capability: who keeps the PASID table, and whether instructions carry PASIDs. */
export const VfioPasidFlag = { DELEGATED: 1, CPU: 2, CPU_VIRT: 4 } as const;

/** Regions of a PCI device by index: six BARs, the expansion ROM, configuration space. */
export const VfioPciRegion = { BAR0: 0, BAR1: 1, BAR2: 2, BAR3: 3, BAR4: 4, BAR5: 5, ROM: 6, CONFIG: 7 } as const;

export const VFIO_BIND = new Struct('vfio_bind_ioasid_fd', REFERENCE, {
  argsz,
  flags: noFlags,
  ioasid_fd: s32('an open /dev/ioasid'),
  padding,
});

export const VFIO_ATTACH = new Struct('vfio_attach_ioasid', REFERENCE, {
  argsz,
  flags: u32('what else is valid', IoasidAttachFlag),
  ioasid: u32('an I/O address space of the bound fd'),
  user_pasid: u32('with USER_PASID: the PASID that marks this space'),
});

export const VFIO_DETACH = new Struct('vfio_detach_ioasid', REFERENCE, {
  argsz,
  flags: noFlags,
  ioasid: u32('an I/O address space that the device is attached to'),
  padding,
});

const REFERENCE_2 = 'RFC v2 2.2';
const iommu_fd = s32('an open /dev/iommu: the one that the device is bound to');

export const VfioAttachFlag = { VPASID: 1 } as const;

export const VFIO_BIND_2 = new Struct('vfio_bind_iommu_fd', REFERENCE_2, {
  argsz,
  flags: noFlags,
  iommu_fd: s32('an open /dev/iommu'),
  padding,
  cookie: u64('what the program calls the device there'),
});

export const VFIO_ATTACH_2 = new Struct('vfio_attach_ioasid_2', REFERENCE_2, {
  argsz,
  flags: u32('what else is valid', VfioAttachFlag),
  iommu_fd,
  ioasid: u32('an I/O address space of the fd'),
  vpasid: u32('with VPASID: the PASID that marks this space'),
  padding,
});

export const VFIO_DETACH_2 = new Struct('vfio_detach_ioasid_2', REFERENCE_2, {
  argsz,
  flags: noFlags,
  iommu_fd,
  ioasid: u32('an I/O address space that the device is attached to'),
});

export const VFIO_DEVICE_INFO = new Struct('vfio_device_info', 'Linux vfio.h', {
  argsz: u32(
    'size of this structure and of the room behind it, which is 0; out: what both have to be, if that is more',
  ),
  flags: u32('out: what the device is', VfioDeviceFlag),
  num_regions: u32('out: regions that can be asked for'),
  num_irqs: u32('out: 0, programs get no interrupts'),
  cap_offset: u32('out, with CAPS: where the first capability is; 0 when there is no room'),
  padding,
});

/** Behind a vfio_device_info where a program may attach the device to several spaces, each under a PASID of its own. */
export const VFIO_DEVICE_INFO_CAP_PASID = new Struct('vfio_device_info_cap_pasid', 'RFC v2 2.2', {
  id: u32('in bits 15:0 what it is; above, its version, 1', VfioDeviceCapability),
  next: u32('where the next capability is; 0 for the last'),
  flags: u32('how PASIDs can be used', VfioPasidFlag),
  padding,
});

export const VFIO_REGION_INFO = new Struct('vfio_region_info', 'Linux vfio.h', {
  argsz,
  flags: u32('out: what the region supports', VfioRegionFlag),
  index: u32('in: the region'),
  cap_offset: u32('out: 0, there are no capabilities'),
  size: u64('out: bytes; 0 for a region that does not exist'),
  offset: u64('out: where the region begins in the file'),
});

export const VFIO_DEVICE_GET_INFO = command('VFIO_DEVICE_GET_INFO', VFIO_TYPE, VFIO_BASE + 7, VFIO_DEVICE_INFO);
export const VFIO_DEVICE_GET_REGION_INFO = command(
  'VFIO_DEVICE_GET_REGION_INFO',
  VFIO_TYPE,
  VFIO_BASE + 8,
  VFIO_REGION_INFO,
);
export const VFIO_BIND_IOASID_FD = command('VFIO_BIND_IOASID_FD', VFIO_TYPE, VFIO_BASE + 22, VFIO_BIND);
export const VFIO_UNBIND_IOASID_FD = command('VFIO_UNBIND_IOASID_FD', VFIO_TYPE, VFIO_BASE + 23, 'none');
export const VFIO_ATTACH_IOASID = command('VFIO_ATTACH_IOASID', VFIO_TYPE, VFIO_BASE + 24, VFIO_ATTACH);
export const VFIO_DETACH_IOASID = command('VFIO_DETACH_IOASID', VFIO_TYPE, VFIO_BASE + 25, VFIO_DETACH);

export const VFIO_BIND_IOMMU_FD = command('VFIO_BIND_IOMMU_FD', VFIO_TYPE, VFIO_BASE + 22, VFIO_BIND_2);
export const VFIO_ATTACH_IOASID_2 = command('VFIO_ATTACH_IOASID', VFIO_TYPE, VFIO_BASE + 23, VFIO_ATTACH_2);
export const VFIO_DETACH_IOASID_2 = command('VFIO_DETACH_IOASID', VFIO_TYPE, VFIO_BASE + 24, VFIO_DETACH_2);

/** Of version 1, in ascending order of their numbers. */
export const VFIO_COMMANDS = [
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_BIND_IOASID_FD,
  VFIO_UNBIND_IOASID_FD,
  VFIO_ATTACH_IOASID,
  VFIO_DETACH_IOASID,
] as const;

/** Of version 2, in ascending order of their numbers. */
export const VFIO_2_COMMANDS = [
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_BIND_IOMMU_FD,
  VFIO_ATTACH_IOASID_2,
  VFIO_DETACH_IOASID_2,
] as const;
