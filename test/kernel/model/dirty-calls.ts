/** Commands for dirty tracking, on both sides. */
import type { Script } from '../../../hardware/sim/index.ts';
import {
  EBADF,
  IOASID_GET_DIRTY_BITMAP,
  IOASID_SET_DIRTY_TRACKING,
  IOMMU_GET_DIRTY_BITMAP,
  IOMMU_SET_DIRTY_TRACKING,
} from '../../../src/uapi/index.ts';
import { type BitmapWish, type TrackWish, tell, track } from './dirty-rules.ts';
import { versionOf } from './space-calls.ts';
import type { Live, World } from './world.ts';

/** Where in a page bitmaps are: behind its mark, and where no walk of a table comes by. */
export const BITMAP_AT = 0xc00;

export function* setTracking(world: World, live: Live, fd: number, wish: TrackWish): Script {
  const command = versionOf(world, live, fd) === 1 ? IOASID_SET_DIRTY_TRACKING : IOMMU_SET_DIRTY_TRACKING;
  const context = world.contextOf(live, fd);
  const wanted = context === undefined ? -EBADF : track(world.rules, context, wish);
  yield* world.ioctl(live, fd, command, [{ ...wish }, wanted]);
}

/** Also the bits, which are added to those of a bitmap that has `before` in each byte. */
export function* getBitmap(
  world: World,
  live: Live,
  fd: number,
  [wish, before]: readonly [BitmapWish, number],
): Script {
  const command = versionOf(world, live, fd) === 1 ? IOASID_GET_DIRTY_BITMAP : IOMMU_GET_DIRTY_BITMAP;
  const context = world.contextOf(live, fd);
  const told = context === undefined ? -EBADF : tell(world.rules, context, live.ref, wish);
  if (typeof told === 'number') {
    yield* world.ioctl(live, fd, command, [{ ...wish }, told]);
    return;
  }
  const { program } = live;
  const bytes = Math.ceil(told.length / 8);
  program.write(wish.data, new Uint8Array(bytes).fill(before));
  yield* world.ioctl(live, fd, command, [{ ...wish }, 0]);
  const bitmap = program.read(wish.data, bytes);
  const had = (bit: number) => (before & (1 << (bit % 8))) !== 0;
  for (let bit = 0; bit < bytes * 8; bit++) {
    const is = (bitmap[Math.floor(bit / 8)]! & (1 << (bit % 8))) !== 0;
    const wanted = had(bit) ? 'yes' : (told[bit] ?? 'no');
    if (is ? wanted === 'no' : wanted === 'yes') {
      world.fail(`bit ${bit} of what ${live.ref.name} is told of space ${wish.ioasid} is ${is ? 1 : 0}`);
    }
  }
  const written = [...told.keys()].filter((bit) => told[bit] === 'yes');
  world.story.push(`  written: [${written}]`);
}
