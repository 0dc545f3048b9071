/** A table that a guest writes into its own memory, as x86 has it: four levels, one entry in each, and one page at the end. */
import type { Program } from '../../src/index.ts';

/** Entries 1, 2, 3 and 4 of the four levels, from the top (SDM 3A 4.5: 9 bits each, from bits 39, 30, 21 and 12 on). */
const INDICES = [1n, 2n, 3n, 4n] as const;
const LAST = 3;

/** The only address that it translates. */
export const GIOVA = (1n << 39n) | (2n << 30n) | (3n << 21n) | (4n << 12n);

/** Present, writable, for user space (SDM 3A 4.5.4: bits 0, 1 and 2). */
export const ENTRY = 0x7n;

/** Accessed and dirty, bits 5 and 6: where hardware sets them, it does so when it pleases. */
const ACCESSED_DIRTY = 0x60n;

export class GuestTable {
  /** Where its tables are, one of each level, in the guest's memory. */
  readonly tables: readonly [bigint, bigint, bigint, bigint];
  readonly #program: Program;
  /** Where the process has the beginning of the guest's memory. */
  readonly #memory: bigint;

  constructor(program: Program, memory: bigint, tables: readonly [bigint, bigint, bigint, bigint]) {
    this.#program = program;
    this.#memory = memory;
    this.tables = tables;
    for (let level = 0; level < LAST; level++) this.#write(level, tables[level + 1]! | ENTRY);
  }

  get top(): bigint {
    return this.tables[0];
  }

  /** Leads its address to a page of the guest's memory; `null`: to nothing. */
  lead(page: bigint | null): void {
    this.#write(LAST, page === null ? 0n : page | ENTRY);
  }

  /** What hardware should find on the way to a page. */
  wayTo(page: bigint): bigint[] {
    return [...this.tables.slice(1), page].map((next) => next | ENTRY);
  }

  #write(level: number, value: bigint): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    this.#program.write(this.#memory + this.tables[level]! + INDICES[level]! * 8n, bytes);
  }
}

/** An entry as software wrote it. */
export function asWritten(entry: bigint): bigint {
  return entry & ~ACCESSED_DIRTY;
}
