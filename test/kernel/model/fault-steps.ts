/** Random steps of devices that ask for pages, and of programs that hear of it. */
import type { Script } from '../../../hardware/sim/index.ts';
import { DEVICE_PAGES, PASIDS } from './dma.ts';
import { badOr, type Draw, fdOf } from './draw.ts';
import { NONE } from './facts.ts';
import { ask, readFaults, respond } from './fault-calls.ts';
import type { Answer } from './faults.ts';
import type { Live, World } from './world.ts';

/** Some pages at once, and now and then so many groups that there is no room for all; mostly somebody hears of it. */
export function* askForPages(world: World, _: Live, draw: Draw): Script {
  const askers = world.devices.filter(({ asks }) => asks);
  if (askers.length === 0) return;
  const device = draw.of(askers);
  const isFlood = draw.rarely(20);
  for (let i = isFlood ? 5 : 1 + draw.below(3); i > 0; i--) {
    const slots = [...device.slots.keys()];
    const isAny = slots.length === 0 || device.pasidTable !== undefined || draw.rarely(4);
    const pasid = draw.of(isAny ? PASIDS : slots);
    const pages = Array.from({ length: isFlood ? 60 : 1 + draw.below(3) }, () => draw.of(DEVICE_PAGES));
    yield* ask(world, { device, pasid, pages, ...draw.of(RIGHTS) });
  }
  const hearers = world.live.flatMap((live) =>
    [...live.ref.files].flatMap(([fd, { target }]) => (target === device.bound?.context ? [{ live, fd }] : [])),
  );
  if (hearers.length === 0 || draw.rarely(3)) return;
  const { live, fd } = draw.of(hearers);
  yield* hear(world, live, draw, fd);
}

const RIGHTS = [
  { read: true, write: false },
  { read: true, write: true },
  { read: false, write: true },
];

export function* hearAndAnswer(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'context', draw);
  if (fd !== undefined) yield* hear(world, live, draw, fd);
}

/** Reads some records, and answers some of the groups, or what nobody has asked. */
function* hear(world: World, live: Live, draw: Draw, fd: number): Script {
  if (!draw.rarely(3)) yield* readFaults(world, live, fd, draw.of([0, 1, 1, 2, 4, 64]));
  const context = world.contextOf(live, fd);
  const waiting = [...(context?.faults.waiting ?? [])];
  if (context === undefined || (waiting.length === 0 && !draw.rarely(4))) return;
  const answers = Array.from({ length: badOr(draw, 1 + draw.below(2), 0) }, (): Answer => {
    const [group, { ioasid, cookie }] = waiting.length === 0 ? UNKNOWN : draw.of(waiting);
    const other = { cookie: cookie + 1n };
    const good = { ioasid, group, code: draw.below(3), cookie };
    const bad = draw.of([{ ioasid: ioasid + 1 }, { group: group + 1 }, { code: 3 }, other, other]);
    return draw.below(2) === 0 ? { ...good, ...bad } : good;
  });
  yield* respond(world, live, fd, answers);
}

/** Groups that have no answer when everything ends. */
export function* askLast(world: World): Script {
  for (const device of world.devices.filter(({ asks }) => asks)) {
    yield* ask(world, { device, pasid: [...device.slots.keys()].at(-1) ?? NONE, pages: [1, 2], ...RIGHTS[0]! });
  }
}

const UNKNOWN = [1, { ioasid: 1, cookie: 1n }] as const;
