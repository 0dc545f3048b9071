/** INVALIDATE_CACHE of both versions, on both sides: what a program makes hardware forget of its own tables. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EBADF,
  EINVAL,
  IOASID_INVALIDATE_CACHE,
  type IOMMU_CACHE,
  IOMMU_INVALIDATE_CACHE,
  IommuCache,
  IommuGranularity,
  IommuInvalidateFlag,
  type ObjectIn,
} from '../../../src/uapi/index.ts';
import type { RefContext } from './files.ts';
import { isRange, ready } from './rules.ts';
import { type Range, versionOf } from './space-calls.ts';
import type { RefSpace } from './spaces.ts';
import type { Live, World } from './world.ts';

/** Version 2's structure. */
export type Forget = Omit<ObjectIn<typeof IOMMU_CACHE>, 'argsz'>;

const PAGE = BigInt(PAGE_SIZE);
const { IOTLB, DEV_IOTLB, PASID } = IommuCache;
const { DOMAIN, ADDR } = IommuGranularity;
const EVERYTHING = 2 ** 52;

/** `range` left out: everything. */
export function* invalidate(
  world: World,
  live: Live,
  fd: number,
  [id, range]: readonly [number, Range | null],
): Script {
  if (versionOf(world, live, fd) === 2) {
    const { iova = 0n, size = 0n } = range ?? {};
    const pages = range === null ? {} : { granularity: ADDR, addr: iova, granule_size: PAGE, nb_granules: size / PAGE };
    yield* invalidateAs(world, live, fd, { ...NOTHING, child_ioasid: id, cache: IOTLB, ...pages });
    return;
  }
  const context = world.contextOf(live, fd);
  const wanted = context === undefined ? -EBADF : forgotten(ready(context, id), range);
  const what = range === null ? {} : { granularity: 1, iova: range.iova, size: range.size };
  yield* world.ioctl(live, fd, IOASID_INVALIDATE_CACHE, [{ child_ioasid: id, ...what }, wanted]);
}

function forgotten(space: RefSpace | number, range: Range | null): number {
  if (typeof space === 'number') return space;
  if (space.user === null || (range !== null && !isRange(range.iova, range.size))) return -EINVAL;
  if (range === null) space.forget(0, EVERYTHING);
  else space.forget(Number(range.iova / PAGE), Number(range.size / PAGE));
  return 0;
}

const NOTHING: Forget = {
  flags: 0,
  child_ioasid: 0,
  granularity: DOMAIN,
  cache: 0,
  vpasid: 0,
  dev_cookie: 0n,
  addr: 0n,
  granule_size: 0n,
  nb_granules: 0n,
};

/** Version 2, with all that its structure can name. */
export function* invalidateAs(world: World, live: Live, fd: number, what: Forget): Script {
  const context = world.contextOf(live, fd);
  const wanted = context === undefined ? -EBADF : forgottenAs(context, what);
  yield* world.ioctl(live, fd, IOMMU_INVALIDATE_CACHE, [{ ...what }, wanted]);
}

function forgottenAs(context: RefContext, what: Forget): number {
  const { flags, child_ioasid: id, granularity, cache, vpasid, dev_cookie: cookie } = what;
  const { addr, granule_size: size, nb_granules: count } = what;
  const has = (flag: number) => (flags & flag) !== 0;
  const space = context.spaces.get(id);
  const user = space?.user ?? null;
  if (space === undefined || user === null || flags > 3) return -EINVAL;
  if (cache === 0 || (cache & ~(IOTLB | DEV_IOTLB | PASID)) !== 0 || granularity > ADDR) return -EINVAL;
  // Device TLBs know no domains, and entries of a PASID table are no ranges.
  if ((cache & DEV_IOTLB) !== 0 && granularity === DOMAIN) return -EINVAL;
  if ((cache & PASID) !== 0 && granularity === ADDR) return -EINVAL;
  const isKnown = context.devices.some(({ bound }) => bound!.cookie === cookie);
  if (has(IommuInvalidateFlag.DEVICE) && !isKnown) return -EINVAL;
  const isPower = size >= PAGE && size.toString(2).lastIndexOf('1') === 0;
  const isGood = isPower && addr % size === 0n && isRange(addr, size * count);
  if (granularity === ADDR && !isGood) return -EINVAL;
  if (user.pasidBits !== undefined) {
    const isNamed = has(IommuInvalidateFlag.VPASID);
    return (isNamed ? vpasid < 2 ** user.pasidBits : granularity === DOMAIN) ? 0 : -EINVAL;
  }
  // A page table has one PASID at each device: naming it narrows nothing.
  if ((cache & IOTLB) === 0) return 0;
  if (granularity === ADDR) space.forget(Number(addr / PAGE), Number((size * count) / PAGE));
  else space.forget(0, EVERYTHING);
  return 0;
}
