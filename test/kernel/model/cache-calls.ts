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
import { NONE } from './facts.ts';
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

/** `range` left out: everything. In version 2 a PASID table wants a PASID for a range, and takes one for everything. */
export function* invalidate(
  world: World,
  live: Live,
  fd: number,
  [id, range, pasid]: readonly [id: number, range: Range | null, pasid?: number | undefined],
): Script {
  const by = pasid === undefined ? {} : { flags: IommuInvalidateFlag.VPASID, vpasid: pasid };
  if (versionOf(world, live, fd) === 2) {
    const { iova = 0n, size = 0n } = range ?? {};
    const pages = range === null ? {} : { granularity: ADDR, addr: iova, granule_size: PAGE, nb_granules: size / PAGE };
    const cache = range === null ? IOTLB | PASID : IOTLB;
    yield* invalidateAs(world, live, fd, { ...NOTHING, child_ioasid: id, cache, ...pages, ...by });
    return;
  }
  const context = world.contextOf(live, fd);
  const wanted = context === undefined ? -EBADF : forgotten(context, ready(context, id), range);
  const what = range === null ? {} : { granularity: 1, iova: range.iova, size: range.size };
  yield* world.ioctl(live, fd, IOASID_INVALIDATE_CACHE, [{ child_ioasid: id, ...what }, wanted]);
}

function forgotten(context: RefContext, space: RefSpace | number, range: Range | null): number {
  if (typeof space === 'number') return space;
  if (space.user === null || (range !== null && !isRange(range.iova, range.size))) return -EINVAL;
  if (space.isByPasid && range !== null) return -EINVAL;
  forget(space, range);
  // Where it is attached by a PASID beside a PASID table, that PASID's is meant.
  for (const { device, pasid } of context.attached(space)) {
    if (pasid !== NONE && device.pasidTable !== undefined) forget(device.pasidTable, range, pasid);
  }
  return 0;
}

function forget(space: RefSpace, range: Pick<Range, 'iova' | 'size'> | null, pasid?: number): void {
  if (range === null) space.forgetAll(pasid);
  else space.forget(Number(range.iova / PAGE), Number(range.size / PAGE), pasid);
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
  const isNamed = has(IommuInvalidateFlag.VPASID);
  const { pasidBits } = user;
  const isOne = isNamed ? pasidBits !== undefined && vpasid < 2 ** pasidBits : granularity === DOMAIN;
  if (pasidBits !== undefined && !isOne) return -EINVAL;
  // A page table has one PASID at each device: naming it narrows nothing.
  const pasid = isNamed && pasidBits !== undefined ? vpasid : undefined;
  if (granularity === ADDR) forget(space, { iova: addr, size: size * count }, pasid);
  // What came of an entry of a PASID table goes with it.
  else if (pasidBits === undefined ? (cache & IOTLB) !== 0 : (cache & PASID) !== 0) forget(space, null, pasid);
  else if ((cache & IOTLB) !== 0) space.forget(0, EVERYTHING, pasid);
  return 0;
}
