/** Where an IOMMU could lead requests beside what it leads elsewhere: what its tables cannot say together (AMD-Vi, fact sheet 3.5). */
import { EBUSY, EINVAL, EOPNOTSUPP } from '../../../src/uapi/index.ts';
import { type Facts, NONE } from './facts.ts';
import type { RefContext, RefDevice } from './files.ts';
import type { RefSpace } from './spaces.ts';

/** Some requests of a device: those with a PASID, or those without. */
export interface Slot {
  readonly device: RefDevice;
  readonly pasid: number;
}

/** 0, or why these requests cannot go to a space; all other slots of all devices stay as they are. */
export function routingRefusal(
  facts: Facts,
  contexts: Iterable<RefContext>,
  { device, pasid }: Slot,
  space: RefSpace,
): number {
  const { pasids, pasidBits } = facts;
  // What is attached by a PASID beside a PASID table leads no request anywhere.
  if (pasid !== NONE && device.pasidTable !== undefined) return 0;
  if (pasid !== NONE) {
    if (pasids === 'none') return -EOPNOTSUPP;
    // PASID 0 stands for requests without one.
    if (pasid === 0 || pasid >= 2 ** 20) return -EINVAL;
    if (pasids !== 'any' && (space.user === null || pasid >= 2 ** pasidBits)) return -EOPNOTSUPP;
  }
  if (pasids !== 'user tables over one host table') return 0;
  if (space.isByPasid && device.hasPasids) return -EBUSY;
  // Whether roots of GCR3 tables are guest addresses is one bit of the whole unit.
  const everywhere = [...contexts].flatMap(({ devices }) => devices.flatMap((one) => routed(one)));
  const others = everywhere.filter((one) => one.device !== device || one.pasid !== pasid);
  const isOfOtherKind = (one: RefSpace) => one.user !== null && one.isByPasid !== space.isByPasid;
  if (space.user !== null && others.some((one) => isOfOtherKind(one.space))) return -EBUSY;
  const own = others.filter((one) => one.device === device).map((one) => one.space);
  const sameHost = own.every((other) => hostOf(other) === hostOf(space));
  const levels = new Set([space, ...own].flatMap(({ user }) => user?.levels ?? []));
  return sameHost && levels.size <= 1 ? 0 : -EOPNOTSUPP;
}

/** Slots of a device that hardware knows of, and where they lead. */
function routed(device: RefDevice): (Slot & { readonly space: RefSpace })[] {
  const isRouted = (pasid: number) => pasid === NONE || device.pasidTable === undefined;
  return [...device.slots].flatMap(([pasid, stack]) =>
    isRouted(pasid) ? [{ device, pasid, space: stack.at(-1)! }] : [],
  );
}

/** The space whose table the kernel keeps, under a user's. */
function hostOf(space: RefSpace): RefSpace | null {
  return space.user === null ? space : space.parent;
}
