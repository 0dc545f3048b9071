/** INVALIDATE_CACHE of both versions: what a process has changed in its own table, hardware has to forget. */
import { PAGE_SIZE, pageOf } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EINVAL,
  type IOASID_CACHE,
  type IOMMU_CACHE,
  IoasidGranularity,
  IommuCache,
  IommuGranularity,
  IommuInvalidateFlag,
  type ObjectIn,
} from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import type { PageRun } from '../page-run.ts';
import type { IoasidContext } from './context.ts';
import { isPageRange } from './dma-commands.ts';
import type { Ioasid } from './ioasid.ts';
import { PasidTable } from './pasid-table.ts';
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
 * Version 1: 0, -EIO; -EINVAL: the space has no user-managed table, an unknown granularity, a range that is none. Of a PASID table
 * everything that came of it is forgotten; ranges are those of the spaces that are attached by its PASIDs.
 */
export function* invalidateSpace(
  { table, attachments }: Ioasid,
  { granularity, iova, size }: Pick<ObjectIn<typeof IOASID_CACHE>, 'granularity' | 'iova' | 'size'>,
): Script<number> {
  const isAll = granularity === IoasidGranularity.ALL;
  if (table instanceof PasidTable) return isAll ? yield* table.invalidate() : -EINVAL;
  if (!(table instanceof UserTable)) return -EINVAL;
  if (!isAll && (granularity !== IoasidGranularity.RANGE || !isPageRange(iova, size))) return -EINVAL;
  const range = isAll ? undefined : { first: pageOf(iova), pages: Number(size / BigInt(PAGE_SIZE)) };
  let result = yield* table.invalidate(range);
  for (const { bound, pasid } of attachments) {
    if (result === 0 && bound.pasidTable !== undefined) result = yield* bound.pasidTable.invalidate(of(pasid, range));
  }
  return result;
}

/**
 * Version 2: 0, -EIO; -EINVAL: the space has no user-managed table, a cache that does not know the granularity, an unknown device,
 * a range that is none; of a PASID table, a vPASID that it does not reach, or none where only one of its spaces is meant.
 *
 * A page table of user space has one PASID at each device, so that a vPASID narrows nothing, and the IOTLB takes what devices have
 * cached with it. Naming one device narrows nothing either: its fellows forget what they would only look up again.
 */
export function* invalidateCache({ context, argument }: Call<IoasidContext, Cache>): Script<number> {
  const { flags, child_ioasid: id, granularity, cache } = argument;
  const table = context.get(id)?.table;
  if (!(table instanceof UserTable || table instanceof PasidTable)) return -EINVAL;
  const asked = [...GRANULARITIES].filter(([bit]) => (cache & bit) !== 0);
  const known = asked.reduce((bits, [bit]) => bits | bit, 0);
  if (known === 0 || known !== cache) return -EINVAL;
  if (!asked.every(([, granularities]) => granularities.includes(granularity))) return -EINVAL;
  const byDevice = (flags & IommuInvalidateFlag.DEVICE) !== 0;
  if (byDevice && context.deviceOf(argument.dev_cookie) === undefined) return -EINVAL;
  const range = granularity === ADDR ? rangeOf(argument) : undefined;
  if (granularity === ADDR && range === undefined) return -EINVAL;
  if (table instanceof UserTable) return yield* table.invalidate(range);
  const hasPasid = (flags & IommuInvalidateFlag.VPASID) !== 0;
  if (!hasPasid) return granularity === DOMAIN ? yield* table.invalidate() : -EINVAL;
  return yield* table.invalidate(of(argument.vpasid, range));
}

function of(pasid: number, range: PageRun | undefined): { readonly pasid: number; readonly range?: PageRun } {
  return range === undefined ? { pasid } : { pasid, range };
}

/** Whole granules of a power of two of pages, at least one. */
function rangeOf({ addr, granule_size: size, nb_granules: count }: Cache): PageRun | undefined {
  const isPower = size >= BigInt(PAGE_SIZE) && (size & (size - 1n)) === 0n;
  if (!isPower || addr % size !== 0n || count === 0n || addr + size * count > 2n ** 64n) return undefined;
  return { first: pageOf(addr), pages: Number((size * count) / BigInt(PAGE_SIZE)) };
}
