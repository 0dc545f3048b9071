/**
 * `/dev/vfio/devices/NAME`: one device. The commands of version 1 of the proposal (section 2.2) and, from Linux's VFIO,
 * how a program learns where a device's regions lie in the file.
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

export const VFIO_REGION_INFO = new Struct('vfio_region_info', 'Linux vfio.h', {
  argsz,
  flags: u32('out: what the region supports', VfioRegionFlag),
  index: u32('in: the region'),
  cap_offset: u32('out: 0, there are no capabilities'),
  size: u64('out: bytes; 0 for a region that does not exist'),
  offset: u64('out: where the region begins in the file'),
});

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

/** In ascending order of their numbers. */
export const VFIO_COMMANDS = [
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_BIND_IOASID_FD,
  VFIO_UNBIND_IOASID_FD,
  VFIO_ATTACH_IOASID,
  VFIO_DETACH_IOASID,
] as const;
