/**
 * Builds page tables of any format in memory: the kernel's half of what the IOMMU's walker reads.
 *
 * Superpages are used where addresses are aligned and the format has the size. A table that becomes empty is unlinked at
 * once but only freed by the caller, after hardware has forgotten the way to it.
 */
import { hex, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import type { DecodedEntry, PageTableFormat, Protection } from '../../../hardware/formats/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { goesOn } from '../page-run.ts';

/** Pages in a row that are mapped to frames in a row. */
export interface Mapping {
  readonly first: PageNumber;
  readonly frame: PageNumber;
  /** Grows while neighbours are found. */
  pages: number;
  readonly protection: Protection;
}

/**
 * Which tables an unmap unlinks: all that it empties, or of these only those of which it covers all that they could map.
 * Hardware may look for neighbours in a table that it knows until the flush, even when there is another one by then.
 */
export type Unlinking = 'emptied' | 'covered';

/** What an unmap leaves for its flush. */
export interface Unmapped {
  readonly first: PageNumber;
  readonly pages: number;
  /** What was mapped there. */
  readonly mappings: Mapping[];
  /** Tables that are no longer linked: hardware may still read them until the flush. */
  readonly tables: PageNumber[];
  /** Entries that were written. */
  entries: number;
}

const IO_PURPOSE = 'I/O page table';

type Leaf = Extract<DecodedEntry, { kind: 'leaf' }>;

/** Part of a mapping that is still to be entered. */
interface Run {
  readonly first: PageNumber;
  readonly frame: PageNumber;
  readonly pages: number;
}

/** Part of a range that is to be cleared. */
interface Clearing {
  readonly first: PageNumber;
  readonly end: PageNumber;
  readonly unlinking: Unlinking;
}

export class PageTable {
  readonly format: PageTableFormat;
  /** Frame of the top table. */
  readonly root: PageNumber;
  /** Entries and tables written by the last `map`: what it cost; and how many pages it has mapped. */
  entries = 0;
  tables = 0;
  pages = 0;
  readonly #allocator: PageAllocator;
  readonly memory: CpuMemory;
  /** What the allocator is told. */
  readonly #purpose: string;
  /** Number of entries in use, by the table's frame. */
  readonly #used = new Map<PageNumber, number>();

  private constructor(
    format: PageTableFormat,
    allocator: PageAllocator,
    memory: CpuMemory,
    root: PageNumber,
    purpose: string,
  ) {
    this.format = format;
    this.root = root;
    this.#allocator = allocator;
    this.memory = memory;
    this.#purpose = purpose;
    this.#used.set(root, 0);
  }

  /** An empty table, or -ENOMEM. */
  static create(
    format: PageTableFormat,
    allocator: PageAllocator,
    memory: CpuMemory,
    purpose = IO_PURPOSE,
  ): PageTable | number {
    const root = allocator.allocate(purpose);
    return root < 0 ? root : new PageTable(format, allocator, memory, root, purpose);
  }

  /** 0, or -ENOMEM with a part of the pages mapped. Throws when something is mapped there already: callers know better. */
  map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): number {
    this.entries = 0;
    this.tables = 0;
    this.pages = 0;
    return this.#fill(this.root, this.format.levels, { first, frame, pages }, protection);
  }

  /** Clears every mapping in a range. Throws when a superpage reaches beyond it. */
  unmap(first: PageNumber, pages: number, unlinking: Unlinking = 'emptied'): Unmapped {
    const unmapped: Unmapped = { first, pages, mappings: [], tables: [], entries: 0 };
    this.#clear(this.root, this.format.levels, { first, end: first + pages, unlinking }, unmapped);
    return unmapped;
  }

  /** Addresses of the entries that lead to a page, from the top table to the one that maps it; none when nothing does. */
  path(page: PageNumber): number[] {
    const path: number[] = [];
    for (let table = this.root, level = this.format.levels; this.#used.has(table); level--) {
      const at = this.#entryAddress(table, level, page);
      const entry = this.format.decode(level, this.memory.read64(at));
      path.push(at);
      if (entry.kind === 'leaf') return path;
      if (entry.kind === 'empty') break;
      table = entry.address / PAGE_SIZE;
    }
    return [];
  }

  /** Sees to it that no entry maps pages on both sides of the start of `page`: 0, or -ENOMEM. Every page stays where it is. */
  split(page: PageNumber): number {
    let table = this.root;
    for (let level = this.format.levels; page % this.#span(level) !== 0 && this.#used.has(table); level--) {
      const at = this.#entryAddress(table, level, page);
      const entry = this.memory.read64(at);
      const decoded = this.format.decode(level, entry);
      if (decoded.kind === 'empty') return 0;
      table = decoded.kind === 'leaf' ? this.#splitLeaf(at, level, entry, decoded) : decoded.address / PAGE_SIZE;
      if (table < 0) return table;
    }
    return 0;
  }

  /** Frees tables that are no longer linked. */
  reclaim(tables: readonly PageNumber[]): void {
    for (const table of tables) this.#allocator.release(table);
  }

  /** Keeps tables that are no longer linked until everything is freed: hardware may still read them. */
  keep(tables: readonly PageNumber[]): void {
    for (const table of tables) this.#used.set(table, 0);
  }

  /** Frees every table. */
  destroy(): void {
    for (const table of this.#used.keys()) this.#allocator.release(table);
    this.#used.clear();
  }

  #fill(table: PageNumber, level: number, { first, frame, pages }: Run, protection: Protection): number {
    const span = this.#span(level);
    for (let done = 0; done < pages; ) {
      const page = first + done;
      const at = this.#entryAddress(table, level, page);
      const left = pages - done;
      // A table that is there stays, even an empty one: hardware may know it.
      if (this.#fits(level, page, frame + done, left) && !this.#isTable(at, level)) {
        this.#expectEmpty(at, level, page);
        this.#write(at, this.format.leaf(level, (frame + done) * PAGE_SIZE, protection));
        this.#count(table, 1);
        this.pages += span;
        done += span;
      } else {
        const child = this.#childOf(table, level, at, page);
        if (child < 0) return child;
        const part = Math.min(left, span - (page % span));
        const result = this.#fill(child, level - 1, { first: page, frame: frame + done, pages: part }, protection);
        if (result < 0) return result;
        done += part;
      }
    }
    return 0;
  }

  #clear(table: PageNumber, level: number, { first, end, unlinking }: Clearing, unmapped: Unmapped): void {
    const span = this.#span(level);
    for (let page = first; page < end; ) {
      const next = Math.min(end, (Math.floor(page / span) + 1) * span);
      const at = this.#entryAddress(table, level, page);
      const entry = this.format.decode(level, this.memory.read64(at));
      if (entry.kind === 'leaf' && next - page !== span) {
        throw new Error(`page table: unmapping ${hex(page)}-${hex(next)} would cut a page of ${span} × 4 KiB`);
      }
      if (entry.kind === 'leaf') note(unmapped.mappings, page, span, entry);
      if (entry.kind === 'table')
        this.#clear(entry.address / PAGE_SIZE, level - 1, { first: page, end: next, unlinking }, unmapped);
      const goes = unlinking === 'emptied' || next - page === span;
      const emptied = goes && entry.kind === 'table' && this.#used.get(entry.address / PAGE_SIZE) === 0;
      if (entry.kind === 'leaf' || emptied) {
        this.memory.write64(at, this.format.empty);
        this.#count(table, -1);
        unmapped.entries++;
      }
      if (entry.kind === 'table' && emptied) {
        this.#used.delete(entry.address / PAGE_SIZE);
        unmapped.tables.push(entry.address / PAGE_SIZE);
      }
      page = next;
    }
  }

  /** The table below an entry, made when there is none; -ENOMEM. */
  #childOf(table: PageNumber, level: number, at: number, page: PageNumber): PageNumber {
    const entry = this.format.decode(level, this.memory.read64(at));
    if (entry.kind === 'table') return entry.address / PAGE_SIZE;
    this.#expectEmpty(at, level, page);
    const child = this.#allocator.allocate(this.#purpose);
    if (child < 0) return child;
    this.tables++;
    this.#used.set(child, 0);
    this.#write(at, this.format.table(level, child * PAGE_SIZE));
    this.#count(table, 1);
    return child;
  }

  /** Replaces an entry by a table that says the same, and what hardware has noted in the entry: its frame, or -ENOMEM. */
  #splitLeaf(at: number, level: number, entry: bigint, { address, ...protection }: Leaf): PageNumber {
    const child = this.#allocator.allocate(this.#purpose);
    if (child < 0) return child;
    const noted = entry & ~this.format.leaf(level, address, protection);
    const bytes = this.#span(level - 1) * PAGE_SIZE;
    const entries = this.#span(level) / this.#span(level - 1);
    for (let i = 0; i < entries; i++) {
      const leaf = this.format.leaf(level - 1, address + i * bytes, protection);
      this.memory.write64(child * PAGE_SIZE + i * this.format.entryBytes, leaf | noted);
    }
    this.#used.set(child, entries);
    this.memory.write64(at, this.format.table(level, child * PAGE_SIZE));
    return child;
  }

  #fits(level: number, page: PageNumber, frame: PageNumber, left: number): boolean {
    const span = this.#span(level);
    return this.format.leafLevels.includes(level) && left >= span && page % span === 0 && frame % span === 0;
  }

  #isTable(at: number, level: number): boolean {
    return this.format.decode(level, this.memory.read64(at)).kind === 'table';
  }

  #expectEmpty(at: number, level: number, page: PageNumber): void {
    if (this.format.decode(level, this.memory.read64(at)).kind !== 'empty') {
      throw new Error(`page table: page ${hex(page)} is mapped already`);
    }
  }

  /** Pages that one entry covers. */
  #span(level: number): number {
    return 2 ** this.format.pageShift(level) / PAGE_SIZE;
  }

  #entryAddress(table: PageNumber, level: number, page: PageNumber): number {
    return table * PAGE_SIZE + this.format.indexOf(page, level) * this.format.entryBytes;
  }

  #count(table: PageNumber, change: number): void {
    this.#used.set(table, this.#used.get(table)! + change);
  }

  #write(at: number, entry: bigint): void {
    this.memory.write64(at, entry);
    this.entries++;
  }
}

/** Adds a page to a list of mappings: most go on where the last ends. */
function note(mappings: Mapping[], first: PageNumber, pages: number, { address, read, write }: Leaf): void {
  const frame = address / PAGE_SIZE;
  const last = mappings.at(-1);
  if (
    last === undefined ||
    !goesOn(last, first, frame) ||
    last.protection.read !== read ||
    last.protection.write !== write
  ) {
    mappings.push({ first, frame, pages, protection: { read, write } });
  } else {
    last.pages += pages;
  }
}
