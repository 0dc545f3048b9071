/**
 * The memory of one process: ranges of pages with their frames, all present from the beginning. `copyFromUser` and
 * `copyToUser` are the only ways of kernel code to it.
 */
import { PAGE_SIZE, type PageNumber, pageOf } from '../../hardware/bits/index.ts';
import { EFAULT, EINVAL, ENOMEM } from '../uapi/index.ts';
import type { CpuMemory } from './bus.ts';
import { MAX_ORDER, type PageAllocator } from './page-allocator.ts';
import type { UserPages } from './user-pages.ts';

/** Where the first mapping goes: 0x40000000, the address in the proposal's examples. */
const HEAP_PAGE = 0x4000_0000 / PAGE_SIZE;
/** User addresses have 47 bits; stacks go down from there. */
const END_PAGE = 2 ** 35;
/** Sizes of blocks that memory is made of, the largest that fits first: 1 GiB, 2 MiB, 4 KiB. */
const ORDERS = [MAX_ORDER, 9, 0] as const;

/** Where a mapping goes: behind the others, or down from the end of the address space. */
export type Placement = 'heap' | 'stack';

interface Area {
  readonly first: PageNumber;
  readonly frames: Float64Array;
  readonly writable: boolean;
}

/** Frames that a device may use, and the space that is charged for them. */
export interface Pinned {
  readonly space: AddressSpace;
  readonly frames: Float64Array;
}

export class AddressSpace {
  /** RLIMIT_MEMLOCK in pages. */
  lockLimit: number;
  /** Disjoint. */
  readonly #areas: Area[] = [];
  #heapEnd = HEAP_PAGE - 1;
  #stackStart = END_PAGE;
  readonly #allocator: PageAllocator;
  readonly #pages: UserPages;
  readonly #memory: CpuMemory;
  #locked = 0;

  constructor(allocator: PageAllocator, pages: UserPages, memory: CpuMemory, lockLimit: number) {
    this.#allocator = allocator;
    this.#pages = pages;
    this.#memory = memory;
    this.lockLimit = lockLimit;
  }

  /** Pages charged to the lock limit. */
  get locked(): number {
    return this.#locked;
  }

  /** Takes `pages` cleared pages and returns the first page's number, or a negative errno. Nothing is taken on failure. */
  map(pages: number, writable: boolean, placement: Placement): PageNumber {
    if (!Number.isSafeInteger(pages) || pages <= 0) return -EINVAL;
    if (pages > this.#allocator.free) return -ENOMEM;
    // One page stays free in between, so that running over the end of a mapping fails.
    const largest = 2 ** (ORDERS.find((order) => pages >= 2 ** order) ?? 0);
    const above = Math.ceil((this.#heapEnd + 1) / largest) * largest;
    const below = this.#stackStart - pages - 1;
    const first = placement === 'heap' ? above : below;
    if (first <= this.#heapEnd || first + pages >= this.#stackStart) return -ENOMEM;
    const frames = this.#take(pages);
    if (frames === undefined) return -ENOMEM;
    this.#areas.push({ first, frames, writable });
    if (placement === 'heap') this.#heapEnd = first + pages;
    else this.#stackStart = first;
    return first;
  }

  /** Gives up the mapping that begins at `first`. Pinned frames live on until they are unpinned. */
  unmap(first: PageNumber, pages: number): number {
    const index = this.#areas.findIndex((area) => area.first === first && area.frames.length === pages);
    if (index < 0) return -EINVAL;
    const [area] = this.#areas.splice(index, 1);
    for (const frame of area!.frames) this.#pages.release(frame);
    return 0;
  }

  /** Gives up everything. */
  clear(): void {
    for (const area of this.#areas.splice(0)) for (const frame of area.frames) this.#pages.release(frame);
  }

  /** Pins and charges the frames of `pages` pages from `first` on, for writing if asked. A negative errno changes nothing. */
  pin(first: PageNumber, pages: number, write: boolean): Pinned | number {
    const area = this.#areaOf(first);
    if (area === undefined || first + pages > area.first + area.frames.length) return -EFAULT;
    if (write && !area.writable) return -EFAULT;
    if (this.#locked + pages > this.lockLimit) return -ENOMEM;
    this.#locked += pages;
    const frames = area.frames.slice(first - area.first, first - area.first + pages);
    for (const frame of frames) this.#pages.pin(frame);
    return { space: this, frames };
  }

  unpin({ frames }: Pinned): void {
    this.#locked -= frames.length;
    for (const frame of frames) this.#pages.unpin(frame);
  }

  /** The bytes at `address`, `undefined` (-EFAULT) when any of them is not mapped. */
  copyFromUser(address: bigint, length: number): Uint8Array | undefined {
    const bytes = new Uint8Array(length);
    const complete = this.#eachPart(address, length, false, (physical, from, count) => {
      bytes.set(this.#memory.read(physical, count), from);
    });
    return complete ? bytes : undefined;
  }

  /** 0, or -EFAULT and nothing written when any of the bytes is not mapped or not writable. */
  copyToUser(address: bigint, bytes: Uint8Array): number {
    const complete = this.#eachPart(address, bytes.length, true, (physical, from, count) => {
      this.#memory.write(physical, bytes.subarray(from, from + count));
    });
    return complete ? 0 : -EFAULT;
  }

  /** Visits the physical parts of a range, none at all unless the whole range is accessible. */
  #eachPart(
    address: bigint,
    length: number,
    write: boolean,
    visit: (physical: number, from: number, count: number) => void,
  ): boolean {
    if (length === 0) return true;
    const page = pageOf(address);
    const offset = Number(BigInt.asUintN(12, address));
    const pages = Math.ceil((offset + length) / PAGE_SIZE);
    const area = this.#areaOf(page);
    if (area === undefined || page + pages > area.first + area.frames.length) return false;
    if (write && !area.writable) return false;
    for (let from = 0; from < length; ) {
      const at = offset + from;
      const frame = area.frames[page - area.first + Math.floor(at / PAGE_SIZE)]!;
      const count = Math.min(length - from, PAGE_SIZE - (at % PAGE_SIZE));
      visit(frame * PAGE_SIZE + (at % PAGE_SIZE), from, count);
      from += count;
    }
    return true;
  }

  #areaOf(page: PageNumber): Area | undefined {
    return this.#areas.find(({ first, frames }) => page >= first && page < first + frames.length);
  }

  /** Frames for `pages` pages in blocks as large as there are, or none at all. */
  #take(pages: number): Float64Array | undefined {
    const frames = new Float64Array(pages);
    for (let i = 0; i < pages; ) {
      const block = this.#block(pages - i);
      if (block === undefined) {
        for (const frame of frames.subarray(0, i)) this.#pages.release(frame);
        return undefined;
      }
      for (let k = 0; k < block.pages; k++) frames[i + k] = block.frame + k;
      i += block.pages;
    }
    return frames;
  }

  /** A block of at most `pages` pages, as large as there is one. */
  #block(pages: number): { frame: PageNumber; pages: number } | undefined {
    for (const order of ORDERS) {
      if (2 ** order > pages) continue;
      const frame = this.#allocator.allocate('user', order);
      if (frame < 0) continue;
      this.#allocator.split(frame);
      return { frame, pages: 2 ** order };
    }
    return undefined;
  }
}
