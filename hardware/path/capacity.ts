/**
 * A server that is asked out of order: it serves a window of time's worth in each window of time, in whatever order it is asked.
 */

/** Picoseconds: several completions on a link of today. */
const WINDOW = 65_536;
/** Windows that are remembered: more than a request is ever older than another. */
const WINDOWS = 1024;

export class Capacity {
  readonly #used = new Float64Array(WINDOWS);
  /** Which window a place stands for. */
  readonly #window = new Float64Array(WINDOWS).fill(-1);

  /** Serves for `duration` from `at` on, and what finds no room in the window of that in those after it: when that has ended. */
  take(at: number, duration: number): number {
    let window = Math.floor(at / WINDOW);
    let end = at + duration;
    for (let left = duration; ; window++) {
      const place = window & (WINDOWS - 1);
      const used = this.#window[place] === window ? this.#used[place]! : 0;
      const served = Math.min(left, WINDOW - used);
      this.#window[place] = window;
      this.#used[place] = used + served;
      left -= served;
      if (left === 0) return end;
      end = Math.max(end, (window + 1) * WINDOW + left);
    }
  }

  reset(): void {
    this.#window.fill(-1);
  }
}
