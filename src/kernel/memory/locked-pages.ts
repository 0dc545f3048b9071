/** What one root I/O page table is charged for in the locked memory of one process: each page once, however often it is mapped. */
import type { PageNumber } from '../../../hardware/bits/index.ts';

export class LockedPages {
  /** How often a frame is mapped. */
  readonly #times = new Map<PageNumber, number>();

  /** How many of so many pages are still to be charged, if they have these frames. */
  missing(pages: number, frameOf: (i: number) => PageNumber | undefined): number {
    if (this.#times.size === 0) return pages;
    let count = pages;
    for (let i = 0; i < pages; i++) if (this.#times.has(frameOf(i) ?? -1)) count--;
    return count;
  }

  /** Frames are mapped once more: gives how many of them were not before. */
  add(frames: Iterable<PageNumber>): number {
    let fresh = 0;
    for (const frame of frames) {
      const times = this.#times.get(frame) ?? 0;
      if (times === 0) fresh++;
      this.#times.set(frame, times + 1);
    }
    return fresh;
  }

  /** Frames are mapped once less: gives how many of them are not any more. */
  remove(frames: Iterable<PageNumber>): number {
    let gone = 0;
    for (const frame of frames) {
      const times = this.#times.get(frame)! - 1;
      if (times > 0) this.#times.set(frame, times);
      else if (this.#times.delete(frame)) gone++;
    }
    return gone;
  }
}
