/** Random steps: commands with arguments that are chosen when it is known what there is. */
import fc from 'fast-check';
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { IommuIoasidFlag } from '../../../src/uapi/index.ts';
import * as cache from './cache-calls.ts';
import { cutBelow, leadAndTell, nest } from './deeds.ts';
import * as device from './device-calls.ts';
import { tell, track, writeAndTell } from './dirty-steps.ts';
import { GUEST, GUEST_PAGES } from './dma.ts';
import { again, badOr, Draw, fdOf, idOf, rangeOf } from './draw.ts';
import { NONE } from './facts.ts';
import { askForPages, hearAndAnswer } from './fault-steps.ts';
import { tableOfPasids } from './guest-table.ts';
import * as process from './process-calls.ts';
import * as space from './space-calls.ts';
import type { RefSpace } from './spaces.ts';
import type { Live, World } from './world.ts';

const K4 = BigInt(PAGE_SIZE);
const MOST_PROCESSES = 4;
const COOKIES = [0x11n, 0x22n, 0x33n, 0x44n];
const IOVAS = [0, 1, 2, 3, 0x1ff, 0x200, 0x201, GUEST, GUEST + 5, 0xfee00, 2 ** 36 - 2, 2 ** 36, 0xfd0_0000];

function* map(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'context', draw);
  if (fd === undefined) return;
  const ioasid = idOf(world.contextOf(live, fd), draw, ({ user }) => user === null);
  const parent = world.contextOf(live, fd)?.spaces.get(ioasid)?.parent ?? null;
  const flags = badOr(draw, draw.of([3, 3, 3, 3, 1, 2]), 0, 4, 7);
  const areas = live.ref.areas.length === 0 ? [{ first: 0x9999, pages: 1 }] : live.ref.areas;
  const area = draw.of(parent === null ? areas : [...parent.mappings, ...areas.slice(0, 1)]);
  // Guest memory as it is meant; a large page; or whatever.
  const isGuest = parent === null && draw.below(3) === 0;
  const isLarge = area.pages >= 512 && draw.below(2) === 0;
  const offset = isGuest || isLarge ? 0 : draw.below(Math.min(area.pages, GUEST_PAGES));
  const count = isGuest ? GUEST_PAGES : isLarge ? 512 : 1 + draw.below(3);
  const iova = isGuest ? GUEST : isLarge ? 0x200 : draw.of(IOVAS);
  const size = badOr(draw, BigInt(count) * K4, 0n, 100n, K4 + 1n, 2n ** 64n - K4);
  const wish = { ioasid, flags, vaddr: badOr(draw, BigInt(area.first + offset) * K4, 1n, 2n ** 64n - K4), size };
  yield* space.map(world, live, fd, { ...wish, iova: badOr(draw, BigInt(iova) * K4, 5n, 2n ** 64n - K4) });
}

function* unmap(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'context', draw);
  if (fd === undefined) return;
  const context = world.contextOf(live, fd);
  const ioasid = idOf(context, draw, ({ mappings }) => mappings.length > 0);
  const mappings = context?.spaces.get(ioasid)?.mappings ?? [];
  const one = mappings.length === 0 ? { first: 0, pages: 1 } : draw.of(mappings);
  const first = draw.rarely(8) ? draw.of([0, one.first + 1, 2 ** 51]) : one.first;
  const size = draw.rarely(6) ? draw.of([0n, K4, 7n, 2n ** 60n]) : BigInt(one.pages) * K4;
  yield* space.unmap(world, live, fd, { ioasid, iova: BigInt(first) * K4, size });
}

function* allocate(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'context', draw);
  if (fd === undefined) return;
  const parent_ioasid = idOf(world.contextOf(live, fd), draw, ({ user }) => user === null);
  const { USER_PGTABLE, ENFORCE_SNOOP, NO_ENFORCE_SNOOP, DIRTY_TRACKING, DUMMY, GIOV } = IommuIoasidFlag;
  const kernel = { type: 1, addr_width: badOr(draw, 48, 0, 39, 57, 65) };
  const levels = draw.of([1, 2]);
  const addr = badOr(draw, BigInt(GUEST + 2 - levels) * K4, 1n, 2n ** 52n, BigInt(GUEST + 5) * K4);
  const user = { flags: USER_PGTABLE, format: badOr(draw, levels, 0, 4), addr_width: badOr(draw, levels * 9 + 39, 30) };
  const attributes = draw.of<space.Attributes>([
    kernel,
    kernel,
    { ...kernel, parent_ioasid },
    { ...kernel, parent_ioasid },
    { ...user, parent_ioasid, addr },
    { ...user, parent_ioasid, addr },
    { ...user, parent_ioasid, addr },
    { ...kernel, flags: DUMMY },
    { ...kernel, flags: draw.of([ENFORCE_SNOOP, NO_ENFORCE_SNOOP, DIRTY_TRACKING, DUMMY | ENFORCE_SNOOP, GIOV, 256]) },
    {
      flags: draw.of([2, 2, 2 | GIOV, 2 | GIOV, 3]),
      format: draw.of([4, 4, 8, 1]),
      addr_width: draw.of([9, 9, 2, 12, 0, 20, 21]),
      addr: BigInt(tableOfPasids(draw.of([9, 12]))) * K4,
      parent_ioasid,
    },
    { ...user, addr },
  ]);
  yield* space.allocate(world, live, fd, attributes);
}

function* attach(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'bound device', draw);
  if (fd === undefined) return;
  const found = world.deviceOf(live, fd)?.device;
  const context = found?.bound?.context;
  const pasid = draw.below(3) === 0 ? draw.of([3, 5, 3, 5, 3, 5, 0, 600, 2 ** 20]) : NONE;
  const top = found?.goesTo(pasid);
  // Mostly what fits: a root, or what is nested on the space where the device is.
  const ioasid = idOf(context, draw, (one) =>
    top === undefined ? one.parent === null || found!.isAttached(one.parent) : one.parent === top,
  );
  yield* device.attachDevice(world, live, fd, { ioasid, pasid, again: again(live, context, draw) });
}

function* detach(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'bound device', draw);
  if (fd === undefined) return;
  const found = world.deviceOf(live, fd)?.device;
  const context = found?.bound?.context;
  const tops = [...(found?.slots.values() ?? [])].map((stack) => stack.at(-1));
  const ioasid = idOf(context, draw, (one) => tops.includes(one));
  yield* device.detachDevice(world, live, fd, { ioasid, pasid: NONE, again: again(live, context, draw) });
}

function* invalidate(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'context', draw);
  if (fd === undefined) return;
  const ioasid = idOf(world.contextOf(live, fd), draw, ({ user }) => user !== null);
  const range = { ioasid, iova: BigInt(draw.below(8)) * K4, size: BigInt(draw.below(4)) * K4 };
  if (space.versionOf(world, live, fd) === 1 || draw.below(2) === 0) {
    yield* cache.invalidate(world, live, fd, [ioasid, draw.below(2) === 0 ? null : range]);
    return;
  }
  yield* cache.invalidateAs(world, live, fd, {
    child_ioasid: ioasid,
    flags: draw.of([0, 0, 0, 1, 2, 2, 3, 4]),
    cache: draw.of([1, 1, 1, 1, 2, 3, 4, 5, 7, 0, 8]),
    granularity: draw.of([0, 1, 2, 2, 3]),
    vpasid: draw.of([0, 3, 5, 511, 512, 2 ** 20, 2 ** 32 - 1]),
    dev_cookie: draw.of([1n, 2n, ...COOKIES]),
    addr: badOr(draw, range.iova, 8n, 2n ** 64n - K4),
    granule_size: draw.of([K4, K4, K4, 2n * K4, 0n, 3n * K4]),
    nb_granules: draw.of([1n, 2n, 3n, 0n, 2n ** 51n, 2n ** 63n]),
  });
}

function* bindDevice(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'device', draw);
  const given = fdOf(live, draw.rarely(12) ? 'device' : 'context', draw);
  if (fd === undefined || given === undefined) return;
  yield* device.bindDevice(world, live, fd, [given, draw.of(COOKIES)]);
}

function* bindTable(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'version 1', draw);
  if (fd === undefined) return;
  const context = world.contextOf(live, fd);
  const child_ioasid = idOf(context, draw, (one) => isUnfilled(one) && context!.attached(one).length > 0);
  const five = draw.below(2);
  const addr = badOr(draw, BigInt(GUEST + 1 - five) * K4, 1n, 2n ** 52n);
  const format = { vendor: badOr(draw, 1, 0, 2), address_width: badOr(draw, 48 + five * 9, 0, 39) };
  yield* space.bindTable(world, live, fd, { child_ioasid, addr, ...format });
}

function* bindPasidTable(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'version 1', draw);
  if (fd === undefined) return;
  const context = world.contextOf(live, fd);
  const child_ioasid = idOf(context, draw, (one) => isUnfilled(one) && context!.attached(one).length > 0);
  const size = badOr(draw, draw.of([9, 9, 2, 12]), 0, 21);
  const addr = badOr(draw, BigInt(tableOfPasids(size)) * K4, 1n, 2n ** 52n);
  const format = { vendor: badOr(draw, 2, 0, 1, 3), address_width: badOr(draw, draw.of([48, 48, 57]), 0, 39), size };
  yield* space.bindPasidTable(world, live, fd, { child_ioasid, addr, ...format, flags: draw.below(2) });
}

/** A table of the process can be bound to it. */
function isUnfilled({ parent, user, mappings }: RefSpace): boolean {
  return parent !== null && user === null && mappings.length === 0;
}

type Action = (world: World, live: Live, draw: Draw) => Script;

/** A command of version 1 on a space, mostly on one whose table is the user's, or is not. */
function withSpace(command: (world: World, live: Live, fd: number, id: number) => Script, isUsers: boolean): Action {
  return function* (world, live, draw) {
    const fd = fdOf(live, 'version 1', draw);
    if (fd === undefined) return;
    const context = world.contextOf(live, fd);
    const isMeant = (one: RefSpace) => (one.user !== null) === isUsers && context!.attached(one).length > 0;
    yield* command(world, live, fd, idOf(context, draw, isMeant));
  };
}

function withRange(
  command: (world: World, live: Live, fd: number, range: readonly [bigint, bigint]) => Script,
): Action {
  return function* (world, live, draw) {
    const fd = fdOf(live, 'version 1', draw);
    const { first, pages } = rangeOf(live, draw);
    const size = badOr(draw, BigInt(Math.min(pages, GUEST_PAGES)) * K4, 0n, 9n);
    if (fd !== undefined) yield* command(world, live, fd, [BigInt(first) * K4, size]);
  };
}

/** With how often each comes. */
const ACTIONS: readonly (readonly [weight: number, action: Action])[] = [
  [
    4,
    (world, live, draw) =>
      process.open(world, live, draw.of(['/dev/ioasid', '/dev/iommu', ...world.paths, '/dev/null'])),
  ],
  [1, (world, live, draw) => process.close(world, live, draw.of([...live.ref.files.keys(), 15]))],
  [2, (world, live) => (world.live.length < MOST_PROCESSES ? process.fork(world, live) : nothing())],
  [
    1,
    function* (world, live) {
      yield* process.exit(world, live);
      if (world.live.length === 0) world.start();
    },
  ],
  [2, (world, live, draw) => process.mmap(world, live, draw.rarely(4) ? 512 : 1 + draw.below(4), !draw.rarely(3))],
  [
    2,
    (world, live, draw) => {
      const { first, pages } = rangeOf(live, draw);
      return process.munmap(world, live, first, draw.rarely(12) ? 0 : pages);
    },
  ],
  [
    3,
    function* (world, live, draw) {
      const pages = [...live.ref.pages].filter(([, { writable }]) => writable).map(([page]) => page);
      if (pages.length > 0) process.store(world, live, draw.of(pages.slice(0, 40)));
    },
  ],
  [12, leadAndTell],
  [14, nest],
  [4, cutBelow],
  [9, bindDevice],
  [
    2,
    function* (world, live, draw) {
      const fd = fdOf(live, 'device', draw);
      if (fd !== undefined) yield* device.unbindDevice(world, live, fd);
    },
  ],
  [14, attach],
  [6, detach],
  [12, allocate],
  [
    4,
    function* (world, live, draw) {
      const fd = fdOf(live, 'context', draw);
      const context = fd === undefined ? undefined : world.contextOf(live, fd);
      const id = idOf(context, draw, (one) => one.children.size === 0);
      if (fd !== undefined) yield* space.free(world, live, fd, id);
    },
  ],
  [7, withSpace(space.nest, false)],
  [12, bindTable],
  [2, withSpace(space.unbindTable, true)],
  [3, bindPasidTable],
  [2, withSpace(space.unbindPasidTable, true)],
  [18, map],
  [8, unmap],
  [4, invalidate],
  [4, track],
  [6, tell],
  [12, writeAndTell],
  [12, askForPages],
  [4, hearAndAnswer],
  [2, withRange(space.register)],
  [2, withRange(space.unregister)],
  [
    2,
    function* (world, live, draw) {
      const fd = fdOf(live, 'context', draw);
      const which = [idOf(fd === undefined ? undefined : world.contextOf(live, fd), draw), draw.of(COOKIES)] as const;
      if (fd !== undefined) yield* space.info(world, live, fd, which);
    },
  ],
  [
    1,
    function* (world, live, draw) {
      const fd = fdOf(live, 'context', draw);
      if (fd !== undefined) yield* space.extension(world, live, fd, draw.of([0, 1, 8, 999]));
    },
  ],
];

function* nothing(): Script {}

const WHEEL = ACTIONS.flatMap(([weight, action]) => Array.from({ length: weight }, () => action));

export type Step = readonly number[];

/** A command, the process that gives it, and what its arguments are made of; at the end the DMA that follows. */
export const step: fc.Arbitrary<Step> = fc.noBias(fc.array(fc.nat(0xffff), { minLength: 40, maxLength: 40 }));

export function perform(world: World, numbers: Step): Script {
  const draw = new Draw(numbers);
  const action = draw.of(WHEEL);
  return action(world, draw.of(world.live), draw);
}
