/** What programs do with several commands, so that random runs get anywhere: nesting, and telling of a changed table. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { IoasidPasidTableFlag, IommuIoasidFlag } from '../../../src/uapi/index.ts';
import { invalidate } from './cache-calls.ts';
import { attachDevice, detachDevice } from './device-calls.ts';
import { checkDma, DEVICE_PAGES, GUEST, PASIDS, type Request } from './dma.ts';
import type { Draw } from './draw.ts';
import { NONE } from './facts.ts';
import { type RefContext, RefDevice } from './files.ts';
import { entryOf, keeps, lead, leadPasid, tableOfLevels, tableOfPasids, type Used } from './guest-table.ts';
import * as space from './space-calls.ts';
import type { RefSpace } from './spaces.ts';
import type { Live, World } from './world.ts';

const K4 = BigInt(PAGE_SIZE);
const { USER_PGTABLE, USER_PASID_TABLE, GIOV } = IommuIoasidFlag;

/** Descriptors of a context and of the devices that are bound to it. */
interface Hands {
  readonly fd: number;
  readonly context: RefContext;
  readonly devices: readonly (readonly [fd: number, device: RefDevice])[];
}

function allHands({ ref }: Live): Hands[] {
  const contexts = [...ref.files].flatMap(([fd, { target }]) => (target instanceof RefDevice ? [] : [{ fd, target }]));
  return contexts.map(({ fd, target: context }) => {
    const devices = [...ref.files].flatMap(([number, file]) =>
      file.target instanceof RefDevice && file.target.bound?.file === file && file.target.bound.context === context
        ? [[number, file.target] as const]
        : [],
    );
    return { fd, context, devices };
  });
}

export function handsOf(live: Live, draw: Draw): Hands | undefined {
  const all = allHands(live);
  return all.length === 0 ? undefined : draw.of(all);
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
  const parents = [...draw.of(led)[1].slots.values()].flat().filter(({ user }) => user === null);
  const parent = parents.findLast((one) => draw.below(4) === 0 || one.at(GUEST) !== null) ?? parents.at(-1);
  if (parent === undefined) return;
  if (draw.below(2) === 0) yield* backTo(world, live, hands, parent);
  const kind = kindOf(world, draw);
  const pasid = kind !== 'PASID table' && draw.below(3) === 0 ? draw.of([3, 5]) : NONE;
  const tracked = draw.rarely(3) ? {} : trackable(world);
  const levels = draw.below(4) === 0 ? 5 : 4;
  const bits = draw.of([9, 9, 9, 2, 12]);
  const wish = { parent, kind, levels, tracked, bits } as const;
  const id = yield* make(world, live, hands, wish);
  if (!context.spaces.has(id)) return;
  for (const [device] of hands.devices) yield* attachDevice(world, live, device, { ioasid: id, pasid, again: fd });
  if (context.version === 1) yield* bindAs(kind, world, live, fd, { id, levels, bits });
  if (context.version === 1 && kind === 'PASID table') yield* standIn(world, live, hands, [id, wish, draw]);
  if (kind !== 'merged') {
    for (const _ of [0, 1, 2]) yield* leadAndTell(world, live, draw);
    return;
  }
  const part = parent.mappings.at(-1);
  if (part === undefined) return;
  const source = BigInt(part.first + draw.below(part.pages)) * K4;
  const range = { vaddr: source, iova: BigInt(draw.below(4)) * K4, size: K4 };
  yield* space.map(world, live, fd, { ioasid: id, flags: draw.of([3, 3, 1]), ...range });
}

/** Devices leave what they have been attached to since they were attached to a space, and all that they have by PASIDs. */
function* backTo(world: World, live: Live, { fd, devices }: Hands, parent: RefSpace): Script {
  for (const [number, device] of devices) {
    const slots = [...device.slots].sort(([a], [b]) => b - a);
    for (const [, stack] of slots) {
      for (const one of stack.slice(stack.indexOf(parent) + 1).reverse()) {
        yield* detachDevice(world, live, number, { ioasid: one.id, pasid: NONE, again: fd });
      }
    }
  }
}

/** What is nested: a part of the parent, or what a process keeps in it. */
type Kind = 'merged' | 'page table' | 'PASID table';

function kindOf({ machine }: World, draw: Draw): Kind {
  return draw.of(machine.facts.pasidTableBits > 0 ? ['merged', 'page table', 'PASID table'] : ['merged', 'page table']);
}

interface Wish {
  readonly parent: RefSpace;
  readonly kind: Kind;
  /** Of page tables. */
  readonly levels: 4 | 5;
  /** Of a PASID. */
  readonly bits: number;
  readonly tracked: space.Attributes;
}

/** The number that the space should have. */
function* make(
  world: World,
  live: Live,
  { fd, context }: Hands,
  { parent, kind, levels, bits, tracked }: Wish,
): Script<number> {
  const before = new Set(context.spaces.keys());
  if (context.version === 1) yield* space.nest(world, live, fd, parent.id);
  else if (kind === 'merged')
    yield* space.allocate(world, live, fd, { ...tracked, type: 1, addr_width: 48, parent_ioasid: parent.id });
  else {
    const format =
      kind === 'page table'
        ? { flags: USER_PGTABLE, format: levels - 3, addr_width: 12 + 9 * levels, addr: address(tableOfLevels(levels)) }
        : {
            flags: USER_PASID_TABLE | GIOV,
            format: (levels - 3) * 4,
            addr_width: bits,
            addr: address(tableOfPasids(bits)),
          };
    yield* space.allocate(world, live, fd, { ...format, parent_ioasid: parent.id });
  }
  return [...context.spaces.keys()].find((id) => !before.has(id)) ?? -1;
}

function address(page: number): bigint {
  return BigInt(page) * K4;
}

/** Version 1: what is nested has a table of the process from now on. */
function* bindAs(
  kind: Kind,
  world: World,
  live: Live,
  fd: number,
  { id, levels, bits }: { readonly id: number } & Pick<Wish, 'levels' | 'bits'>,
): Script {
  const table = { child_ioasid: id, address_width: 12 + 9 * levels };
  if (kind === 'page table') {
    yield* space.bindTable(world, live, fd, { ...table, vendor: 1, addr: address(tableOfLevels(levels)) });
  }
  if (kind === 'PASID table') {
    const of = { vendor: 2, addr: address(tableOfPasids(bits)), size: bits, flags: IoasidPasidTableFlag.GIOV };
    yield* space.bindPasidTable(world, live, fd, { ...table, ...of });
  }
}

/** Version 1: the page table that a PASID leads to is a space too, for what hardware has to forget and for faults. */
function* standIn(world: World, live: Live, hands: Hands, [table, wish, draw]: readonly [number, Wish, Draw]): Script {
  const { levels, bits } = wish;
  const pasid = draw.of([3, 5]);
  const id = yield* make(world, live, hands, wish);
  for (const [device] of hands.devices)
    yield* attachDevice(world, live, device, { ioasid: id, pasid, again: hands.fd });
  yield* bindAs('page table', world, live, hands.fd, { id, levels, bits });
  // It stays in use then.
  if (draw.below(2) === 0) yield* space.unbindPasidTable(world, live, hands.fd, table);
  else yield* detachDevice(world, live, draw.of(hands.devices)[0], { ioasid: table, pasid: NONE, again: hands.fd });
}

/** A request that goes through a table of a process, and who could tell that the table has changed. */
interface Use extends Request, Used {
  readonly teller: Live;
  readonly hands: Hands;
  /** Whose memory the table is. */
  readonly keeper: Live;
}

function usesOf(world: World): Use[] {
  const tellers = world.live.flatMap((teller) => allHands(teller).map((hands) => ({ teller, hands })));
  return tellers.flatMap(({ teller, hands }) =>
    hands.devices.flatMap(([, device]) =>
      PASIDS.flatMap((pasid) => {
        const space = device.pasidTable ?? device.goesTo(pasid);
        const keeper = world.live.find(({ ref }) => keeps(ref, space?.parent?.at(GUEST)?.cell));
        if (space === undefined || space.user === null || keeper === undefined) return [];
        const pages = DEVICE_PAGES.filter((page) => device.way(pasid)?.at(page) != null);
        const common = { device: world.devices.indexOf(device), pasid, write: false, isByPasid: space.isByPasid };
        return pages.map((page) => ({ ...common, page, teller, hands, keeper }));
      }),
    ),
  );
}

/** Changes an entry of a table that a device uses, and tells every space that has one, or not. */
export function* leadAndTell(world: World, live: Live, draw: Draw): Script {
  const uses = usesOf(world);
  if (uses.length === 0) {
    yield* lead(world, live, draw);
    return;
  }
  const byPasid = uses.filter(({ isByPasid }) => isByPasid);
  const use = draw.of(byPasid.length > 0 && draw.below(3) > 0 ? byPasid : uses);
  const { teller, hands, keeper } = use;
  // Hardware has something to forget then.
  yield* checkDma(world, use);
  const isOfPasid = use.isByPasid && draw.below(2) === 0;
  if (isOfPasid) yield* leadPasid(world, keeper, draw, use);
  else yield* lead(world, keeper, draw, use);
  if (draw.rarely(4)) return;
  // A space that stands for the PASID is enough.
  const standIn = use.isByPasid && draw.below(2) === 0 ? world.devices[use.device]!.goesTo(use.pasid) : undefined;
  for (const { id, user, isByPasid } of standIn === undefined ? hands.context.spaces.values() : [standIn]) {
    if (user === null) continue;
    const range = { ioasid: id, iova: BigInt(draw.below(3)) * K4, size: 2n * K4 };
    const isOne = isByPasid && hands.context.version === 2 && draw.below(3) > 0;
    const pasid = !isOne ? undefined : draw.rarely(6) ? draw.of([0, 3, 5]) : entryOf(use);
    const isAll = draw.below(isOfPasid ? 6 : 2) > 0 || (isByPasid && pasid === undefined);
    yield* invalidate(world, teller, hands.fd, [id, isAll ? null : range, pasid]);
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
