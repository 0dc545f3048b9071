/** What a device's commands give and do, by the proposal's text and its errno table (2.6). */
import { EADDRINUSE, EBUSY, EINVAL } from '../../../src/uapi/index.ts';
import { isPermitted, NONE } from './facts.ts';
import type { RefContext, RefDevice, RefFile } from './files.ts';
import { routingRefusal } from './routing.ts';
import type { Rules } from './rules.ts';
import type { RefSpace } from './spaces.ts';

/** A file that a device's command was given on, as the descriptor in its structure tells which context is meant. */
export interface Asked {
  readonly device: RefDevice;
  readonly file: RefFile;
}

export function bind({ device, file }: Asked, target: RefContext | undefined, cookie: bigint): number {
  if (target === undefined) return -EINVAL;
  if (device.bound !== null) return -EBUSY;
  if (target.version === 2 && target.devices.some(({ bound }) => bound!.cookie === cookie)) return -EBUSY;
  const owners = device.group.flatMap(({ bound }) => bound?.context ?? []);
  if (owners.some((owner) => owner !== target)) return -EBUSY;
  device.bound = { file, context: target, cookie };
  target.devices.push(device);
  return 0;
}

/** The context that a file has bound its device to; in version 2 the structure names it once more. */
export function boundContext({ device, file }: Asked, again?: RefContext | null): RefContext | undefined {
  if (device.bound?.file !== file) return undefined;
  const { context } = device.bound;
  return again === undefined || again === context ? context : undefined;
}

export function unbind(rules: Rules, asked: Asked): number {
  const context = boundContext(asked);
  if (context === undefined) return -EINVAL;
  const { device } = asked;
  for (const pasid of device.slots.keys()) context.faults.moved(device, pasid);
  const left = [...device.slots.values()].flat();
  device.slots.clear();
  for (const space of left) leave(context, space);
  context.devices.splice(context.devices.indexOf(device), 1);
  device.bound = null;
  context.endIfUnused();
  if (context.spaces.size === 0 && !context.isOpen && context.devices.length === 0) rules.contexts.delete(context);
  return 0;
}

/** The device's requests with a PASID, or those without, go to a space from now on. */
export function attach(rules: Rules, device: RefDevice, context: RefContext, id: number, pasid: number): number {
  const space = context.spaces.get(id);
  // In version 2 the one space stands for all that its PASIDs lead to.
  if (context.version === 2 && pasid !== NONE && device.pasidTable !== undefined) return -EINVAL;
  if (space === undefined || space.wanted.isDummy || device.isAttached(space)) return -EINVAL;
  const stack = device.slots.get(pasid) ?? [];
  const { parent } = space;
  if (stack.length > 0 && stack.at(-1) !== parent) return -EBUSY;
  const needsParent = parent !== null && !parent.wanted.isDummy;
  if (needsParent && !device.isAttached(parent)) return -EINVAL;
  if (!agrees(device, context, pasid, [...stack, space])) return -EINVAL;
  // A PASID table takes all requests: those with PASIDs may not go anywhere yet, and none may lead to it.
  if (space.isByPasid && pasid !== NONE) return -EINVAL;
  if (space.isByPasid && device.hasPasids) return -EBUSY;
  const reached = device.pasidTable?.user?.pasidBits;
  if (pasid !== NONE && reached !== undefined && pasid >= 2 ** reached) return -EINVAL;
  const refusal = rules.refusal(context, space);
  if (refusal !== 0) return refusal;
  const reaches = space.mappings.every(({ first, pages }) => isPermitted(rules.facts, first, pages));
  if (space.user === null && !rules.isHeld(context, space) && !reaches) return -EADDRINUSE;
  const routing = routingRefusal(rules.facts, rules.contexts, { device, pasid }, space);
  context.faults.moved(device, pasid);
  if (routing === 0) device.slots.set(pasid, [...stack, space]);
  return routing;
}

export function detach(device: RefDevice, context: RefContext, id: number): number {
  for (const [pasid, stack] of device.slots) {
    const space = stack.find((one) => one.id === id);
    if (space === undefined) continue;
    if ([...space.children].some((child) => device.isAttached(child))) return -EBUSY;
    if (space === device.pasidTable && device.hasPasids) return -EBUSY;
    context.faults.moved(device, pasid);
    if (stack.length > 1) device.slots.set(pasid, stack.slice(0, -1));
    else device.slots.delete(pasid);
    leave(context, space);
    return 0;
  }
  return -EINVAL;
}

/** Devices of a group go to one space, or to it and one that is nested on it. */
function agrees(device: RefDevice, context: RefContext, pasid: number, stack: readonly RefSpace[]): boolean {
  const others = device.group.filter((other) => other !== device && other.bound?.context === context);
  return others.every((other) => {
    const theirs = other.slots.get(pasid) ?? [];
    return theirs.every((space, i) => i >= stack.length || space === stack[i]);
  });
}

/** Version 1's mappings end with the last device, and with them what is tracked. */
function leave(context: RefContext, space: RefSpace): void {
  if (context.attached(space).length > 0) return;
  space.dropFirstStages();
  if (context.version === 2) return;
  space.mappings.length = 0;
  space.written = null;
}
