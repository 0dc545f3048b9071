/** Version 2's IOMMU_INVALIDATE_CACHE: what a process has changed in its own table, hardware has to forget. */
import { PAGE_SIZE, pageOf } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EINVAL,
  type IOMMU_CACHE,
  IommuCache,
  IommuGranularity,
  IommuInvalidateFlag,
  type ObjectIn,
} from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import type { PageRun } from '../page-run.ts';
import type { IoasidContext } from './context.ts';
import { UserTable } from './user-table.ts';

type Cache = ObjectIn<typeof IOMMU_CACHE>;

export const INVALIDATE_FLAGS = IommuInvalidateFlag.DEVICE | IommuInvalidateFlag.VPASID;

const { IOTLB, DEV_IOTLB, PASID } = IommuCache;
const { DOMAIN, ADDR } = IommuGranularity;
/** Which granularities each cache knows (`include/uapi/linux/iommu.h` of that time). */
const GRANULARITIES = new Map<number, readonly number[]>([
  [IOTLB, [DOMAIN, IommuGranularity.PASID, ADDR]],
  [DEV_IOTLB, [IommuGranularity.PASID, ADDR]],
  [PASID, [DOMAIN, IommuGranularity.PASID]],
]);

/**
 * 0, -EIO; -EINVAL: the space has no user-managed table, a cache that does not know the granularity, an unknown device, a
 * range that is none. A page table of user space has one PASID at each device, so that a vPASID narrows nothing, and the
 * IOTLB takes what devices have cached with it.
 */
export function* invalidateCache({ context, argument }: Call<IoasidContext, Cache>): Script<number> {
  const { flags, child_ioasid: id, granularity, cache } = argument;
  const table = context.get(id)?.table;
  if (!(table instanceof UserTable)) return -EINVAL;
  const asked = [...GRANULARITIES].filter(([bit]) => (cache & bit) !== 0);
  const known = asked.reduce((bits, [bit]) => bits | bit, 0);
  if (known === 0 || known !== cache) return -EINVAL;
  if (!asked.every(([, granularities]) => granularities.includes(granularity))) return -EINVAL;
  const byDevice = (flags & IommuInvalidateFlag.DEVICE) !== 0;
  if (byDevice && context.deviceOf(argument.dev_cookie) === undefined) return -EINVAL;
  if (granularity !== ADDR) return yield* table.invalidate();
  const range = rangeOf(argument);
  return range === undefined ? -EINVAL : yield* table.invalidate(range);
}

/** Whole granules of a power of two of pages, at least one. */
function rangeOf({ addr, granule_size: size, nb_granules: count }: Cache): PageRun | undefined {
  const isPower = size >= BigInt(PAGE_SIZE) && (size & (size - 1n)) === 0n;
  if (!isPower || addr % size !== 0n || count === 0n || addr + size * count > 2n ** 64n) return undefined;
  return { first: pageOf(addr), pages: Number((size * count) / BigInt(PAGE_SIZE)) };
}
