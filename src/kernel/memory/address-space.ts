/**
 * The memory of one process: areas that it has asked for, frames that come when a page is first touched, and x86-64 page tables
 * that lead to them, which hardware may walk too. `copyFromUser` and `copyToUser` are the only ways of kernel code to it.
 *
 * Before frames or rights are taken away, those who keep translations are told (`subscribe`), and waited for. Where that
 * happens inside a load or a store, which take no time of their own, it is made up for by `settle`: so is what they cost.
 */
import { PAGE_SIZE, type PageNumber, pageOf } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EFAULT, EINVAL, EIO, ENOMEM } from '../../uapi/index.ts';
import { Areas, END_PAGE, type Placement } from './areas.ts';
import type { LockedPages } from './locked-pages.ts';
import { type GivenUp, type MemoryServices, PresentPages } from './present-pages.ts';

export type { Placement } from './areas.ts';

/** Bytes that one copy moves at most. */
const LONGEST_COPY = 2 ** 30;

/** Frames that a device may use, and whoever takes them back: the space that is charged for them. */
export interface Pinned {
  readonly space: { unpin(pinned: Pinned): void };
  readonly frames: Float64Array;
  /** Where each of them is charged once; left out: charged each time. */
  readonly charged?: LockedPages | undefined;
}

/**
 * Somebody who keeps translations of an address space. Each call ends when nothing reaches the old frames any more, with 0, or
 * with a negative errno when that is not certain: then they are never used again.
 */
export interface MmuNotifier {
  /** The pages have gone, have other frames now, or may only be read. */
  invalidate(first: PageNumber, pages: number): Script<number>;
  /** The address space ends, and its tables with it. */
  release(): Script<number>;
}

export class AddressSpace {
  /** RLIMIT_MEMLOCK in pages. */
  lockLimit: number;
  readonly #services: MemoryServices;
  readonly #present: PresentPages;
  readonly #notifiers = new Set<MmuNotifier>();
  /** Pages that have other frames or rights, of which nobody has been told yet, and the frames that they had. */
  readonly #stale: { readonly page: PageNumber; readonly frame: PageNumber }[] = [];
  #areas = new Areas();
  #locked = 0;
  #hasEnded = false;

  constructor(services: MemoryServices, lockLimit: number) {
    this.#services = services;
    this.#present = new PresentPages(services);
    this.lockLimit = lockLimit;
  }

  /** Pages charged to the lock limit. */
  get locked(): number {
    return this.#locked;
  }

  /** The frame of the top page table (CR3), which stays the same until the end; -ENOMEM, also after the end. */
  get root(): PageNumber {
    return this.#hasEnded ? -ENOMEM : this.#present.root;
  }

  /** Tells somebody what changes from now on, until the function that is returned is called; or -ENOMEM. */
  subscribe(notifier: MmuNotifier): (() => void) | number {
    if (this.#services.faultPoints.refuses('mmu notifier')) return -ENOMEM;
    this.#notifiers.add(notifier);
    return () => {
      this.#notifiers.delete(notifier);
    };
  }

  /**
   * Reserves `pages` pages, which read 0, and returns the first one's number: -EINVAL, or -ENOMEM for more than the machine has.
   * With `populate` they have their frames at once, or nothing is reserved.
   */
  map(pages: number, writable: boolean, placement: Placement, populate = false): PageNumber {
    if (!Number.isSafeInteger(pages) || pages <= 0) return -EINVAL;
    if (this.#hasEnded || this.#hasNoArea() || pages > this.#services.allocator.total) return -ENOMEM;
    const first = this.#areas.place(pages, placement, PresentPages.largest(pages));
    if (first === undefined) return -ENOMEM;
    const result = populate ? this.#present.take(first, pages, writable) : 0;
    if (result < 0) return result;
    this.#areas.add({ first, pages, writable }, placement);
    return first;
  }

  /**
   * Gives up whatever there is in a range: 0; -EINVAL for a range that is none; -ENOMEM when an area or a table cannot be cut,
   * and nothing is given up. Pinned frames live on until they are unpinned.
   */
  *unmap(first: PageNumber, pages: number): Script<number> {
    const isWhole = Number.isSafeInteger(first) && Number.isSafeInteger(pages);
    const isRange = isWhole && pages > 0 && first >= 0 && first + pages <= END_PAGE;
    if (!isRange) return -EINVAL;
    const parts = this.#areas.within(first, pages);
    // One page more at each side: then what is given up is a hole in an area, which makes two of it.
    const isHole = this.#areas.around(first - 1, pages + 2, false) !== undefined;
    if (isHole && this.#hasNoArea()) return -ENOMEM;
    for (const part of parts) {
      const result = this.#present.split(part.first, part.pages);
      if (result < 0) return result;
    }
    this.#areas.remove(first, pages);
    if (parts.length > 0) yield* this.#giveUp(first, pages);
    return 0;
  }

  /** Gives up everything, for good. */
  *clear(): Script {
    this.#hasEnded = true;
    this.#areas = new Areas();
    yield* this.settle();
    const isForgotten = yield* this.#giveUp(0, END_PAGE);
    let released = 0;
    for (const notifier of [...this.#notifiers]) released = Math.min(released, yield* notifier.release());
    this.#notifiers.clear();
    if (isForgotten && released === 0) this.#present.destroy();
  }

  /**
   * A page fault of a device: 0 when the page may now be read, or written; -EFAULT, -ENOMEM. Whoever had another translation of
   * it has forgotten it.
   */
  *fault(page: PageNumber, write: boolean): Script<number> {
    const result = this.#touch(page, write);
    yield* this.settle();
    return result;
  }

  /**
   * A copy of this address space for a child, or -ENOMEM, -EIO: frames are shared until the first write to either, but for
   * pinned ones, which stay here and are copied. Nothing is locked in the child, and it has the same limit.
   */
  *fork(): Script<AddressSpace | number> {
    if (this.#hasEnded) return -ENOMEM;
    const child = new AddressSpace(this.#services, this.lockLimit);
    child.#areas = this.#areas.copy();
    let result = 0;
    for (const area of this.#areas) {
      result = this.#present.shareWith(child.#present, area, area.writable);
      if (result < 0) break;
    }
    // What has been shared may only be read here from now on, also when there is no child in the end.
    const isForgotten = yield* this.#invalidate(0, END_PAGE);
    this.#present.owed += child.#present.owed;
    child.#present.owed = 0;
    yield* this.settle();
    if (result === 0 && isForgotten) return child;
    yield* child.clear();
    return result < 0 ? result : -EIO;
  }

  /**
   * Pins and charges the frames of `pages` pages from `first` on, for writing if asked: -EFAULT, -ENOMEM. They are this process's
   * own, whichever: what it writes from now on a device reads. What is `charged` already costs nothing more.
   */
  pin(first: PageNumber, pages: number, write: boolean, charged?: LockedPages): Pinned | number {
    const area = this.#areas.around(first, pages, write);
    if (area === undefined) return -EFAULT;
    // What is charged is pinned and keeps its frame.
    const fresh = charged?.missing(pages, (i) => this.#present.frameOf(first + i)) ?? pages;
    if (this.#locked + fresh > this.lockLimit || this.#services.faultPoints.refuses('pinned pages')) return -ENOMEM;
    const taken = this.#present.take(first, pages, area.writable);
    if (taken < 0) return taken;
    const frames = new Float64Array(pages);
    for (let i = 0; i < pages; i++) {
      const result = this.#present.isCopied(first + i) ? this.#own(first + i) : 0;
      if (result < 0) return result;
      frames[i] = this.#present.frameOf(first + i)!;
    }
    for (const frame of frames) this.#services.pages.pin(frame);
    this.#locked += charged?.add(frames) ?? pages;
    return { space: this, frames, charged };
  }

  unpin({ frames, charged }: Pinned): void {
    this.#locked -= charged?.remove(frames) ?? frames.length;
    for (const frame of frames) this.#services.pages.unpin(frame);
  }

  /** The bytes at `address`, `undefined` (-EFAULT) when any of them is not mapped. */
  copyFromUser(address: bigint, length: number): Uint8Array | undefined {
    return this.#bringIn(address, length, false) ? this.#read(address, length) : undefined;
  }

  /** The bytes at `address` for somebody who only watches: nothing is brought in, `undefined` where something would have to be. */
  peek(address: bigint, length: number): Uint8Array | undefined {
    const { page, pages } = rangeOf(address, length);
    const frames = Array.from({ length: pages }, (_, i) => this.#present.frameOf(page + i));
    if (frames.includes(undefined) || this.#areas.around(page, pages, false) === undefined) return undefined;
    return this.#read(address, length);
  }

  /** 0, or -EFAULT and nothing written when any of the bytes is not mapped or not writable. */
  copyToUser(address: bigint, bytes: Uint8Array): number {
    if (!this.#bringIn(address, bytes.length, true)) return -EFAULT;
    this.#eachPart(address, bytes.length, (physical, from, count) => {
      this.#services.memory.write(physical, bytes.subarray(from, from + count));
    });
    return 0;
  }

  /** Waits for what loads, stores, copies and pins have cost, and until nobody has a translation that they have made wrong. */
  *settle(): Script {
    for (const { page, frame } of this.#stale.splice(0)) {
      if (yield* this.#invalidate(page, 1)) this.#services.pages.release(frame);
    }
    const { owed } = this.#present;
    this.#present.owed = 0;
    if (owed > 0) yield ns(owed);
  }

  #hasNoArea(): boolean {
    return this.#areas.isFull || this.#services.faultPoints.refuses('memory area');
  }

  /** Makes a range accessible, all of it or nothing. */
  #bringIn(address: bigint, length: number, write: boolean): boolean {
    if (!(Number.isSafeInteger(length) && length >= 0 && length <= LONGEST_COPY)) return false;
    const { page, pages } = rangeOf(address, length);
    if (pages > 0 && this.#areas.around(page, pages, write) === undefined) return false;
    for (let i = 0; i < pages; i++) {
      // What the process is interrupted for comes with the first touch.
      if (this.#isFault(page + i, write)) this.#present.owed += this.#services.cost.systemCall;
      if (this.#touch(page + i, write) < 0) return false;
    }
    return true;
  }

  #isFault(page: PageNumber, write: boolean): boolean {
    return this.#present.frameOf(page) === undefined || (write && this.#present.isCopied(page));
  }

  /** One page, as the CPU does it: 0, -EFAULT, -ENOMEM. */
  #touch(page: PageNumber, write: boolean): number {
    const area = this.#areas.around(page, 1, write);
    if (area === undefined) return -EFAULT;
    let result = 0;
    if (this.#present.frameOf(page) === undefined) result = this.#present.takeAround(page, area, area.writable);
    else if (write && this.#present.isCopied(page)) result = this.#own(page);
    if (result === 0) this.#present.touch(page, write);
    return result;
  }

  /** Ends the sharing of a page: 0, -ENOMEM. */
  #own(page: PageNumber): number {
    const frame = this.#present.own(page);
    if (frame < 0) return frame;
    // Somebody who has the old frame in a cache may use it until he is told.
    if (this.#notifiers.size > 0) this.#stale.push({ page, frame });
    else this.#services.pages.release(frame);
    return 0;
  }

  /** Takes the frames from a range and releases them when nobody reaches them any more; false when that is not certain. */
  *#giveUp(first: PageNumber, pages: number): Script<boolean> {
    const givenUp: GivenUp = this.#present.detach(first, pages);
    const isForgotten = yield* this.#invalidate(first, pages);
    if (isForgotten) this.#present.release(givenUp);
    return isForgotten;
  }

  *#invalidate(first: PageNumber, pages: number): Script<boolean> {
    let result = 0;
    for (const notifier of [...this.#notifiers]) {
      result = Math.min(result, yield* notifier.invalidate(first, pages));
    }
    return result === 0;
  }

  #read(address: bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#eachPart(address, length, (physical, from, count) => {
      bytes.set(this.#services.memory.read(physical, count), from);
    });
    return bytes;
  }

  #eachPart(address: bigint, length: number, visit: (physical: number, from: number, count: number) => void): void {
    const { page, offset } = rangeOf(address, length);
    for (let from = 0; from < length; ) {
      const at = offset + from;
      const frame = this.#present.frameOf(page + Math.floor(at / PAGE_SIZE))!;
      const count = Math.min(length - from, PAGE_SIZE - (at % PAGE_SIZE));
      visit(frame * PAGE_SIZE + (at % PAGE_SIZE), from, count);
      from += count;
    }
  }
}

/** The pages of a range of bytes, and where in the first one it begins. */
function rangeOf(address: bigint, length: number): { page: PageNumber; offset: number; pages: number } {
  const offset = Number(BigInt.asUintN(12, address));
  const pages = length === 0 ? 0 : Math.ceil((offset + length) / PAGE_SIZE);
  return { page: pageOf(address), offset, pages };
}
