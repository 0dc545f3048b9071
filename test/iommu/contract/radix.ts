/** Writes radix tables of 512 entries of 8 bytes per level, in literal bits that the vendor gives. */
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';

export interface RadixSpec {
  readonly levels: number;
  /** Entry at a level that leads to a table one level below. */
  readonly table: (level: number, address: bigint) => bigint;
  /** Entry that maps a page; `null` for the entry of no page. */
  readonly leaf: (level: number, address: bigint, rights: number) => bigint;
}

const PAGE = 4096;

/** Hands out pages for tables. */
export class Pages {
  #next: number;

  constructor(start: number) {
    this.#next = start;
  }

  take(): number {
    this.#next += PAGE;
    return this.#next - PAGE;
  }
}

export class Radix {
  readonly top: number;
  readonly #memory: PhysicalMemory;
  readonly #pages: Pages;
  readonly #spec: RadixSpec;

  constructor(memory: PhysicalMemory, pages: Pages, spec: RadixSpec) {
    this.top = pages.take();
    this.#memory = memory;
    this.#pages = pages;
    this.#spec = spec;
  }

  map(iova: number, to: number, shift: number, rights: number): void {
    const { levels, table, leaf } = this.#spec;
    const last = (shift - 12) / 9 + 1;
    let at = this.top;
    for (let level = levels; ; level--) {
      const entry = at + (Math.floor(iova / 2 ** (12 + 9 * (level - 1))) % 512) * 8;
      if (level === last) {
        this.#memory.write64(entry, rights === 0 ? 0n : leaf(level, BigInt(to), rights));
        return;
      }
      if (this.#memory.read64(entry) === 0n) this.#memory.write64(entry, table(level, BigInt(this.#pages.take())));
      at = Number(this.#memory.read64(entry)! & 0x000f_ffff_ffff_f000n);
    }
  }

  /** Maps the first 64 GiB to themselves. */
  identity(): void {
    for (let n = 0; n < 64; n++) this.map(n * 2 ** 30, n * 2 ** 30, 30, 3);
  }
}

export function put(memory: PhysicalMemory, address: number, ...words: readonly bigint[]): void {
  words.forEach((word, i) => {
    memory.write64(address + i * 8, word);
  });
}
