/** What version 2's IOMMU_DEVICE_GET_INFO says: what the IOMMU of one bound device can do. */
import { addressOf, PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  EFAULT,
  EINVAL,
  EMSGSIZE,
  type IOMMU_DEVICE_INFO,
  IommuDeviceInfoFlag,
  IommuFormat,
  IommuNesting,
  type ObjectOf,
  type Struct,
} from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import type { Geometry } from '../iommu/driver.ts';
import type { IoasidContext } from './context.ts';

type Info = typeof IOMMU_DEVICE_INFO extends Struct<infer M> ? ObjectOf<M> : never;

const RANGE_BYTES = 16;
const PAGE_SHIFT = 12;

/**
 * -EINVAL for an unknown device, -EFAULT; -EMSGSIZE when there are more ranges than places, with their number in the structure.
 * With no places at all the number is all that is asked for.
 */
export function* deviceInfo({ context, process, argument, reply }: Call<IoasidContext, Info>): Script<number> {
  const bound = context.deviceOf(argument.dev_cookie);
  if (bound === undefined) return -EINVAL;
  const { abilities } = bound.group.driver;
  const ranges = permitted(abilities.geometry);
  const places = argument.num_ranges;
  const hardware = abilities.nestedLevels.length > 0 ? IommuNesting.HARDWARE : 0;
  const answered = reply({
    ...argument,
    flags:
      IommuDeviceInfoFlag.PGSIZES |
      IommuDeviceInfoFlag.ADDR_WIDTH |
      (abilities.enforcesSnoop ? IommuDeviceInfoFlag.ENFORCE_SNOOP : 0) |
      (abilities.dirtyTracking ? IommuDeviceInfoFlag.DIRTY_TRACKING : 0),
    pgsize_bitmap: abilities.pageShifts.reduce((bitmap, shift) => bitmap | (1n << BigInt(shift)), 0n),
    addr_width: widthOf(abilities.geometry),
    nesting: IommuNesting.SOFTWARE | hardware,
    formats:
      (abilities.nestedLevels.includes(4) ? IommuFormat.X86_4LEVEL : 0) |
      (abilities.nestedLevels.includes(5) ? IommuFormat.X86_5LEVEL : 0),
    pasid_bits: abilities.pasidBits,
    num_ranges: ranges.length,
  });
  if (answered < 0 || places === 0) return answered;
  if (places < ranges.length) return -EMSGSIZE;
  yield ns(process.cost.copyLine);
  const bytes = new Uint8Array(ranges.length * RANGE_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, [first, last]] of ranges.entries()) {
    view.setBigUint64(i * RANGE_BYTES, first, true);
    view.setBigUint64(i * RANGE_BYTES + 8, last, true);
  }
  return process.space.copyToUser(argument.ranges, bytes) < 0 ? -EFAULT : 0;
}

/** First and last address of what is left of the geometry between its reserved ranges. */
export function permitted({ last, reserved }: Geometry): [first: bigint, last: bigint][] {
  const ranges: [bigint, bigint][] = [];
  let next = 0;
  for (const [start, end] of [...reserved].sort(([a], [b]) => a - b)) {
    if (start > next) ranges.push([addressOf(next), addressOf(Math.min(start, last + 1)) - 1n]);
    next = Math.max(next, end + 1);
  }
  if (next <= last) ranges.push([addressOf(next), addressOf(last) + BigInt(PAGE_SIZE) - 1n]);
  return ranges;
}

function widthOf({ last }: Geometry): number {
  let width = PAGE_SHIFT;
  while (2 ** (width - PAGE_SHIFT) <= last) width++;
  return width;
}
