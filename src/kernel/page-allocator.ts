/**
 * Physical page frames: a buddy allocator over the RAM that firmware leaves. Pages are handed out cleared.
 *
 * Offers allocate, allocateAll, split, release; `free` counts and `inUse` tells who holds what, so that a leak has a name.
 */
import { hex, PAGE_SIZE, type PageNumber } from '../../hardware/bits/index.ts';
import { ENOMEM } from '../uapi/index.ts';
import type { CpuMemory, Range } from './bus.ts';
import { type FaultPoint, FaultPoints } from './fault-points.ts';

/** Blocks are 2^order pages; 2^18 pages are 1 GiB. */
export const MAX_ORDER = 18;
const CLEAR_BYTES = 1 << 16;
/** An allocated frame is recorded as order + ORDERS × purpose. */
const ORDERS = 32;

export class PageAllocator {
  /** Pages that the allocator was given. */
  readonly total: number;
  #free = 0;
  readonly #memory: CpuMemory;
  readonly #faultPoints: FaultPoints;
  /** First frames of free blocks, by order. */
  readonly #blocks: readonly Set<number>[] = Array.from({ length: MAX_ORDER + 1 }, () => new Set<number>());
  readonly #allocated = new Map<PageNumber, number>();
  readonly #purposes: string[] = [];

  constructor(memory: CpuMemory, ranges: readonly Range[], faultPoints = new FaultPoints()) {
    this.#memory = memory;
    this.#faultPoints = faultPoints;
    for (const [start, length] of ranges) {
      // Page 0 stays out: a table pointer of 0 should be visibly wrong.
      const first = Math.max(1, Math.ceil(start / PAGE_SIZE));
      this.#give(first, Math.floor((start + length) / PAGE_SIZE));
    }
    this.total = this.#free;
  }

  /** Number of free pages. */
  get free(): number {
    return this.#free;
  }

  /** Pages in use by purpose. */
  get inUse(): Record<string, number> {
    const count: Record<string, number> = {};
    for (const record of this.#allocated.values()) {
      const purpose = this.#purposes[Math.floor(record / ORDERS)]!;
      count[purpose] = (count[purpose] ?? 0) + 2 ** (record % ORDERS);
    }
    return count;
  }

  /** The first frame of 2^order cleared pages, aligned to their size, or -ENOMEM. */
  allocate(purpose: string, order = 0): PageNumber {
    // What the kernel asks pages for is declared; tests take some for their own purposes.
    if (this.#faultPoints.refuses(purpose as FaultPoint)) return -ENOMEM;
    let from = order;
    while (from <= MAX_ORDER && this.#blocks[from]!.size === 0) from++;
    if (from > MAX_ORDER) return -ENOMEM;
    const frame = this.#blocks[from]!.values().next().value!;
    this.#blocks[from]!.delete(frame);
    while (from > order) {
      from--;
      this.#blocks[from]!.add(frame + 2 ** from);
    }
    this.#free -= 2 ** order;
    this.#allocated.set(frame, order + ORDERS * this.#purpose(purpose));
    this.#clear(frame * PAGE_SIZE, 2 ** order * PAGE_SIZE);
    return frame;
  }

  /** `count` single pages, or -ENOMEM and nothing is taken. */
  allocateAll(purpose: string, count: number): PageNumber[] | number {
    const frames: PageNumber[] = [];
    while (frames.length < count) {
      const frame = this.allocate(purpose);
      if (frame < 0) {
        for (const taken of frames) this.release(taken);
        return frame;
      }
      frames.push(frame);
    }
    return frames;
  }

  /** Makes the pages of a block separate allocations, each freed on its own. */
  split(frame: PageNumber): void {
    const record = this.#record(frame, 'split');
    for (let i = 0; i < 2 ** (record % ORDERS); i++) this.#allocated.set(frame + i, record - (record % ORDERS));
  }

  /** Gives back what `allocate` returned. */
  release(frame: PageNumber): void {
    let order = this.#record(frame, 'freed') % ORDERS;
    this.#allocated.delete(frame);
    this.#free += 2 ** order;
    let block = frame;
    for (; order < MAX_ORDER; order++) {
      const size = 2 ** order;
      const buddy = Math.floor(block / size) % 2 === 0 ? block + size : block - size;
      if (!this.#blocks[order]!.delete(buddy)) break;
      block = Math.min(block, buddy);
    }
    this.#blocks[order]!.add(block);
  }

  #record(frame: PageNumber, what: string): number {
    const record = this.#allocated.get(frame);
    if (record === undefined) throw new Error(`page allocator: page ${hex(frame)} is ${what} but not allocated`);
    return record;
  }

  #purpose(name: string): number {
    const known = this.#purposes.indexOf(name);
    return known >= 0 ? known : this.#purposes.push(name) - 1;
  }

  /** Adds free frames as the largest aligned blocks. */
  #give(first: number, end: number): void {
    for (let frame = first; frame < end; ) {
      let order = MAX_ORDER;
      while (frame % 2 ** order !== 0 || frame + 2 ** order > end) order--;
      this.#blocks[order]!.add(frame);
      this.#free += 2 ** order;
      frame += 2 ** order;
    }
  }

  /** Writes zeros only where something else stands, so that memory nobody touched stays untouched. */
  #clear(address: number, length: number): void {
    for (let at = 0; at < length; at += CLEAR_BYTES) {
      const part = Math.min(CLEAR_BYTES, length - at);
      const bytes = this.#memory.read(address + at, part);
      if (!isZero(bytes)) this.#memory.write(address + at, new Uint8Array(part));
    }
  }
}

function isZero(bytes: Uint8Array): boolean {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
