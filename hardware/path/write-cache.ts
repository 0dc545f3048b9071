/** The part of the last-level cache into which devices write: a write that finds no place for a line there has to make room first. */
import { numberOf } from '../bits/index.ts';
import { Found, LINE_BYTES, LineCache, lineOf } from '../memory/index.ts';

const WAYS = 2;

export class WriteCache {
  readonly #lines: LineCache | null;
  #isEmpty = true;

  /** Without bytes every line is as if it were there. */
  constructor(bytes: number) {
    this.#lines = bytes < LINE_BYTES ? null : new LineCache({ bytes, ways: WAYS, deviceWays: WAYS });
  }

  /** Writes so many lines from `start` on; false when one of them was not there. */
  write(start: number, lines: number): boolean {
    if (this.#lines === null) return true;
    this.#isEmpty = false;
    const first = lineOf(start);
    let isHere = true;
    for (let i = 0; i < lines; i++) if (this.#lines.write(first + i) !== Found.LINE) isHere = false;
    return isHere;
  }

  /** The line of the address with these halves is there. */
  holds(hi: number, lo: number): boolean {
    return !this.#isEmpty && this.#lines!.find(lineOf(numberOf(hi, lo)));
  }

  /** The CPU has touched these bytes last, as far as they have a place. */
  warm(start: number, length: number): void {
    this.write(start, Math.ceil(length / LINE_BYTES));
  }

  clear(): void {
    this.#lines?.clear();
    this.#isEmpty = true;
  }
}
