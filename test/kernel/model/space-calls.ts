/** Commands on descriptors of /dev/ioasid and /dev/iommu, on both sides. */
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EBADF,
  EINVAL,
  ENOENT,
  EOPNOTSUPP,
  INVALID_IOASID,
  IOASID_ALLOC,
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CHECK_EXTENSION,
  IOASID_CREATE_NESTING,
  IOASID_FREE,
  IOASID_GET_INFO,
  IOASID_MAP_DMA,
  IOASID_REGISTER_MEMORY,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_UNBIND_PGTABLE,
  IOASID_UNMAP_DMA,
  IOASID_UNREGISTER_MEMORY,
  IOMMU_CHECK_EXTENSION,
  IOMMU_DEVICE_GET_INFO,
  IOMMU_IOASID_ALLOC,
  type IOMMU_IOASID_ATTRIBUTES,
  IOMMU_IOASID_FREE,
  IOMMU_MAP_DMA,
  IOMMU_UNMAP_DMA,
  IoasidPasidTableFlag,
  IommuIoasidFlag,
  type ObjectIn,
} from '../../../src/uapi/index.ts';
import type { RefContext } from './files.ts';
import { type MapWish, ready } from './rules.ts';
import { PLAIN } from './spaces.ts';
import type { Live, World } from './world.ts';

export type Attributes = Partial<ObjectIn<typeof IOMMU_IOASID_ATTRIBUTES>>;

const PAGE = 4096n;
const { USER_PGTABLE, USER_PASID_TABLE, GIOV, ENFORCE_SNOOP, NO_ENFORCE_SNOOP, DIRTY_TRACKING, DUMMY } =
  IommuIoasidFlag;
const KNOWN = Object.values(IommuIoasidFlag).reduce((all, one) => all | one, 0);

/** What a command gives on a descriptor that is open, or -EBADF. */
function on(world: World, live: Live, fd: number, rule: (context: RefContext) => number): number {
  const context = world.contextOf(live, fd);
  return context === undefined ? -EBADF : rule(context);
}

export function versionOf(world: World, live: Live, fd: number): 1 | 2 {
  return world.contextOf(live, fd)?.version ?? 1;
}

export function* allocate(world: World, live: Live, fd: number, attributes: Attributes): Script {
  if (versionOf(world, live, fd) === 1) {
    const wanted = on(world, live, fd, (context) => world.rules.add(context, null, PLAIN));
    yield* world.ioctl(live, fd, IOASID_ALLOC, [undefined, wanted]);
    return;
  }
  const wanted = on(world, live, fd, (context) => allocated(world, context, attributes));
  yield* world.ioctl(live, fd, IOMMU_IOASID_ALLOC, [attributes, wanted]);
}

/** Version 2: a new space, or the errno of attributes that do not go together. */
function allocated({ rules }: World, context: RefContext, attributes: Attributes): number {
  const { flags = 0, type = 0, parent_ioasid: id = INVALID_IOASID, addr = 0n } = attributes;
  const { format = 0, addr_width: width = 0 } = attributes;
  const has = (...some: number[]) => some.some((flag) => (flags & flag) !== 0);
  if ((flags & ~KNOWN) !== 0) return -EINVAL;
  const parent = id === INVALID_IOASID ? null : context.spaces.get(id);
  if (parent === undefined) return -ENOENT;
  if (has(USER_PGTABLE, USER_PASID_TABLE)) {
    if (parent === null || parent.wanted.isDummy || parent.user !== null || addr % PAGE !== 0n) return -EINVAL;
    if (has(ENFORCE_SNOOP, NO_ENFORCE_SNOOP, DIRTY_TRACKING, DUMMY) || type !== 0) return -EINVAL;
    const isByPasid = has(USER_PASID_TABLE);
    const levels = [4, 5][(isByPasid ? [4, 8] : [1, 2]).indexOf(format)];
    if (levels === undefined) return -EOPNOTSUPP;
    const isWide = isByPasid ? width >= 1 && width <= 20 : width === 9 * levels + 12;
    if (!isWide || (isByPasid ? has(USER_PGTABLE) : has(GIOV))) return -EINVAL;
    const bits = isByPasid ? { pasidBits: width, usesPasidZero: has(GIOV) } : {};
    return rules.add(context, parent, { ...PLAIN, user: { top: Number(addr / PAGE), levels, ...bits } });
  }
  if (type !== 1 || addr !== 0n || format !== 0 || width < 1 || width > 64 || has(GIOV)) return -EINVAL;
  if (has(ENFORCE_SNOOP) && has(NO_ENFORCE_SNOOP)) return -EINVAL;
  if (has(DUMMY) && (parent !== null || has(DIRTY_TRACKING, ENFORCE_SNOOP, NO_ENFORCE_SNOOP))) return -EINVAL;
  if (parent !== null && parent.user !== null) return -EINVAL;
  const wanted = { isDummy: has(DUMMY), enforceSnoop: has(ENFORCE_SNOOP), tracksDirty: has(DIRTY_TRACKING) };
  return rules.add(context, parent, { ...wanted, width, user: null });
}

export function* free(world: World, live: Live, fd: number, ioasid: number): Script {
  const command = versionOf(world, live, fd) === 1 ? IOASID_FREE : IOMMU_IOASID_FREE;
  const wanted = on(world, live, fd, (context) => world.rules.free(context, ioasid));
  yield* world.ioctl(live, fd, command, [{ ioasid }, wanted]);
}

export function* map(world: World, live: Live, fd: number, wish: MapWish): Script {
  const command = versionOf(world, live, fd) === 1 ? IOASID_MAP_DMA : IOMMU_MAP_DMA;
  const wanted = on(world, live, fd, (context) => world.rules.map(context, live.ref, wish));
  yield* world.ioctl(live, fd, command, [{ ...wish }, wanted]);
}

export interface Range {
  readonly ioasid: number;
  readonly iova: bigint;
  readonly size: bigint;
}

/** Also the size that comes back. */
export function* unmap(world: World, live: Live, fd: number, range: Range): Script {
  const { ioasid, iova, size } = range;
  const command = versionOf(world, live, fd) === 1 ? IOASID_UNMAP_DMA : IOMMU_UNMAP_DMA;
  const context = world.contextOf(live, fd);
  const wanted = context === undefined ? -EBADF : world.rules.unmap(context, ioasid, iova, size);
  const { result, value } = yield* live.program.exchange(fd, command, range);
  const what = `${live.ref.name}: ${command.name}(${fd}) ioasid ${ioasid} ${iova.toString(16)} +${size.toString(16)}`;
  world.same(what, result, typeof wanted === 'number' ? wanted : 0);
  if (typeof wanted === 'bigint') world.same(`${what}: size`, value.size, wanted);
}

export function* nest(world: World, live: Live, fd: number, parent_ioasid: number): Script {
  const wanted = on(world, live, fd, (context) => world.rules.nest(context, parent_ioasid));
  yield* world.ioctl(live, fd, IOASID_CREATE_NESTING, [{ parent_ioasid }, wanted]);
}

export interface Table {
  readonly child_ioasid: number;
  readonly addr: bigint;
  readonly vendor: number;
  readonly address_width: number;
}

export interface PasidTable extends Table {
  /** Bits of a PASID. */
  readonly size: number;
  readonly flags: number;
}

export function* bindTable(world: World, live: Live, fd: number, table: Table): Script {
  const { child_ioasid: id, addr, vendor, address_width: width } = table;
  const wanted = on(world, live, fd, (context) => world.rules.bindTable(context, id, { addr, vendor, width }));
  yield* world.ioctl(live, fd, IOASID_BIND_PGTABLE, [{ ...table }, wanted]);
}

export function* bindPasidTable(world: World, live: Live, fd: number, table: PasidTable): Script {
  const { child_ioasid: id, addr, vendor, address_width: width, size: pasidBits, flags } = table;
  const wish = { addr, vendor, width, pasidBits, usesPasidZero: (flags & IoasidPasidTableFlag.GIOV) !== 0 };
  const wanted = on(world, live, fd, (context) => world.rules.bindPasidTable(context, id, wish));
  yield* world.ioctl(live, fd, IOASID_BIND_PASID_TABLE, [{ ...table }, wanted]);
}

export function* unbindPasidTable(world: World, live: Live, fd: number, ioasid: number): Script {
  const wanted = on(world, live, fd, (context) => world.rules.unbindPasidTable(context, ioasid));
  yield* world.ioctl(live, fd, IOASID_UNBIND_PASID_TABLE, [{ ioasid }, wanted]);
}

export function* unbindTable(world: World, live: Live, fd: number, ioasid: number): Script {
  const wanted = on(world, live, fd, (context) => world.rules.unbindTable(context, ioasid));
  yield* world.ioctl(live, fd, IOASID_UNBIND_PGTABLE, [{ ioasid }, wanted]);
}

export function* register(world: World, live: Live, fd: number, [vaddr, size]: readonly [bigint, bigint]): Script {
  const wanted = on(world, live, fd, (context) => world.rules.register(context, live.ref, vaddr, size));
  yield* world.ioctl(live, fd, IOASID_REGISTER_MEMORY, [{ vaddr, size }, wanted]);
}

export function* unregister(world: World, live: Live, fd: number, [vaddr, size]: readonly [bigint, bigint]): Script {
  const wanted = on(world, live, fd, (context) => world.rules.unregister(context, live.ref, vaddr, size));
  yield* world.ioctl(live, fd, IOASID_UNREGISTER_MEMORY, [{ vaddr, size }, wanted]);
}

/** Version 1 says how many spaces are nested on one. */
export function* info(world: World, live: Live, fd: number, [ioasid, dev_cookie]: readonly [number, bigint]): Script {
  if (versionOf(world, live, fd) === 2) {
    const wanted = on(world, live, fd, ({ devices }) =>
      devices.some(({ bound }) => bound!.cookie === dev_cookie) ? 0 : -EINVAL,
    );
    yield* world.ioctl(live, fd, IOMMU_DEVICE_GET_INFO, [{ dev_cookie }, wanted]);
    return;
  }
  const space = world.contextOf(live, fd) === undefined ? -EBADF : ready(world.contextOf(live, fd)!, ioasid);
  const { result, value } = yield* live.program.exchange(fd, IOASID_GET_INFO, { ioasid });
  world.same(
    `${live.ref.name}: IOASID_GET_INFO(${fd}) ioasid ${ioasid}`,
    result,
    typeof space === 'number' ? space : 0,
  );
  if (typeof space !== 'number') world.same('children', value.children, space.children.size);
}

export function* extension(world: World, live: Live, fd: number, number: number): Script {
  const command = versionOf(world, live, fd) === 1 ? IOASID_CHECK_EXTENSION : IOMMU_CHECK_EXTENSION;
  // MAP_TYPE1V2 and DIRTY_TRACKING; the others are what is built.
  const wanted = on(world, live, fd, () => (number === 1 || number === 8 ? 1 : 0));
  yield* world.ioctl(live, fd, command, [number, wanted]);
}
