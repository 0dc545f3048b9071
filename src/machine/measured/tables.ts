/** Page tables that somebody before the measurement has written: consecutive pages, in memory that nobody else uses. */
import { encode, joinHalves } from '../../../hardware/bits/index.ts';
import { FS_PTE, type PageTableFormat } from '../../../hardware/formats/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';

const PAGE = 4096;

export class WrittenTables {
  readonly memory: PhysicalMemory;
  #next: number;

  /** Tables lie from `start` on. */
  constructor(memory: PhysicalMemory, start: number) {
    this.memory = memory;
    this.#next = start;
  }

  /** The end of the pages that are in use. */
  get end(): number {
    return this.#next;
  }

  /** A page for a table. */
  table(): number {
    this.#next += PAGE;
    return this.#next - PAGE;
  }

  write(at: number, ...words: readonly bigint[]): void {
    words.forEach((word, i) => {
      this.memory.write64(at + i * 8, word);
    });
  }

  /** The entry `index` of a table whose entries are as long as this one. */
  entry(table: number, index: number, words: Uint32Array): void {
    const at = table + index * words.length * 4;
    for (let i = 0; i < words.length; i += 2) {
      this.memory.write64(at + i * 4, joinHalves(words[i + 1]!, words[i]!));
    }
  }

  /** Maps `count` pages of the size of `level`, one after the other; where the last entry lies. */
  map(format: PageTableFormat, top: number, from: number, to: number, count: number, level = 1): number {
    let entry = 0;
    const size = PAGE * 512 ** (level - 1);
    for (let n = 0; n < count; n++) {
      const page = Math.floor((from + n * size) / PAGE);
      let at = top;
      for (let above = format.levels; above > level; above--) at = this.#below(format, at, page, above);
      const leaf = format.leaf(level, to + n * size, { read: true, write: true });
      entry = at + format.indexOf(page, level) * 8;
      this.write(entry, leaf);
    }
    return entry;
  }

  /** The table that the entry for a page leads to, which is made if there is none. */
  #below(format: PageTableFormat, table: number, page: number, level: number): number {
    const entry = table + format.indexOf(page, level) * 8;
    const word = this.memory.read64(entry) ?? 0n;
    if (word === 0n) {
      const made = this.table();
      this.write(entry, format.table(level, made));
      return made;
    }
    const found = format.decode(level, word);
    if (found.kind !== 'table') throw new Error(`a page stands in the way of a table at level ${level}`);
    return found.address;
  }
}

/** Entries through which somebody has gone before, so that a walk writes no flags. */
export function used(format: PageTableFormat): PageTableFormat {
  const accessed = BigInt(encode(FS_PTE, { A: 1 })[0]!);
  return {
    ...format,
    table: (level, address) => format.table(level, address) | accessed,
    leaf: (level, address, protection) => format.leaf(level, address, protection) | accessed | format.dirty,
  };
}
