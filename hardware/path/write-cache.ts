/** The part of the last-level cache into which devices write: a write that finds no place for a line there has to make room first. */
import { numberOf, PAGE_SHIFT } from '../bits/index.ts';
import { Iotlb } from '../iommu/index.ts';
import { LINE_BYTES } from './figures.ts';

const WAYS = 2;

export class WriteCache {
  readonly #lines: Iotlb | null;
  #isEmpty = true;

  /** Without bytes every line is as if it were there. */
  constructor(bytes: number) {
    const lines = Math.floor(bytes / LINE_BYTES);
    this.#lines = lines === 0 ? null : new Iotlb({ sets: powerOfTwoBelow(lines / WAYS), ways: WAYS });
  }

  /** Writes so many lines from `start` on; false when one of them was not there. */
  write(start: number, lines: number): boolean {
    if (this.#lines === null) return true;
    let isHere = true;
    for (let i = 0; i < lines; i++) if (!this.#touch(this.#lines, start + i * LINE_BYTES)) isHere = false;
    return isHere;
  }

  /** The line of the address with these halves is there. */
  holds(hi: number, lo: number): boolean {
    return !this.#isEmpty && this.#lines!.find(0, 0, lineOf(numberOf(hi, lo))) >= 0;
  }

  /** The CPU has touched these bytes last, as far as they have a place. */
  warm(start: number, length: number): void {
    this.write(start, Math.ceil(length / LINE_BYTES));
  }

  clear(): void {
    this.#lines?.clear();
    this.#isEmpty = true;
  }

  /** Brings a line in; false when it was not there. */
  #touch(lines: Iotlb, address: number): boolean {
    const line = lineOf(address);
    if (lines.find(0, 0, line) >= 0) return true;
    // A line stands for a page of the smallest size.
    lines.add(0, 0, line, PAGE_SHIFT);
    this.#isEmpty = false;
    return false;
  }
}

function lineOf(address: number): number {
  return Math.floor(address / LINE_BYTES) | 0;
}

function powerOfTwoBelow(n: number): number {
  return 2 ** (31 - Math.clz32(Math.max(n, 1)));
}
