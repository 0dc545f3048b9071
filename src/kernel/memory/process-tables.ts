/**
 * The page tables of one process in memory, as a CPU walks them (x86-64 paging, 4 levels), and any device that shares them.
 * Nothing is executed from memory that a program asks for: its pages have XD, which a unit with ERS honours with NXE only.
 */
import { PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { FS_PTE, flag, type PageTableFormat, x86Paging } from '../../../hardware/formats/index.ts';
import type { CpuMemory } from '../bus.ts';
import { PageTable } from '../iommu/page-table.ts';
import type { PageAllocator } from '../page-allocator.ts';

const { A, D, RW, XD } = FS_PTE;
const ACCESSED = flag(A.spec, true);
const DIRTY = flag(D.spec, true);
const WRITABLE = flag(RW.spec, true);
const EXECUTE_DISABLE = flag(XD.spec, true);

const X86 = x86Paging({ levels: 4, superpages: [2, 3] });
const PROCESS_PAGING: PageTableFormat = {
  ...X86,
  name: `${X86.name}, of a process`,
  // Set from the start, as Linux does: only what maps a page tells whether it was accessed.
  table: (level, address) => X86.table(level, address) | ACCESSED,
  leaf: (level, address, protection) => X86.leaf(level, address, protection) | EXECUTE_DISABLE,
};

export class ProcessTables {
  /** Entries and tables that were written: what it has cost. */
  writes = 0;
  readonly #allocator: PageAllocator;
  readonly #memory: CpuMemory;
  #table: PageTable | null = null;

  constructor(allocator: PageAllocator, memory: CpuMemory) {
    this.#allocator = allocator;
    this.#memory = memory;
  }

  /** True when nothing has needed a table yet. */
  get isEmpty(): boolean {
    return this.#table === null;
  }

  /** The frame of the top table, made when there is none: -ENOMEM. */
  get root(): PageNumber {
    const table = this.#made();
    return typeof table === 'number' ? table : table.root;
  }

  /** 0, or -ENOMEM and nothing is mapped but perhaps a top table made. Nothing may be mapped there before. */
  map(first: PageNumber, frame: PageNumber, pages: number, write: boolean): number {
    const table = this.#made();
    if (typeof table === 'number') return table;
    const result = table.map(first, frame, pages, { read: true, write });
    this.writes += table.entries;
    if (result < 0) this.reclaim(this.unmap(first, pages));
    return result;
  }

  /** Clears what is mapped and gives the tables that are no longer linked, for `reclaim`. No entry may reach beyond the range. */
  unmap(first: PageNumber, pages: number): PageNumber[] {
    if (this.#table === null) return [];
    const { tables, entries } = this.#table.unmap(first, pages);
    this.writes += entries;
    return tables;
  }

  /** Frees tables: nobody walks them any more. */
  reclaim(tables: readonly PageNumber[]): void {
    this.#table?.reclaim(tables);
  }

  destroy(): void {
    this.#table?.destroy();
    this.#table = null;
  }

  /** Sees to it that no entry reaches beyond a range from inside: 0, -ENOMEM. */
  split(first: PageNumber, pages: number): number {
    if (this.#table === null) return 0;
    const result = this.#table.split(first);
    return result < 0 ? result : this.#table.split(first + pages);
  }

  /** Takes the right to write from mapped pages that no entry reaches beyond. */
  protect(first: PageNumber, pages: number): void {
    for (let page = first; page < first + pages; ) {
      const path = this.#path(page);
      const at = path.at(-1);
      if (at !== undefined) this.#write(at, this.#memory.read64(at) & ~WRITABLE);
      page += this.#span(path);
    }
  }

  /** Leads one page, which has an entry of its own, to another frame, or to the same again, for writing. */
  replace(page: PageNumber, frame: PageNumber): void {
    const at = this.#path(page).at(-1);
    if (at !== undefined) this.#write(at, PROCESS_PAGING.leaf(1, frame * PAGE_SIZE, { read: true, write: true }));
  }

  /** Notes what a CPU notes when it loads or stores. */
  touch(page: PageNumber, write: boolean): void {
    const at = this.#path(page).at(-1);
    if (at !== undefined) this.#memory.write64(at, this.#memory.read64(at) | ACCESSED | (write ? DIRTY : 0n));
  }

  #path(page: PageNumber): number[] {
    return this.#table?.path(page) ?? [];
  }

  /** Pages behind the last entry of a path. */
  #span({ length }: readonly number[]): number {
    const level = length === 0 ? 1 : PROCESS_PAGING.levels + 1 - length;
    return 2 ** PROCESS_PAGING.pageShift(level) / PAGE_SIZE;
  }

  #write(at: number, entry: bigint): void {
    this.#memory.write64(at, entry);
    this.writes++;
  }

  #made(): PageTable | number {
    if (this.#table === null) {
      const made = PageTable.create(PROCESS_PAGING, this.#allocator, this.#memory, 'page table');
      if (typeof made === 'number') return made;
      this.#table = made;
    }
    return this.#table;
  }
}
