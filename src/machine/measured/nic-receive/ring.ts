/**
 * The receive ring of a channel as a driver keeps it: descriptors of 64 pages each, which are posted two at a time, or one where there
 * are few. Pages of a descriptor that is used up go through a short queue, in which they wait mapped until readers are done with them:
 * when the first of it is still in use, other pages are mapped, and what the queue has no room for is unmapped.
 */
import type { PageNumber } from '../../../../hardware/bits/index.ts';
import { type Burst, burstPieces } from '../../../../hardware/path/index.ts';
import { type Random, Ring, type Script } from '../../../../hardware/sim/index.ts';
import type { IoSpace } from './io-space.ts';
import { DESCRIPTOR_PAGES, type PacketGeometry } from './values.ts';

/** A page that a device writes into. */
export class Frame {
  page: PageNumber;
  /** Packets in it that nobody has read. */
  unread = 0;
  isPosted = true;

  constructor(page: PageNumber) {
    this.page = page;
  }
}

export interface Descriptor {
  readonly frames: readonly Frame[];
  /** Packets that have been written or are on their way. */
  packets: number;
}

/** Where a packet goes. */
export interface Place {
  readonly descriptor: Descriptor;
  readonly frames: readonly Frame[];
  readonly pieces: Burst['pieces'];
  /** Nothing comes behind it in its descriptor. */
  readonly isLast: boolean;
}

/** Entries of the queue of pages; one of 256 always stays free. */
const QUEUE_PLACES = 255;
const PAGE = 4096;
const HUGE_PAGES = 512;

export class ReceiveRing {
  readonly #space: IoSpace;
  readonly #geometry: PacketGeometry;
  readonly #posted = new Ring<Descriptor>();
  /** Waiting for their readers, mapped, the oldest first. */
  readonly #queue = new Ring<Frame>();
  #current: Descriptor | null = null;
  /** Descriptors that are used up. */
  #missing = 0;

  constructor(space: IoSpace, geometry: PacketGeometry) {
    this.#space = space;
    this.#geometry = geometry;
  }

  /** Before the measurement. */
  post(frames: readonly Frame[]): void {
    this.#posted.push({ frames, packets: 0 });
  }

  keep(frame: Frame): void {
    frame.isPosted = false;
    this.#queue.push(frame);
  }

  /** The place of the next packet; nothing when no descriptor is posted. */
  take(): Place | undefined {
    const { stride, frame: length } = this.#geometry;
    this.#current ??= this.#posted.length === 0 ? null : this.#posted.shift();
    const descriptor = this.#current;
    if (descriptor === null) return undefined;
    const start = this.#geometry.place(descriptor.packets++);
    const frames = descriptor.frames.slice(Math.floor(start / PAGE), Math.floor((start + length - 1) / PAGE) + 1);
    const isLast = this.#geometry.place(descriptor.packets) < 0;
    if (isLast) this.#current = null;
    for (const frame of frames) frame.unread++;
    const pieces = burstPieces(start, Math.min(length, stride), (index) => descriptor.frames[index]!.page);
    return { descriptor, frames, pieces, isLast };
  }

  /** A reader has copied a packet. */
  read(frames: readonly Frame[]): void {
    for (const frame of frames) {
      frame.unread--;
      if (this.#space.keeps) this.#recycle(frame);
    }
  }

  /** The driver has seen the last packet of a descriptor. */
  *useUp({ frames }: Descriptor): Script {
    this.#missing++;
    for (const frame of frames) frame.isPosted = false;
    if (this.#space.keeps) {
      for (const frame of frames) this.#recycle(frame);
    } else if (this.#space.protection === 'fands') {
      yield* this.#space.unmap(frames[0]!.page, DESCRIPTOR_PAGES);
    } else {
      const rest = frames.slice(Math.max(QUEUE_PLACES - this.#queue.length, 0));
      for (const frame of frames.slice(0, frames.length - rest.length)) this.#queue.push(frame);
      for (const { page } of rest) yield* this.#space.unmap(page);
    }
  }

  /** Posts descriptors in place of those that are used up. */
  *refill(): Script {
    if (this.#missing < this.#geometry.postedTogether) return;
    for (; this.#missing > 0; this.#missing--) this.post(yield* this.#frames());
  }

  *#frames(): Script<Frame[]> {
    if (this.#space.protection === 'fands') return inOrder(yield* this.#space.map(DESCRIPTOR_PAGES), DESCRIPTOR_PAGES);
    const frames: Frame[] = [];
    while (frames.length < DESCRIPTOR_PAGES) {
      const first = this.#queue.first;
      if (first !== undefined && first.unread === 0) {
        first.isPosted = true;
        frames.push(this.#queue.shift());
      } else frames.push(new Frame(yield* this.#space.map()));
    }
    return frames;
  }

  /** Back to those that can be posted, once nobody needs it. */
  #recycle(frame: Frame): void {
    if (frame.unread === 0 && !frame.isPosted) this.#queue.push(frame);
  }
}

function inOrder(first: PageNumber, pages: number): Frame[] {
  return Array.from({ length: pages }, (_, i) => new Frame(first + i));
}

/**
 * Fills the rings of all channels at the same time, page by page, as their cores do when an interface comes up, and returns those of
 * the first `active`, which are used. Where pages are lent one by one, each has been exchanged for others of its core again and
 * again since: which lies where has no order any more.
 */
export function fillRings(
  space: IoSpace,
  geometry: PacketGeometry,
  { channels, active, random }: { readonly channels: number; readonly active: number; readonly random: Random },
): ReceiveRing[] {
  const rings = Array.from({ length: channels }, () => new ReceiveRing(space, geometry));
  const pages: PageNumber[][] = rings.map(() => []);
  const each = geometry.descriptors * DESCRIPTOR_PAGES;
  const isTogether = space.protection === 'fands' || space.protection === 'huge';
  const together = !isTogether ? 1 : space.protection === 'huge' ? HUGE_PAGES : DESCRIPTOR_PAGES;
  const queued = isTogether ? 0 : QUEUE_PLACES;
  for (let taken = 0; taken < each + queued; taken += together) {
    // What waits for readers has been added since, where there are any.
    const filled = taken < each ? pages : pages.slice(0, active);
    for (const [channel, own] of filled.entries()) {
      const first = channel < active ? space.reserve(together) : space.take(together);
      for (let i = 0; i < together; i++) own.push(first + i);
    }
  }
  return rings.slice(0, active).map((ring, channel) => {
    const own = pages[channel]!;
    if (!isTogether) random.shuffle(own);
    const frames = own.map((page) => new Frame(page));
    for (let at = 0; at < each; at += DESCRIPTOR_PAGES) ring.post(frames.slice(at, at + DESCRIPTOR_PAGES));
    for (const frame of frames.slice(each)) ring.keep(frame);
    return ring;
  });
}
