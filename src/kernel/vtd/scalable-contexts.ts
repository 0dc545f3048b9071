/** The root table of scalable mode and two context tables for each bus (VT-d 9.2, 9.4). */
import { encode, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { SCALABLE_CONTEXT_ENTRY, SCALABLE_ROOT_ENTRY } from '../../../hardware/vtd/spec/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { blockEntry, eraseEntry, writeEntry } from './entry-writes.ts';

const ROOT_BYTES = 16;
const ENTRY_WORDS = SCALABLE_CONTEXT_ENTRY.$.words;
/** Entries of one context table, and of one bus. */
const HALF = 128;
const PURPOSE = 'context tables';

export interface ScalableContext {
  /** Frame of the PASID directory and its size: 2^(pdts + 7) entries. */
  readonly directory: PageNumber;
  readonly pdts: number;
  readonly deviceTlb: boolean;
  readonly pageRequests: boolean;
  /** Translated requests are checked in the host permission table of PASID 0: they come without PASID. */
  readonly hostPermissions?: boolean;
  /** Requests with PASID are allowed. */
  readonly pasids: boolean;
}

export class ScalableContexts {
  /** Frame of the root table. */
  readonly root: PageNumber;
  readonly #memory: CpuMemory;
  readonly #allocator: PageAllocator;
  /** Lower and upper table of each bus. */
  readonly #tables: ReadonlyMap<number, readonly [PageNumber, PageNumber]>;

  private constructor(
    memory: CpuMemory,
    allocator: PageAllocator,
    root: PageNumber,
    tables: ReadonlyMap<number, [PageNumber, PageNumber]>,
  ) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.root = root;
    this.#tables = tables;
  }

  /** Tables for all of `buses` with nothing present, or -ENOMEM. They are made before hardware sees the root. */
  static create(memory: CpuMemory, allocator: PageAllocator, buses: readonly number[]): ScalableContexts | number {
    const frames = allocator.allocateAll(PURPOSE, 1 + 2 * buses.length);
    if (typeof frames === 'number') return frames;
    const root = frames[0]!;
    const tables = new Map(
      buses.map((bus, i): [number, [PageNumber, PageNumber]] => [bus, [frames[1 + 2 * i]!, frames[2 + 2 * i]!]]),
    );
    for (const [bus, [LCTP, UCTP]] of tables) {
      const entry = encode(SCALABLE_ROOT_ENTRY, { LP: 1, LCTP, UP: 1, UCTP });
      writeEntry(memory, root * PAGE_SIZE + bus * ROOT_BYTES, entry);
    }
    return new ScalableContexts(memory, allocator, root, tables);
  }

  /** Frees everything, while the unit has not been told where it is. */
  destroy(): void {
    for (const frame of [this.root, ...[...this.#tables.values()].flat()]) this.#allocator.release(frame);
  }

  /** True when the tables have a place for this requester. */
  covers(rid: number): boolean {
    return this.#tables.has(rid >>> 8);
  }

  /** Requests without PASID use PASID 0: every unit can do that, also those that let software choose. */
  set(rid: number, { directory, pdts, ...allowed }: ScalableContext): void {
    const { deviceTlb, pageRequests, pasids, hostPermissions = false } = allowed;
    const entry = encode(SCALABLE_CONTEXT_ENTRY, {
      P: 1,
      DTE: deviceTlb ? 1 : 0,
      PASIDE: pasids ? 1 : 0,
      PRE: pageRequests ? 1 : 0,
      HPTE: hostPermissions ? 1 : 0,
      PDTS: pdts,
      PASIDDIRPTR: directory,
      RID_PASID: 0,
    });
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
    const [lower, upper] = this.#tables.get(rid >>> 8)!;
    const devfn = rid & 0xff;
    return (devfn < HALF ? lower : upper) * PAGE_SIZE + (devfn % HALF) * ENTRY_WORDS * 4;
  }
}
