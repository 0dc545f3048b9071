/** Which lines a last-level cache holds: sets of ways, the line that was used longest ago gives way. */

export interface LineCacheSpec {
  readonly bytes: number;
  readonly ways: number;
  /** Of these, those into which devices write; a line that is there is written where it is. */
  readonly deviceWays: number;
}

const LINE_BYTES = 64;
const NO_LINE = -1;

/** What bringing a line in has done: it was there; a place was free or clean; a written line had to go back to DRAM. */
export const Fill = { HIT: 0, FILLED: 1, WROTE_BACK: 2 } as const;
export type Fill = (typeof Fill)[keyof typeof Fill];

export class LineCache {
  readonly #sets: number;
  readonly #ways: number;
  readonly #deviceWays: number;
  readonly #lines: Float64Array;
  readonly #used: Float64Array;
  readonly #written: Uint8Array;
  #clock = 0;

  constructor({ bytes, ways, deviceWays }: LineCacheSpec) {
    this.#sets = Math.max(Math.floor(bytes / LINE_BYTES / ways), 1);
    this.#ways = ways;
    this.#deviceWays = deviceWays;
    const places = this.#sets * ways;
    this.#lines = new Float64Array(places).fill(NO_LINE);
    this.#used = new Float64Array(places);
    this.#written = new Uint8Array(places);
  }

  /** Whether a line is there; it has been used then. */
  find(line: number): boolean {
    return this.#placeOf(line) >= 0;
  }

  /** A core has read or written a line. What gives way for it costs nobody anything. */
  touch(line: number): void {
    if (this.#placeOf(line) < 0) this.#written[this.#fill(line, this.#ways)] = 0;
  }

  /** A device writes a line. */
  write(line: number): Fill {
    const place = this.#placeOf(line);
    if (place >= 0) {
      this.#written[place] = 1;
      return Fill.HIT;
    }
    const filled = this.#fill(line, this.#deviceWays);
    const wroteBack = this.#written[filled] === 1;
    this.#written[filled] = 1;
    return wroteBack ? Fill.WROTE_BACK : Fill.FILLED;
  }

  clear(): void {
    this.#lines.fill(NO_LINE);
    this.#written.fill(0);
  }

  #placeOf(line: number): number {
    const first = this.#first(line);
    for (let place = first; place < first + this.#ways; place++) {
      if (this.#lines[place] !== line) continue;
      this.#used[place] = ++this.#clock;
      return place;
    }
    return NO_LINE;
  }

  /** Puts a line into one of the first ways of its set: where that is. Whether it is written is still that of the line before. */
  #fill(line: number, ways: number): number {
    const first = this.#first(line);
    let oldest = first;
    for (let place = first; place < first + ways; place++) {
      if (this.#lines[place] === NO_LINE) {
        oldest = place;
        break;
      }
      if (this.#used[place]! < this.#used[oldest]!) oldest = place;
    }
    this.#lines[oldest] = line;
    this.#used[oldest] = ++this.#clock;
    return oldest;
  }

  #first(line: number): number {
    return (line % this.#sets) * this.#ways;
  }
}
