/** One device's PASID directory and tables (VT-d 9.5, 9.6). A table of 64 entries is made when its first entry is. */
import { encode, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { PASID_DIRECTORY_ENTRY, PASID_ENTRY } from '../../../hardware/vtd/spec/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { blockEntry, eraseEntry, isPresent, rewriteFirst, writeEntry } from './entry-writes.ts';

const PURPOSE = 'PASID tables';
const TABLE_ENTRIES = 64;
const ENTRY_WORDS = PASID_ENTRY.$.words;
const DIRECTORY_ENTRY_BYTES = PASID_DIRECTORY_ENTRY.$.words * 4;
/** A directory of 2^(PDTS + 7) entries serves 2^(PDTS + 13) PASIDs; 2^(PDTS - 2) pages hold it. */
const FEWEST_BITS = 13;
const MOST_PDTS = 7;
const PDTS_OF_A_PAGE = 2;

export class PasidTables {
  /** Frame of the directory. */
  readonly directory: PageNumber;
  readonly pdts: number;
  /** The context entry leads here. */
  entered = false;
  readonly #memory: CpuMemory;
  readonly #allocator: PageAllocator;
  /** Frames by index in the directory. */
  readonly #tables = new Map<number, PageNumber>();
  /** PASIDs with an entry that is not empty. */
  readonly #used = new Set<number>();

  private constructor(memory: CpuMemory, allocator: PageAllocator, directory: PageNumber, pdts: number) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.directory = directory;
    this.pdts = pdts;
  }

  /** A directory for PASIDs of so many bits, with nothing present, or -ENOMEM. */
  static create(memory: CpuMemory, allocator: PageAllocator, pasidBits: number): PasidTables | number {
    const pdts = Math.min(MOST_PDTS, Math.max(0, pasidBits - FEWEST_BITS));
    const directory = allocator.allocate(PURPOSE, Math.max(0, pdts - PDTS_OF_A_PAGE));
    return directory < 0 ? directory : new PasidTables(memory, allocator, directory, pdts);
  }

  get isEmpty(): boolean {
    return this.#used.size === 0;
  }

  /** Makes the table that a PASID's entry is in: number of entries written, or -ENOMEM. */
  reserve(pasid: number): number {
    const index = Math.floor(pasid / TABLE_ENTRIES);
    if (this.#tables.has(index)) return 0;
    const table = this.#allocator.allocate(PURPOSE);
    if (table < 0) return table;
    this.#tables.set(index, table);
    const entry = encode(PASID_DIRECTORY_ENTRY, { P: 1, SMPTBLPTR: table });
    writeEntry(this.#memory, this.directory * PAGE_SIZE + index * DIRECTORY_ENTRY_BYTES, entry);
    return 1;
  }

  /** True while an entry is present or has not been erased. */
  isUsed(pasid: number): boolean {
    return this.#used.has(pasid) || isPresent(this.#memory, this.#address(pasid));
  }

  set(pasid: number, entry: Uint32Array): void {
    this.#used.add(pasid);
    writeEntry(this.#memory, this.#address(pasid), entry);
  }

  /** Changes flags in the first word of an entry that is present: false when there is none. */
  change(pasid: number, entry: Uint32Array): boolean {
    if (!this.#used.has(pasid) || !isPresent(this.#memory, this.#address(pasid))) return false;
    rewriteFirst(this.#memory, this.#address(pasid), entry);
    return true;
  }

  /** Takes P away and nothing else: hardware may be reading the entry. There may never have been one. */
  block(pasid: number): void {
    if (this.#used.has(pasid)) blockEntry(this.#memory, this.#address(pasid));
  }

  /** Empties an entry that hardware has forgotten. */
  erase(pasid: number): void {
    if (this.#used.delete(pasid)) eraseEntry(this.#memory, this.#address(pasid), ENTRY_WORDS);
  }

  /** Frees everything, once nothing leads here any more. */
  destroy(): void {
    for (const table of this.#tables.values()) this.#allocator.release(table);
    this.#tables.clear();
    this.#allocator.release(this.directory);
  }

  #address(pasid: number): number {
    const table = this.#tables.get(Math.floor(pasid / TABLE_ENTRIES))!;
    return table * PAGE_SIZE + (pasid % TABLE_ENTRIES) * ENTRY_WORDS * 4;
  }
}
