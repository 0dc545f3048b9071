/**
 * Which frame each page of a process has: the kernel's own record, in chunks of what one page table covers. What hardware
 * reads is written from here; whatever happens to tables in memory, the kernel knows what it has given out.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { goesOn } from '../page-run.ts';

const CHUNK_PAGES = 512;

interface Chunk {
  /** 0: no frame. */
  readonly frames: Float64Array;
  /** 1: the frame is copied before the page is written. */
  readonly copied: Uint8Array;
  /** What a CPU has noted in the page's table entry already: 1 that it was accessed, 3 also that it is dirty. */
  readonly noted: Uint8Array;
  used: number;
}

/** Pages in a row that have frames in a row. */
export interface Run {
  readonly first: PageNumber;
  readonly frame: PageNumber;
  /** Grows while neighbours are found. */
  pages: number;
  /** What was asked of its frames. */
  readonly is: boolean;
}

export class Frames {
  readonly #chunks = new Map<number, Chunk>();

  /** The frame of a page, `undefined` when it has none. */
  get(page: PageNumber): PageNumber | undefined {
    return this.#chunks.get(chunkOf(page))?.frames[page % CHUNK_PAGES] || undefined;
  }

  set(page: PageNumber, frame: PageNumber, isCopied = false): void {
    const index = chunkOf(page);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      const [copied, noted] = [new Uint8Array(CHUNK_PAGES), new Uint8Array(CHUNK_PAGES)];
      chunk = { frames: new Float64Array(CHUNK_PAGES), copied, noted, used: 0 };
      this.#chunks.set(index, chunk);
    }
    if (chunk.frames[page % CHUNK_PAGES] === 0) chunk.used++;
    chunk.frames[page % CHUNK_PAGES] = frame;
    chunk.copied[page % CHUNK_PAGES] = isCopied ? 1 : 0;
    chunk.noted[page % CHUNK_PAGES] = 0;
  }

  delete(page: PageNumber): void {
    const chunk = this.#chunks.get(chunkOf(page));
    if (chunk === undefined || chunk.frames[page % CHUNK_PAGES] === 0) return;
    chunk.frames[page % CHUNK_PAGES] = 0;
    chunk.copied[page % CHUNK_PAGES] = 0;
    chunk.used--;
    if (chunk.used === 0) this.#chunks.delete(chunkOf(page));
  }

  /** True the first time that a page which has a frame is read, or written, with this frame. */
  note(page: PageNumber, write: boolean): boolean {
    const { noted } = this.#chunks.get(chunkOf(page))!;
    const known = noted[page % CHUNK_PAGES]!;
    noted[page % CHUNK_PAGES] = known | (write ? 3 : 1);
    return known !== noted[page % CHUNK_PAGES];
  }

  /** True when a write to the page must copy its frame first, unless nobody else has it any more. */
  isCopied(page: PageNumber): boolean {
    return this.#chunks.get(chunkOf(page))?.copied[page % CHUNK_PAGES] === 1;
  }

  /** Number of pages in a range that have frames. */
  count(first: PageNumber, pages: number): number {
    let count = 0;
    for (const run of this.runs(first, pages)) count += run.pages;
    return count;
  }

  /** First page from `page` on that has a frame, or `end`. */
  next(page: PageNumber, end: PageNumber): PageNumber {
    for (let at = page; at < end; ) {
      const chunk = this.#chunks.get(chunkOf(at));
      if (chunk === undefined) at = (chunkOf(at) + 1) * CHUNK_PAGES;
      else if (chunk.frames[at % CHUNK_PAGES] !== 0) return at;
      else at++;
    }
    return end;
  }

  /**
   * The pages of a range that have frames, as runs; the answer to `question` is the same for all frames of one. Takes no longer
   * than there are frames.
   */
  runs(first: PageNumber, pages: number, question: (frame: PageNumber) => boolean = () => true): Run[] {
    const end = first + pages;
    const runs: Run[] = [];
    for (const index of this.#chunksIn(first, end)) {
      const { frames } = this.#chunks.get(index)!;
      const start = index * CHUNK_PAGES;
      for (let page = Math.max(first, start); page < Math.min(end, start + CHUNK_PAGES); page++) {
        const frame = frames[page - start]!;
        if (frame === 0) continue;
        const is = question(frame);
        const last = runs.at(-1);
        if (last !== undefined && last.is === is && goesOn(last, page, frame)) last.pages++;
        else runs.push({ first: page, frame, pages: 1, is });
      }
    }
    return runs;
  }

  #chunksIn(first: PageNumber, end: PageNumber): number[] {
    const low = chunkOf(first);
    const high = chunkOf(end - 1);
    if (high - low < this.#chunks.size) {
      return Array.from({ length: high - low + 1 }, (_, i) => low + i).filter((index) => this.#chunks.has(index));
    }
    return [...this.#chunks.keys()].filter((index) => index >= low && index <= high).sort((a, b) => a - b);
  }
}

function chunkOf(page: PageNumber): number {
  return Math.floor(page / CHUNK_PAGES);
}
