/**
 * The tables of a device's MMU as the kernel remembers them: every device that is attached gets a copy, and none is ever read
 * back. Entries are as the data sheet says; where a device keeps a table is its own affair (device.ts).
 */
import { encode, type PageNumber } from '../../../hardware/bits/index.ts';
import { PAGE_ENTRY, TABLE_ENTRIES } from '../../../hardware/devices/mmu-engine/spec.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { ENOMEM } from '../../uapi/index.ts';
import { FaultPoints } from '../fault-points.ts';

/** Consecutive entries of one table that have changed. */
export interface Change {
  /** Which table: the index of its directory entry. */
  readonly table: number;
  /** Index of the first entry. */
  readonly from: number;
  readonly entries: Uint32Array;
  /** Nothing is left in the table. */
  readonly isLast: boolean;
}

interface Table {
  readonly entries: Uint32Array;
  used: number;
}

export class MmuTables {
  readonly #faultPoints: FaultPoints;
  readonly #tables = new Map<number, Table>();

  constructor(faultPoints = new FaultPoints()) {
    this.#faultPoints = faultPoints;
  }

  /** Before pages are mapped there is memory for what the kernel has to remember of them: 0, or -ENOMEM. */
  reserve(first: PageNumber, pages: number): number {
    const fresh = eachTable(first, pages).filter(({ table }) => !this.#tables.has(table));
    return fresh.some(() => this.#faultPoints.refuses('copy of a device’s table')) ? -ENOMEM : 0;
  }

  /** Maps pages from `first` on to pages of the bus. Nothing may be mapped there. */
  map(first: PageNumber, bus: PageNumber, pages: number, { read, write }: Protection): Change[] {
    return eachTable(first, pages).map(({ table, from, count, done }) => {
      const { entries } = this.#tableAt(table);
      for (let i = 0; i < count; i++) {
        entries[from + i] = encode(PAGE_ENTRY, { V: 1, R: read ? 1 : 0, W: write ? 1 : 0, PAGE: bus + done + i })[0]!;
      }
      this.#tableAt(table).used += count;
      return { table, from, entries: entries.slice(from, from + count), isLast: false };
    });
  }

  /** Clears what is mapped in a range: what that changes. */
  unmap(first: PageNumber, pages: number): Change[] {
    return eachTable(first, pages).flatMap(({ table, from, count }) => {
      const found = this.#tables.get(table);
      if (found === undefined) return [];
      const cleared = found.entries.subarray(from, from + count);
      const used = cleared.reduce((sum, entry) => sum + (entry === 0 ? 0 : 1), 0);
      if (used === 0) return [];
      cleared.fill(0);
      found.used -= used;
      if (found.used === 0) this.#tables.delete(table);
      return [{ table, from, entries: new Uint32Array(count), isLast: found.used === 0 }];
    });
  }

  /** Everything, for a device that has nothing yet. */
  all(): Change[] {
    return [...this.#tables].map(([table, { entries }]) => {
      return { table, from: 0, entries: entries.slice(), isLast: false };
    });
  }

  #tableAt(index: number): Table {
    const found = this.#tables.get(index) ?? { entries: new Uint32Array(TABLE_ENTRIES), used: 0 };
    this.#tables.set(index, found);
    return found;
  }
}

interface Part {
  readonly table: number;
  readonly from: number;
  readonly count: number;
  /** Pages of the range before it. */
  readonly done: number;
}

/** What of a range of pages lies in each table. */
function eachTable(first: PageNumber, pages: number): Part[] {
  const parts: Part[] = [];
  for (let done = 0; done < pages; ) {
    const from = (first + done) % TABLE_ENTRIES;
    const count = Math.min(TABLE_ENTRIES - from, pages - done);
    parts.push({ table: Math.floor((first + done) / TABLE_ENTRIES), from, count, done });
    done += count;
  }
  return parts;
}
