/** What programs do with several commands, so that random runs get anywhere: nesting, and telling of a changed table. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { IommuIoasidFlag } from '../../../src/uapi/index.ts';
import { invalidate } from './cache-calls.ts';
import { attachDevice } from './device-calls.ts';
import { GUEST } from './dma.ts';
import type { Draw } from './draw.ts';
import { NONE, type RefContext, RefDevice } from './files.ts';
import { lead } from './guest-table.ts';
import * as space from './space-calls.ts';
import type { RefSpace } from './spaces.ts';
import type { Live, World } from './world.ts';

const K4 = BigInt(PAGE_SIZE);

/** Descriptors of a context and of the devices that are bound to it. */
interface Hands {
  readonly fd: number;
  readonly context: RefContext;
  readonly devices: readonly (readonly [fd: number, device: RefDevice])[];
}

export function handsOf({ ref }: Live, draw: Draw): Hands | undefined {
  const contexts = [...ref.files].flatMap(([fd, { target }]) => (target instanceof RefDevice ? [] : [{ fd, target }]));
  if (contexts.length === 0) return undefined;
  const { fd, target: context } = draw.of(contexts);
  const devices = [...ref.files].flatMap(([number, file]) =>
    file.target instanceof RefDevice && file.target.bound?.file === file && file.target.bound.context === context
      ? [[number, file.target] as const]
      : [],
  );
  return { fd, context, devices };
}

/** Attributes of a space of version 2 that can be tracked, where anything can. */
export function trackable({ machine }: World): space.Attributes {
  return machine.facts.tracksDirty ? { flags: IommuIoasidFlag.DIRTY_TRACKING } : {};
}

/** A new space on the one where a device is: a part of that one, or a table of the process; its devices go there. */
export function* nest(world: World, live: Live, draw: Draw): Script {
  const hands = handsOf(live, draw);
  const led = hands?.devices.filter(([, device]) => device.slots.size > 0) ?? [];
  if (hands === undefined || led.length === 0) return;
  const { fd, context } = hands;
  const parent = [...draw.of(led)[1].slots.values()].flat().findLast(({ user }) => user === null);
  if (parent === undefined) return;
  const isUsers = draw.below(2) === 0;
  const pasid = draw.below(3) === 0 ? draw.of([3, 5]) : NONE;
  const tracked = draw.rarely(3) ? {} : trackable(world);
  const id = yield* make(world, live, hands, { parent, isUsers, five: draw.below(4) === 0 ? 1 : 0, tracked });
  if (!context.spaces.has(id)) return;
  for (const [device] of hands.devices) yield* attachDevice(world, live, device, { ioasid: id, pasid, again: fd });
  if (isUsers && context.version === 1)
    yield* space.bindTable(world, live, fd, tableOf(id, draw.below(4) === 0 ? 1 : 0));
  const part = parent.mappings.at(-1);
  if (isUsers || part === undefined) return;
  const source = BigInt(part.first + draw.below(part.pages)) * K4;
  const wish = { ioasid: id, flags: draw.of([3, 3, 1]), vaddr: source, iova: BigInt(draw.below(4)) * K4, size: K4 };
  yield* space.map(world, live, fd, wish);
}

interface Wish {
  readonly parent: RefSpace;
  readonly isUsers: boolean;
  readonly five: 0 | 1;
  readonly tracked: space.Attributes;
}

/** The number that the space should have. */
function* make(
  world: World,
  live: Live,
  { fd, context }: Hands,
  { parent, isUsers, five, tracked }: Wish,
): Script<number> {
  const before = new Set(context.spaces.keys());
  if (context.version === 1) yield* space.nest(world, live, fd, parent.id);
  else if (!isUsers)
    yield* space.allocate(world, live, fd, { ...tracked, type: 1, addr_width: 48, parent_ioasid: parent.id });
  else {
    const format = { flags: IommuIoasidFlag.USER_PGTABLE, format: 1 + five, addr_width: 48 + 9 * five };
    yield* space.allocate(world, live, fd, {
      ...format,
      parent_ioasid: parent.id,
      addr: BigInt(GUEST + 1 - five) * K4,
    });
  }
  return [...context.spaces.keys()].find((id) => !before.has(id)) ?? -1;
}

function tableOf(child_ioasid: number, five: 0 | 1): space.Table {
  return { child_ioasid, addr: BigInt(GUEST + 1 - five) * K4, vendor: 1, address_width: 48 + 9 * five };
}

/** Changes an entry of the process's own table, and tells every space that has one, or not. */
export function* leadAndTell(world: World, live: Live, draw: Draw): Script {
  yield* lead(world, live, draw);
  const hands = handsOf(live, draw);
  if (hands === undefined || draw.below(3) === 0) return;
  for (const { id, user } of hands.context.spaces.values()) {
    if (user === null) continue;
    const range = { ioasid: id, iova: BigInt(draw.below(3)) * K4, size: 2n * K4 };
    yield* invalidate(world, live, hands.fd, [id, draw.below(2) === 0 ? null : range]);
  }
}

/** Takes away what something is nested on. */
export function* cutBelow(world: World, live: Live, draw: Draw): Script {
  const hands = handsOf(live, draw);
  const parents = [...(hands?.context.spaces.values() ?? [])].filter(
    ({ children, mappings }) => children.size > 0 && mappings.length > 0,
  );
  if (hands === undefined || parents.length === 0) return;
  const parent = draw.of(parents);
  const { first, pages } = draw.of(parent.mappings);
  const range = { ioasid: parent.id, iova: BigInt(first) * K4, size: BigInt(pages) * K4 };
  yield* space.unmap(world, live, hands.fd, range);
}
