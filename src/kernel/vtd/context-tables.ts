/** The tables that lead from a requester id to its domain: one root table, one context table per bus (VT-d 9.1, 9.3). */
import { encode, joinHalves, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { CONTEXT_ENTRY, ROOT_ENTRY, TranslationType } from '../../../hardware/vtd/spec/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { PageAllocator } from '../page-allocator.ts';

const ENTRY_BYTES = 16;
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
  readonly #contexts: ReadonlyMap<number, PageNumber>;

  private constructor(memory: CpuMemory, root: PageNumber, contexts: ReadonlyMap<number, PageNumber>) {
    this.#memory = memory;
    this.root = root;
    this.#contexts = contexts;
  }

  /** Tables for all of `buses` with nothing present, or -ENOMEM. They are made before hardware sees the root. */
  static create(memory: CpuMemory, allocator: PageAllocator, buses: readonly number[]): ContextTables | number {
    const frames = [0, ...buses].map(() => allocator.allocate(PURPOSE));
    const failed = frames.find((frame) => frame < 0);
    if (failed !== undefined) {
      for (const frame of frames) if (frame >= 0) allocator.release(frame);
      return failed;
    }
    const [root, ...tables] = frames;
    const contexts = new Map(buses.map((bus, i) => [bus, tables[i]!]));
    for (const [bus, table] of contexts) {
      const entry = encode(ROOT_ENTRY, { P: 1, CTP: table });
      memory.write64(root! * PAGE_SIZE + bus * ENTRY_BYTES, joinHalves(entry[1]!, entry[0]!));
    }
    return new ContextTables(memory, root!, contexts);
  }

  /** True when the tables have a place for this requester. */
  covers(rid: number): boolean {
    return this.#contexts.has(rid >>> 8);
  }

  /** Routes a requester. The half with P is written last, so that hardware never sees a part of the entry. */
  set(rid: number, { did, root, addressWidth }: ContextTarget): void {
    const TT = TranslationType.UNTRANSLATED_ONLY;
    const entry = encode(CONTEXT_ENTRY, { P: 1, TT, SSPTPTR: root, AW: addressWidth, DID: did });
    const at = this.#address(rid);
    this.#memory.write64(at + 8, joinHalves(entry[3]!, entry[2]!));
    this.#memory.write64(at, joinHalves(entry[1]!, entry[0]!));
  }

  /** Takes P away and nothing else: hardware may be reading the entry. */
  block(rid: number): void {
    const at = this.#address(rid);
    const low = this.#memory.read64(at);
    this.#memory.write64(at, low & ~encodedPresence);
  }

  /** Empties an entry that hardware has forgotten. */
  erase(rid: number): void {
    const at = this.#address(rid);
    this.#memory.write64(at, 0n);
    this.#memory.write64(at + 8, 0n);
  }

  #address(rid: number): number {
    return this.#contexts.get(rid >>> 8)! * PAGE_SIZE + (rid & 0xff) * ENTRY_BYTES;
  }
}

const encodedPresence = BigInt(encode(CONTEXT_ENTRY, { P: 1 })[0]!);
