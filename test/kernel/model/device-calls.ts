/** Commands on files of devices, on both sides. */
import type { Script } from '../../../hardware/sim/index.ts';
import {
  E2BIG,
  EBADF,
  EINVAL,
  ENOTTY,
  IoasidAttachFlag,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DETACH_IOASID_2,
  VFIO_UNBIND_IOASID_FD,
  VfioAttachFlag,
} from '../../../src/uapi/index.ts';
import { type Asked, attach, bind, boundContext, detach, unbind } from './devices.ts';
import { NONE } from './facts.ts';
import type { RefContext } from './files.ts';
import type { Live, World } from './world.ts';

/** What a descriptor of a device stands for; `version`: which commands it takes. */
interface Target {
  readonly asked: Asked;
  readonly version: 1 | 2 | undefined;
}

function targetOf(world: World, live: Live, fd: number): Target | undefined {
  const asked = world.deviceOf(live, fd);
  return asked && { asked, version: boundContext(asked)?.version };
}

/** Binds with the structure of one version, whatever the descriptor in it is. */
export function* bindDevice(world: World, live: Live, fd: number, [given, cookie]: readonly [number, bigint]): Script {
  const target = targetOf(world, live, fd);
  const context = world.contextOf(live, given);
  const structure = context?.version ?? 2;
  const version = target?.version ?? structure;
  const isOther = context?.version !== version;
  let wanted = -EBADF;
  if (target !== undefined && version === structure) wanted = bind(target.asked, isOther ? undefined : context, cookie);
  // Version 2's structure is version 1's with a cookie behind it.
  else if (target !== undefined) wanted = version === 1 ? -E2BIG : -EINVAL;
  if (structure === 1) yield* world.ioctl(live, fd, VFIO_BIND_IOASID_FD, [{ ioasid_fd: given }, wanted]);
  else yield* world.ioctl(live, fd, VFIO_BIND_IOMMU_FD, [{ iommu_fd: given, cookie }, wanted]);
}

/** Version 1; in version 2 a device is given back by closing its file. */
export function* unbindDevice(world: World, live: Live, fd: number): Script {
  const target = targetOf(world, live, fd);
  if (target?.version === 2) return;
  const wanted = target === undefined ? -EBADF : unbind(world.rules, target.asked);
  yield* world.ioctl(live, fd, VFIO_UNBIND_IOASID_FD, [undefined, wanted]);
}

export interface Place {
  readonly ioasid: number;
  /** `NONE`: requests without one. */
  readonly pasid: number;
  /** Of version 2: the descriptor that is named again. */
  readonly again: number;
}

export function* attachDevice(world: World, live: Live, fd: number, { ioasid, pasid, again }: Place): Script {
  const target = targetOf(world, live, fd);
  const context = target && contextFor(world, live, target, again);
  const wanted =
    target === undefined
      ? -EBADF
      : context === undefined
        ? -EINVAL
        : attach(world.rules, target.asked.device, context, ioasid, pasid);
  const hasPasid = pasid !== NONE;
  if (target?.version === 2) {
    const with_ = hasPasid ? { flags: VfioAttachFlag.VPASID, vpasid: pasid } : {};
    yield* world.ioctl(live, fd, VFIO_ATTACH_IOASID_2, [{ iommu_fd: again, ioasid, ...with_ }, wanted]);
    return;
  }
  const with_ = hasPasid ? { flags: IoasidAttachFlag.USER_PASID, user_pasid: pasid } : {};
  yield* world.ioctl(live, fd, VFIO_ATTACH_IOASID, [{ ioasid, ...with_ }, wanted]);
}

export function* detachDevice(world: World, live: Live, fd: number, { ioasid, again }: Place): Script {
  const target = targetOf(world, live, fd);
  const context = target && contextFor(world, live, target, again);
  let wanted = -EBADF;
  if (target !== undefined) wanted = context === undefined ? -EINVAL : detach(target.asked.device, context, ioasid);
  if (target?.version === 2) {
    yield* world.ioctl(live, fd, VFIO_DETACH_IOASID_2, [{ iommu_fd: again, ioasid }, wanted]);
    return;
  }
  // Where a file is bound to nothing, a descriptor at this place of the structure tells which version is meant.
  const isMisread = target?.version === undefined && world.contextOf(live, ioasid)?.version === 2;
  if (target !== undefined && isMisread) wanted = -ENOTTY;
  yield* world.ioctl(live, fd, VFIO_DETACH_IOASID, [{ ioasid }, wanted]);
}

/** What the device is bound to, if the structure names it as its version asks. */
function contextFor(world: World, live: Live, { asked, version }: Target, again: number): RefContext | undefined {
  return boundContext(asked, version === 2 ? (world.contextOf(live, again) ?? null) : undefined);
}
