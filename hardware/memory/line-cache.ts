/** Which lines a last-level cache holds: sets of ways, the line that was used longest ago gives way. */
import { LINE_BYTES } from './line.ts';

export interface LineCacheSpec {
  readonly bytes: number;
  readonly ways: number;
  /** Of these, those into which devices write; a line that is there is written where it is. */
  readonly deviceWays: number;
}

const NO_LINE = -1;

/** What a write finds, or else the line that was written before and has to go back to DRAM for it. */
export const Found = { LINE: -1, PLACE: -2 } as const;

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
    if (this.#placeOf(line) >= 0) return;
    const place = this.#placeFor(line, this.#ways);
    this.#put(line, place);
    this.#written[place] = 0;
  }

  /** A device writes a line: a value of `Found`, or the line that goes back. */
  write(line: number): number {
    const place = this.#placeOf(line);
    if (place >= 0) {
      this.#written[place] = 1;
      return Found.LINE;
    }
    const filled = this.#placeFor(line, this.#deviceWays);
    const before = this.#written[filled] === 1 ? this.#lines[filled]! : Found.PLACE;
    this.#put(line, filled);
    this.#written[filled] = 1;
    return before;
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

  /** Where a line goes among the first ways of its set: where nothing is, or what was used longest ago. */
  #placeFor(line: number, ways: number): number {
    const first = this.#first(line);
    let oldest = first;
    for (let place = first; place < first + ways; place++) {
      if (this.#lines[place] === NO_LINE) return place;
      if (this.#used[place]! < this.#used[oldest]!) oldest = place;
    }
    return oldest;
  }

  #put(line: number, place: number): void {
    this.#lines[place] = line;
    this.#used[place] = ++this.#clock;
  }

  #first(line: number): number {
    return (line % this.#sets) * this.#ways;
  }
}
