/**
 * A host permission table (VT-d 4.2.4, 9.12) as the driver builds it: which host pages translated requests may read and
 * write. Permissions are given for pages of 4 KiB; a page that is permitted several times stays so until each permission
 * is withdrawn. Tables stay until all of it goes.
 */
import { encode, joinHalves, PAGE_SIZE, type PageNumber, wordsOf } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import {
  HPTL1E,
  HPTL2E,
  HPTL3E,
  HPTL4E,
  HptSize,
  PagePermission,
  permissionsOf,
} from '../../../hardware/vtd/spec/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';

const PURPOSE = 'host permission table';
const ENTRY_BYTES = 16;
const TABLE_ENTRIES = PAGE_SIZE / ENTRY_BYTES;
/** From the top down: entries that lead to the next table, and how many pages each of them covers. */
const UPPER = [
  { layout: HPTL4E, pages: 2 ** 29 },
  { layout: HPTL3E, pages: 2 ** 21 },
  { layout: HPTL2E, pages: 2 ** 13 },
] as const;
/** Of an HPTL1E. */
const PERMISSIONS = permissionsOf(HPTL1E);
/** Permissions in each of its 64-bit words. */
const IN_A_WORD = PERMISSIONS.length / 2;

/** The table of one page at the top: addresses of 49 bits. No memory lies beyond. */
export const HPT_SIZE = HptSize.BITS_49;

/** Consecutive host pages, and what may be done with them. */
export interface Permitted {
  readonly frame: PageNumber;
  readonly pages: number;
  readonly protection: Protection;
}

/** What was written. */
export interface Written {
  readonly entries: number;
  readonly tables: number;
}

export class HostPermissionTable {
  /** Frame of the top table. */
  readonly root: PageNumber;
  readonly #allocator: PageAllocator;
  readonly #memory: CpuMemory;
  readonly #tables: PageNumber[] = [];
  /** How often each page may be read, and how often written. */
  readonly #readable = new Map<PageNumber, number>();
  readonly #writable = new Map<PageNumber, number>();

  private constructor(allocator: PageAllocator, memory: CpuMemory, root: PageNumber) {
    this.root = root;
    this.#allocator = allocator;
    this.#memory = memory;
  }

  /** A table that permits nothing, or -ENOMEM. */
  static create(allocator: PageAllocator, memory: CpuMemory): HostPermissionTable | number {
    const root = allocator.allocate(PURPOSE);
    return root < 0 ? root : new HostPermissionTable(allocator, memory, root);
  }

  /** -ENOMEM and nothing more is permitted. */
  permit(permitted: Permitted): Written | number {
    const before = this.#tables.length;
    const { frame, pages } = permitted;
    for (const first of partsOf(frame, pages, UPPER[2].pages)) {
      const table = this.#lowestTable(first);
      if (table < 0) return table;
    }
    const tables = this.#tables.length - before;
    return { entries: this.#change(permitted, 1) + tables, tables };
  }

  withdraw(permitted: Permitted): Written {
    return { entries: this.#change(permitted, -1), tables: 0 };
  }

  /** Frees every table. */
  destroy(): void {
    for (const table of [this.root, ...this.#tables]) this.#allocator.release(table);
  }

  /** The number of words written. */
  #change({ frame, pages, protection }: Permitted, by: 1 | -1): number {
    for (let page = frame; page < frame + pages; page++) {
      if (protection.read) count(this.#readable, page, by);
      if (protection.write) count(this.#writable, page, by);
    }
    const words = partsOf(frame, pages, IN_A_WORD);
    for (const page of words) this.#writeWord(page - (page % IN_A_WORD));
    return words.length;
  }

  /** Writes what holds for `first` and the other pages of its word. */
  #writeWord(first: PageNumber): void {
    const entry = new Uint32Array(ENTRY_BYTES / 4);
    for (let page = first; page < first + IN_A_WORD; page++) {
      const read = this.#readable.has(page) ? PagePermission.READ : PagePermission.NONE;
      const write = this.#writable.has(page) ? PagePermission.WRITE : PagePermission.NONE;
      PERMISSIONS[page % PERMISSIONS.length]!.set(entry, read | write);
    }
    const upper = first % PERMISSIONS.length === 0 ? 0 : 1;
    const index = Math.floor(first / PERMISSIONS.length) % TABLE_ENTRIES;
    const at = this.#lowestTable(first) * PAGE_SIZE + index * ENTRY_BYTES + upper * 8;
    this.#memory.write64(at, joinHalves(entry[2 * upper + 1]!, entry[2 * upper]!));
  }

  /** The table that has a page's permission, made with those above it when there is none; -ENOMEM. */
  #lowestTable(page: PageNumber): PageNumber {
    let table = this.root;
    for (const { layout, pages } of UPPER) {
      const at = table * PAGE_SIZE + (Math.floor(page / pages) % TABLE_ENTRIES) * ENTRY_BYTES;
      const words = wordsOf(this.#memory.read(at, ENTRY_BYTES));
      if (layout.AV.isSet(words)) {
        table = layout.ADDRESS.address(words) / PAGE_SIZE;
        continue;
      }
      table = this.#allocator.allocate(PURPOSE);
      if (table < 0) return table;
      this.#tables.push(table);
      const entry = encode(HPTL4E, { AV: 1, ADDRESS: table });
      this.#memory.write64(at + 8, joinHalves(entry[3]!, entry[2]!));
    }
    return table;
  }
}

/** The first page in each aligned part of `size` pages that a range touches. */
function partsOf(first: PageNumber, pages: number, size: number): PageNumber[] {
  const parts = [first];
  for (let page = first - (first % size) + size; page < first + pages; page += size) parts.push(page);
  return parts;
}

function count(counts: Map<PageNumber, number>, page: PageNumber, by: number): void {
  const now = (counts.get(page) ?? 0) + by;
  if (now === 0) counts.delete(page);
  else counts.set(page, now);
}
