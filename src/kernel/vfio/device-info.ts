/** What VFIO_DEVICE_GET_INFO says of a device, and the capabilities behind it. */
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EINVAL,
  type ObjectIn,
  VFIO_DEVICE_INFO,
  VFIO_DEVICE_INFO_CAP_PASID,
  VfioDeviceCapability,
  VfioDeviceFlag,
  VfioPciRegion,
} from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import type { VfioFile } from './file.ts';

/** Of a capability, above its id. */
const VERSION_1 = 1 << 16;
const REGIONS = Object.keys(VfioPciRegion).length;

/**
 * 0, -EFAULT; -EINVAL before the device is bound. Version 2 says by a capability that there may be several spaces, each under a
 * PASID. None of its flags is set: the program names the spaces to the kernel, and no instruction carries a PASID of its choice.
 * Where there is no room for the capability, \`argsz\` comes back as what would do, and its offset is 0.
 */
// biome-ignore lint/correctness/useYield: nothing to wait for
export function* deviceInfo(call: Call<VfioFile, ObjectIn<typeof VFIO_DEVICE_INFO>>): Script<number> {
  const { context: file, argument, reply } = call;
  const version = file.device.versionOf(file);
  if (version === undefined) return -EINVAL;
  const { isPci, hasPasids } = file.device.info;
  const hasCapability = version === 2 && hasPasids;
  const size = VFIO_DEVICE_INFO.bytes + (hasCapability ? VFIO_DEVICE_INFO_CAP_PASID.bytes : 0);
  const hasRoom = hasCapability && argument.argsz >= size;
  const { PCI, CAPS } = VfioDeviceFlag;
  const answer = {
    argsz: Math.max(argument.argsz, size),
    flags: (isPci ? PCI : 0) | (hasCapability ? CAPS : 0),
    num_regions: REGIONS,
    num_irqs: 0,
    cap_offset: hasRoom ? VFIO_DEVICE_INFO.bytes : 0,
  };
  if (!hasRoom) return reply(answer);
  return reply(answer, VFIO_DEVICE_INFO_CAP_PASID.encode({ id: VfioDeviceCapability.PASID | VERSION_1 }));
}
