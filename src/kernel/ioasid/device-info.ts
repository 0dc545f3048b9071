/** What version 2's IOMMU_DEVICE_GET_INFO says: what the IOMMU of one bound device can do. */
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EINVAL,
  type IOMMU_DEVICE_INFO,
  IommuDeviceInfoFlag,
  IommuFormat,
  IommuNesting,
  type ObjectIn,
} from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import type { Abilities } from '../iommu/driver.ts';
import type { IoasidContext } from './context.ts';
import { addressWidth, pageSizes, permittedRanges, writeRanges } from './ranges.ts';

type Info = ObjectIn<typeof IOMMU_DEVICE_INFO>;

/**
 * -EINVAL for an unknown device, -EFAULT; -EMSGSIZE when there are more ranges than places, with their number in the structure.
 */
export function* deviceInfo({ context, process, argument, reply }: Call<IoasidContext, Info>): Script<number> {
  const device = context.deviceOf(argument.dev_cookie);
  if (device === undefined) return -EINVAL;
  const { abilities } = device;
  const ranges = permittedRanges(abilities.geometry);
  const hardware = abilities.nestedLevels.length > 0 ? IommuNesting.HARDWARE : 0;
  const answered = reply({
    ...argument,
    flags:
      IommuDeviceInfoFlag.PGSIZES |
      IommuDeviceInfoFlag.ADDR_WIDTH |
      (abilities.enforcesSnoop ? IommuDeviceInfoFlag.ENFORCE_SNOOP : 0) |
      (abilities.dirtyTracking ? IommuDeviceInfoFlag.DIRTY_TRACKING : 0),
    pgsize_bitmap: pageSizes(abilities),
    addr_width: addressWidth(abilities.geometry),
    nesting: IommuNesting.SOFTWARE | hardware,
    formats: formatsOf(abilities),
    pasid_bits: abilities.pasidBits,
    num_ranges: ranges.length,
  });
  if (answered < 0) return answered;
  return yield* writeRanges(process, argument, ranges);
}

function formatsOf({ nestedLevels, pasidTableBits }: Abilities): number {
  const { X86_4LEVEL, X86_5LEVEL, AMD_GCR3, AMD_GCR3_5LEVEL } = IommuFormat;
  const [four, five] =
    pasidTableBits > 0 ? [X86_4LEVEL | AMD_GCR3, X86_5LEVEL | AMD_GCR3_5LEVEL] : [X86_4LEVEL, X86_5LEVEL];
  return (nestedLevels.includes(4) ? four : 0) | (nestedLevels.includes(5) ? five : 0);
}
