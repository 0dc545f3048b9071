/**
 * The pages of one process that have frames, and the tables that say so to hardware: taking frames, sharing them with a child,
 * copying them before a write, giving them up. What a process may touch at all is decided above.
 *
 * Frames come in blocks as large as addresses and memory allow, 1 GiB, 2 MiB or 4 KiB: large pages suit every walker.
 */
import { PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { ENOMEM } from '../../uapi/index.ts';
import type { CpuMemory } from '../bus.ts';
import { copying, type KernelCosts } from '../costs.ts';
import type { FaultPoints } from '../fault-points.ts';
import { MAX_ORDER, type PageAllocator } from '../page-allocator.ts';
import type { PageRun } from '../page-run.ts';
import { Frames } from './frames.ts';
import { ProcessTables } from './process-tables.ts';
import type { UserPages } from './user-pages.ts';

/** Sizes of blocks, the largest that fits first. */
const ORDERS = [MAX_ORDER, 9, 0] as const;
/** What the first touch of a page brings in when nothing around it is there yet: 2 MiB. */
const LARGE_ORDER = 9;
const LARGE_PAGES = 2 ** LARGE_ORDER;

export interface MemoryServices {
  readonly faultPoints: FaultPoints;
  readonly allocator: PageAllocator;
  readonly pages: UserPages;
  readonly memory: CpuMemory;
  readonly cost: KernelCosts;
}

/** Pages in a row that have frames in a row, or will have. */
interface Block extends PageRun {
  readonly frame: PageNumber;
}

/** What is no longer mapped and may be used again when nobody has a translation to it. */
export interface GivenUp {
  readonly frames: PageNumber[];
  readonly tables: PageNumber[];
}

export class PresentPages {
  /** What the work has taken and nobody has waited for yet, in nanoseconds. */
  owed = 0;
  readonly #services: MemoryServices;
  readonly #frames = new Frames();
  readonly #tables: ProcessTables;

  constructor(services: MemoryServices) {
    this.#services = services;
    this.#tables = new ProcessTables(services.allocator, services.memory);
  }

  /** The frame of the top table, or -ENOMEM. */
  get root(): PageNumber {
    return this.#tables.root;
  }

  frameOf(page: PageNumber): PageNumber | undefined {
    return this.#frames.get(page);
  }

  /** True when a write must `own` the page first. */
  isCopied(page: PageNumber): boolean {
    return this.#frames.isCopied(page);
  }

  /** Gives cleared frames to the pages of a range that have none: 0, or -ENOMEM and no page has a new one. */
  take(first: PageNumber, pages: number, write: boolean): number {
    const blocks = this.#blocksFor(first, pages);
    if (typeof blocks === 'number') return blocks;
    return this.#enterAll(blocks, write);
  }

  /** The largest block that `pages` pages can be made of, in pages. */
  static largest(pages: number): number {
    return 2 ** (ORDERS.find((order) => pages >= 2 ** order) ?? 0);
  }

  /** Gives a page that has none a frame, with its neighbours in `within` where they make a large page: 0, -ENOMEM. */
  takeAround(page: PageNumber, within: PageRun, write: boolean): number {
    const first = Math.floor(page / LARGE_PAGES) * LARGE_PAGES;
    const fits = first >= within.first && first + LARGE_PAGES <= within.first + within.pages;
    const isEmpty = fits && this.#frames.next(first, first + LARGE_PAGES) === first + LARGE_PAGES;
    const large = isEmpty ? this.#block(first, LARGE_ORDER) : -ENOMEM;
    const block = typeof large === 'number' ? this.#block(page, 0) : large;
    return typeof block === 'number' ? block : this.#enterAll([block], write);
  }

  /** Makes the frame of a page its own, copying it when others have it too: the frame it was, to be released, or -ENOMEM. */
  own(page: PageNumber): PageNumber {
    const { allocator, pages } = this.#services;
    const old = this.#frames.get(page)!;
    const split = this.#note(() => this.#tables.split(page, 1));
    if (split < 0) return split;
    const frame = pages.isShared(old) ? allocator.allocate('user') : old;
    if (frame < 0) return frame;
    if (frame === old) pages.share(old);
    else this.#copy(old, frame);
    this.#frames.set(page, frame);
    this.#note(() => this.#tables.replace(page, frame));
    return old;
  }

  /** Notes in the tables what a CPU notes when it loads or stores. */
  touch(page: PageNumber, write: boolean): void {
    if (this.#frames.note(page, write)) this.#tables.touch(page, write);
  }

  /** Sees to it that a range can be detached: 0, -ENOMEM. */
  split(first: PageNumber, pages: number): number {
    return this.#note(() => this.#tables.split(first, pages));
  }

  /** Takes the frames away from a range that was split off. */
  detach(first: PageNumber, pages: number): GivenUp {
    const runs = this.#frames.runs(first, pages);
    const frames: PageNumber[] = [];
    const tables: PageNumber[] = [];
    for (const run of runs) {
      for (let i = 0; i < run.pages; i++) {
        frames.push(run.frame + i);
        this.#frames.delete(run.first + i);
      }
      for (const table of this.#note(() => this.#tables.unmap(run.first, run.pages))) tables.push(table);
    }
    return { frames, tables };
  }

  /** Nobody can reach what was given up any more. */
  release({ frames, tables }: GivenUp): void {
    for (const frame of frames) this.#services.pages.release(frame);
    this.#tables.reclaim(tables);
  }

  /** Frees the tables, when nothing is present any more. */
  destroy(): void {
    this.#tables.destroy();
  }

  /**
   * Gives a child what is present in a range: shared until the first write when `write` is permitted, and for good when it is
   * not. Frames that are pinned are copied at once and stay here. 0, or -ENOMEM with a part of it given.
   */
  shareWith(child: PresentPages, { first, pages }: PageRun, write: boolean): number {
    const users = this.#services.pages;
    for (const run of this.#frames.runs(first, pages, (frame) => users.isPinned(frame))) {
      const result = run.is ? child.#copyOf(run, write) : this.#share(child, run, write);
      if (result < 0) return result;
    }
    return 0;
  }

  #share(child: PresentPages, run: Block, write: boolean): number {
    const split = write ? this.split(run.first, run.pages) : 0;
    const result = split < 0 ? split : child.#enter(run, false);
    if (result < 0) return result;
    for (let i = 0; i < run.pages; i++) {
      this.#services.pages.share(run.frame + i);
      if (!write) continue;
      this.#frames.set(run.first + i, run.frame + i, true);
      child.#frames.set(run.first + i, run.frame + i, true);
    }
    if (write) this.#note(() => this.#tables.protect(run.first, run.pages));
    return 0;
  }

  /** Gives frames of its own, with what stands in those of a run, to the same pages here. */
  #copyOf({ first, frame, pages }: Block, write: boolean): number {
    const result = this.take(first, pages, write);
    if (result < 0) return result;
    for (let i = 0; i < pages; i++) this.#copy(frame + i, this.#frames.get(first + i)!);
    return 0;
  }

  /** Frames for the pages of a range that have none, in blocks, or -ENOMEM. */
  #blocksFor(first: PageNumber, pages: number): Block[] | number {
    if (pages - this.#frames.count(first, pages) > this.#services.allocator.free) return -ENOMEM;
    const end = first + pages;
    const blocks: Block[] = [];
    let next = first;
    for (let page = first; page < end; ) {
      if (page >= next) next = this.#frames.next(page, end);
      const block = page === next ? undefined : this.#largest(page, next - page);
      if (typeof block === 'number') {
        this.#free(blocks);
        return block;
      }
      if (block !== undefined) blocks.push(block);
      page += block?.pages ?? 1;
    }
    return blocks;
  }

  /** As large a block as there is for `first` and at most `pages - 1` pages behind it, or -ENOMEM. */
  #largest(first: PageNumber, pages: number): Block | number {
    for (const order of ORDERS) {
      if (2 ** order > pages || first % 2 ** order !== 0) continue;
      const block = this.#block(first, order);
      if (typeof block !== 'number') return block;
    }
    return -ENOMEM;
  }

  /** 2^order frames for `first` and the pages behind it, or -ENOMEM. */
  #block(first: PageNumber, order: number): Block | number {
    const { allocator, cost } = this.#services;
    const frame = allocator.allocate('user', order);
    if (frame < 0) return frame;
    const pages = 2 ** order;
    allocator.split(frame);
    this.owed += cost.allocate + pages * cost.clearPage;
    return { first, frame, pages };
  }

  #free(blocks: readonly Block[]): void {
    for (const { frame, pages } of blocks) {
      for (let i = 0; i < pages; i++) this.#services.pages.release(frame + i);
    }
  }

  /** Enters blocks, or frees them all: 0, -ENOMEM. */
  #enterAll(blocks: readonly Block[], write: boolean): number {
    const { isEmpty } = this.#tables;
    for (const [i, block] of blocks.entries()) {
      const result = this.#enter(block, write);
      if (result === 0) continue;
      for (const { first, pages } of blocks.slice(0, i)) this.release(this.detach(first, pages));
      this.#free(blocks.slice(i));
      if (isEmpty) this.#tables.destroy();
      return result;
    }
    return 0;
  }

  /** Enters frames for pages that have none: 0, or -ENOMEM and nothing is entered. */
  #enter({ first, frame, pages }: Block, write: boolean): number {
    const result = this.#note(() => this.#tables.map(first, frame, pages, write));
    if (result === 0) for (let i = 0; i < pages; i++) this.#frames.set(first + i, frame + i);
    return result;
  }

  #copy(from: PageNumber, to: PageNumber): void {
    const { memory, cost } = this.#services;
    memory.write(to * PAGE_SIZE, memory.read(from * PAGE_SIZE, PAGE_SIZE));
    this.owed += cost.allocate + copying(cost, PAGE_SIZE);
  }

  /** Does something to the tables and owes what it costs. */
  #note<T>(body: () => T): T {
    const before = this.#tables.writes;
    const result = body();
    this.owed += (this.#tables.writes - before) * this.#services.cost.writeEntry;
    return result;
  }
}
