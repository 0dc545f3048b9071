/** One device's GCR3 table (fact sheet 3.5): leads from a PASID to its guest table. Lower tables are made when needed. */
import { type DTE, GCR3_ENTRY } from '../../../hardware/amdvi/spec/index.ts';
import {
  encode,
  joinHalves,
  PAGE_SIZE,
  type PageNumber,
  splitWords,
  type Values,
} from '../../../hardware/bits/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { GCR3_BITS } from './features.ts';

const PURPOSE = 'GCR3 tables';
const ENTRY_BYTES = GCR3_ENTRY.$.words * 4;
const ENTRIES = 2 ** GCR3_BITS;

/** Where a GCR3 table is. */
export interface Gcr3Place {
  /** Page of the top table. */
  readonly root: PageNumber;
  readonly levels: number;
}

export class Gcr3Table {
  /** PASIDs that a table of one level reaches. */
  static readonly entriesOfOne = ENTRIES;
  readonly #memory: CpuMemory;
  readonly #allocator: PageAllocator;
  readonly #levels: number;
  /** The top table, then those below it as they were made. */
  readonly #tables: PageNumber[];

  private constructor(memory: CpuMemory, allocator: PageAllocator, levels: number, root: PageNumber) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.#levels = levels;
    this.#tables = [root];
  }

  /** An empty table, or -ENOMEM. */
  static create(memory: CpuMemory, allocator: PageAllocator, levels: number): Gcr3Table | number {
    const root = allocator.allocate(PURPOSE);
    return root < 0 ? root : new Gcr3Table(memory, allocator, levels, root);
  }

  get place(): Gcr3Place {
    return { root: this.#tables[0]!, levels: this.#levels };
  }

  /** Leads a PASID to its table: number of entries written, or -ENOMEM. */
  set(pasid: number, table: PageNumber): number {
    let at = this.#tables[0]!;
    let written = 1;
    for (let level = this.#levels - 1; level > 0; level--) {
      let next = this.#read(at, pasid, level);
      if (next === undefined) {
        next = this.#allocator.allocate(PURPOSE);
        if (next < 0) return next;
        this.#tables.push(next);
        this.#write(at, pasid, level, { V: 1, Address: next });
        written++;
      }
      at = next;
    }
    this.#write(at, pasid, 0, { V: 1, Address: table });
    return written;
  }

  /** Leads a PASID nowhere: number of entries written. */
  clear(pasid: number): number {
    let at: PageNumber | undefined = this.#tables[0];
    for (let level = this.#levels - 1; level > 0 && at !== undefined; level--) at = this.#read(at, pasid, level);
    if (at === undefined) return 0;
    this.#write(at, pasid, 0, {});
    return 1;
  }

  /** Frees everything, once nothing leads here any more. */
  destroy(): void {
    for (const table of this.#tables) this.#allocator.release(table);
    this.#tables.length = 0;
  }

  /** What the entry for a PASID leads to. */
  #read(table: PageNumber, pasid: number, level: number): PageNumber | undefined {
    const words = splitWords(this.#memory.read64(addressOf(table, pasid, level)), GCR3_ENTRY.$.words);
    return GCR3_ENTRY.V.isSet(words) ? GCR3_ENTRY.Address.get(words) : undefined;
  }

  #write(table: PageNumber, pasid: number, level: number, values: Values<typeof GCR3_ENTRY>): void {
    const [low, high] = encode(GCR3_ENTRY, values);
    this.#memory.write64(addressOf(table, pasid, level), joinHalves(high!, low!));
  }
}

/** What a device table entry says about a table. */
export function gcr3Fields({ root, levels }: Gcr3Place): Values<typeof DTE> {
  return {
    GLX: levels - 1,
    GCR3_14_12: root % 2 ** 3,
    GCR3_30_15: Math.floor(root / 2 ** 3) % 2 ** 16,
    GCR3_51_31: Math.floor(root / 2 ** 19),
  };
}

function addressOf(table: PageNumber, pasid: number, level: number): number {
  return table * PAGE_SIZE + ((pasid >>> (GCR3_BITS * level)) % ENTRIES) * ENTRY_BYTES;
}
