/** The tables that lead from a requester id to its domain: one root table, one context table per bus (VT-d 9.1, 9.3). */
import { encode, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { CONTEXT_ENTRY, ROOT_ENTRY, TranslationType } from '../../../hardware/vtd/spec/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { blockEntry, eraseEntry, writeEntry } from './entry-writes.ts';

const ENTRY_WORDS = CONTEXT_ENTRY.$.words;
const ENTRY_BYTES = ENTRY_WORDS * 4;
const PURPOSE = 'context tables';

export interface ContextTarget {
  readonly did: number;
  /** Frame of the top table. */
  readonly root: PageNumber;
  /** CONTEXT_ENTRY.AW */
  readonly addressWidth: number;
}

export class ContextTables {
  /** Frame of the root table. */
  readonly root: PageNumber;
  readonly #memory: CpuMemory;
  readonly #allocator: PageAllocator;
  readonly #contexts: ReadonlyMap<number, PageNumber>;

  private constructor(
    memory: CpuMemory,
    allocator: PageAllocator,
    root: PageNumber,
    contexts: ReadonlyMap<number, PageNumber>,
  ) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.root = root;
    this.#contexts = contexts;
  }

  /** Tables for all of `buses` with nothing present, or -ENOMEM. They are made before hardware sees the root. */
  static create(memory: CpuMemory, allocator: PageAllocator, buses: readonly number[]): ContextTables | number {
    const frames = allocator.allocateAll(PURPOSE, 1 + buses.length);
    if (typeof frames === 'number') return frames;
    const [root, ...tables] = frames;
    const contexts = new Map(buses.map((bus, i) => [bus, tables[i]!]));
    for (const [bus, table] of contexts) {
      writeEntry(memory, root! * PAGE_SIZE + bus * ENTRY_BYTES, encode(ROOT_ENTRY, { P: 1, CTP: table }));
    }
    return new ContextTables(memory, allocator, root!, contexts);
  }

  /** Frees everything, while the unit has not been told where it is. */
  destroy(): void {
    for (const frame of [this.root, ...this.#contexts.values()]) this.#allocator.release(frame);
  }

  /** True when the tables have a place for this requester. */
  covers(rid: number): boolean {
    return this.#contexts.has(rid >>> 8);
  }

  /** Routes a requester. */
  set(rid: number, { did, root, addressWidth }: ContextTarget): void {
    const TT = TranslationType.UNTRANSLATED_ONLY;
    const entry = encode(CONTEXT_ENTRY, { P: 1, TT, SSPTPTR: root, AW: addressWidth, DID: did });
    writeEntry(this.#memory, this.#address(rid), entry);
  }

  /** Takes P away and nothing else: hardware may be reading the entry. */
  block(rid: number): void {
    blockEntry(this.#memory, this.#address(rid));
  }

  /** Empties an entry that hardware has forgotten. */
  erase(rid: number): void {
    eraseEntry(this.#memory, this.#address(rid), ENTRY_WORDS);
  }

  #address(rid: number): number {
    return this.#contexts.get(rid >>> 8)! * PAGE_SIZE + (rid & 0xff) * ENTRY_BYTES;
  }
}
