/** Memory of a process that its device knows under other addresses, with a PASID table and first-stage tables built in it. */
import type { Program } from '../../src/user/index.ts';
import { PAGE } from './machine-bench.ts';

const K4 = BigInt(PAGE);
/** Present, writable, user. */
const OPEN = 7n;
/** V of an entry of a GCR3 table. */
const VALID = 1n;

/** Where the device has the first page. */
export const GPA = 0x1_0000n;
export const GUEST_PAGES = 16;
/** Pages of it: the PASID table, the top tables of two first stages with those below behind them, and data. */
export const GCR3 = 0;
export const FIRST = 1;
export const SECOND = 6;
export const DATA = 12;
/** What the data pages begin with. */
export const MARK = 0xa0;

export class GuestMemory {
  readonly at: bigint;
  readonly #program: Program;
  readonly #levels: number;

  constructor(program: Program, at: bigint, levels = 4) {
    this.#program = program;
    this.at = at;
    this.#levels = levels;
    for (let page = DATA; page < GUEST_PAGES; page++) this.mark(page, MARK + page - DATA);
  }

  mark(page: number, byte: number): void {
    this.#program.write(this.at + BigInt(page) * K4, Uint8Array.of(byte));
  }

  byteOf(page: number): number {
    return this.#program.read(this.at + BigInt(page) * K4, 1)[0]!;
  }

  /** Leads a PASID to a first stage; `null`: to nothing. */
  leadPasid(pasid: number, top: number | null): void {
    this.#write(GCR3, pasid, top, VALID);
  }

  /** Leads a page of a first stage to a page of the memory; `null`: to nothing. */
  lead(top: number, page: number, to: number | null): void {
    const lowest = top + this.#levels - 1;
    for (let table = top; table < lowest; table++) this.#write(table, 0, table + 1, OPEN);
    this.#write(lowest, page, to, OPEN);
  }

  #write(table: number, index: number, to: number | null, flags: bigint): void {
    const bytes = new Uint8Array(8);
    if (to !== null) new DataView(bytes.buffer).setBigUint64(0, (GPA + BigInt(to) * K4) | flags, true);
    this.#program.write(this.at + BigInt(table) * K4 + BigInt(index * 8), bytes);
  }
}
