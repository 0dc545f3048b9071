/** Random steps of a program that wants to know what devices write. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { handsOf } from './deeds.ts';
import { BITMAP_AT, getBitmap, setTracking } from './dirty-calls.ts';
import { checkDma, DEVICE_PAGES } from './dma.ts';
import { badOr, type Draw, fdOf, idOf } from './draw.ts';
import type { RefContext } from './files.ts';
import type { RefProcess } from './memory.ts';
import { unmap } from './space-calls.ts';
import type { RefMapping } from './spaces.ts';
import type { Live, World } from './world.ts';

const K4 = BigInt(PAGE_SIZE);
const NOTHING = { first: 0, pages: 1 };

/** Switches it on, mostly of a space that maps something and whose reader has nothing to lose. */
export function* track(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'context', draw);
  if (fd === undefined) return;
  const isFresh = draw.below(4) > 0;
  const ioasid = idOf(
    world.contextOf(live, fd),
    draw,
    (one) => isFresh === (one.written === null) && one.user === null,
  );
  yield* setTracking(world, live, fd, { ioasid, flags: badOr(draw, draw.rarely(5) ? 0 : 1, 2, 3) });
}

/** Asks for what was written in a mapping, or in a part of it, or in what is not mapped. */
export function* tell(world: World, live: Live, draw: Draw): Script {
  const fd = fdOf(live, 'context', draw);
  if (fd === undefined) return;
  const context = world.contextOf(live, fd);
  const ioasid = idOf(context, draw, ({ written, mappings }) => written !== null && mappings.length > 0);
  const mappings = context?.spaces.get(ioasid)?.mappings ?? [];
  const { first, pages } = mappings.length === 0 ? NOTHING : draw.of(mappings);
  const from = draw.rarely(3) ? draw.below(pages) : 0;
  const count = draw.rarely(3) ? 1 + draw.below(pages - from) : pages - from;
  const size = BigInt(draw.rarely(4) ? 2 : 1) * K4;
  const range = {
    iova: badOr(draw, BigInt(first + from) * K4, 0n, 8n, 2n ** 64n - K4),
    length: badOr(draw, BigInt(count) * K4, 0n, 100n, 2n * K4, 2n ** 64n - K4),
    page_size: badOr(draw, size, 0n, 2048n, 3n * K4, 2n ** 63n),
  };
  const data = badOr(draw, bitmapIn(live.ref, draw), 0n, 2n ** 63n);
  const wish = { ioasid, flags: badOr(draw, draw.rarely(3) ? 1 : 0, 2), ...range, data };
  yield* getBitmap(world, live, fd, [wish, draw.of([0, 0, 0x24])]);
}

/** Tracks writes where a device is, lets it write, and asks each space on the way down. */
export function* writeAndTell(world: World, live: Live, draw: Draw): Script {
  const hands = handsOf(live, draw);
  const led = hands?.devices.filter(([, { slots }]) => slots.size > 0) ?? [];
  if (hands === undefined || led.length === 0) return;
  const { fd } = hands;
  const slots = led.flatMap(([, device]) => [...device.slots].map(([pasid, stack]) => ({ device, pasid, stack })));
  const nested = slots.filter(({ stack }) => stack.length > 1);
  const { device, pasid, stack } = draw.of(nested.length === 0 || draw.rarely(3) ? slots : nested);
  const spaces = stack.filter(({ user }) => user === null);
  for (const { id, written } of spaces) {
    if (written === null && !draw.rarely(4)) yield* setTracking(world, live, fd, { ioasid: id, flags: 1 });
  }
  const request = { device: world.devices.indexOf(device), pasid, write: true };
  const pages = DEVICE_PAGES.filter((page) => device.way(pasid)?.at(page)?.write === true);
  for (let i = 0; i < Math.min(pages.length, 3); i++) yield* checkDma(world, { ...request, page: draw.of(pages) });
  // What is nested may be gone when the others are asked.
  const top = spaces.at(-1);
  if (top?.parent != null && top.mappings.length > 0 && draw.below(3) === 0) {
    const { first, pages: count } = draw.of(top.mappings);
    yield* unmap(world, live, fd, { ioasid: top.id, iova: BigInt(first) * K4, size: BigInt(count) * K4 });
  }
  for (const { id, mappings } of spaces) {
    for (const mapping of mappings) if (!draw.rarely(3)) yield* tellMapping(world, live, fd, [id, mapping]);
  }
}

/** Asks for everything that is still to be told. */
export function* tellAll(world: World): Script {
  for (const live of world.live) {
    for (const fd of live.ref.files.keys()) {
      for (const [ioasid, mapping] of tracked(world.contextOf(live, fd))) {
        yield* tellMapping(world, live, fd, [ioasid, mapping]);
      }
    }
  }
}

function tellMapping(
  world: World,
  live: Live,
  fd: number,
  [ioasid, { first, pages }]: readonly [number, RefMapping],
): Script {
  const range = { iova: BigInt(first) * K4, length: BigInt(pages) * K4, page_size: K4 };
  return getBitmap(world, live, fd, [{ ioasid, flags: 0, ...range, data: bitmapIn(live.ref) }, 0]);
}

function tracked(context: RefContext | undefined): (readonly [id: number, mapping: RefMapping])[] {
  return [...(context?.spaces ?? [])].flatMap(([id, { written, mappings }]) =>
    written === null ? [] : mappings.map((mapping) => [id, mapping] as const),
  );
}

/** A place for a bitmap in a page that the process may write, or now and then in another. */
function bitmapIn({ pages }: RefProcess, draw?: Draw): bigint {
  const isWanted = draw?.rarely(20) !== true;
  const [page = 1] = [...pages].find(([, { writable }]) => writable === isWanted) ?? [];
  return BigInt(page * PAGE_SIZE + BITMAP_AT);
}
