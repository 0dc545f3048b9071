/** One I/O address space, as the reference model sees it: what is mapped where, and what a device may reach. */
import type { Facts } from './facts.ts';
import type { Cell, RefProcess } from './memory.ts';
import { LARGE, type Written } from './written.ts';

/** What a page of an I/O address space is. */
export interface Reached {
  readonly cell: Cell;
  readonly read: boolean;
  readonly write: boolean;
}

/** Where a user's table leads: a page of the parent. */
interface Led {
  readonly page: number;
  readonly write: boolean;
}

export interface RefMapping {
  readonly first: number;
  readonly pages: number;
  readonly read: boolean;
  readonly write: boolean;
  /** First page of the process, or of the parent. */
  readonly source: number;
  /** Of a root: the memory itself, which stays what it is whatever the process does. */
  readonly cells: readonly Cell[] | null;
  readonly owner: RefProcess;
  /** Registered memory that it uses, instead of being charged. */
  readonly registrations: readonly RefRegistration[];
}

export interface RefRegistration {
  readonly owner: RefProcess;
  readonly first: number;
  readonly cells: readonly Cell[];
  readonly writable: boolean;
}

export interface UserTableOf {
  readonly top: number;
  readonly levels: number;
  /** Of a table of tables by PASIDs of so many bits, which none of the model's machines can walk. */
  readonly pasidBits?: number;
}

export interface Wanted {
  readonly isDummy: boolean;
  readonly width: number;
  /** Only what was asked for: it must be possible where a device is attached. */
  readonly enforceSnoop: boolean;
  readonly tracksDirty: boolean;
  readonly user: UserTableOf | null;
}

export const PLAIN: Wanted = { isDummy: false, width: 0, enforceSnoop: false, tracksDirty: false, user: null };

const [PRESENT, WRITE] = [1n, 2n];
const FRAME = 0x000f_ffff_ffff_f000n;

export class RefSpace {
  readonly id: number;
  readonly parent: RefSpace | null;
  readonly children = new Set<RefSpace>();
  readonly mappings: RefMapping[] = [];
  wanted: Wanted;
  /** What its table has led to since hardware was last told to forget it, by page: that may still hold. */
  readonly remembered = new Map<number, Led[]>();
  /** What its reader has not heard yet; `null` while nothing is tracked. */
  written: Written | null = null;

  readonly #facts: Facts;

  constructor(id: number, parent: RefSpace | null, wanted: Wanted, facts: Facts) {
    this.id = id;
    this.#facts = facts;
    this.parent = parent;
    this.wanted = wanted;
    parent?.children.add(this);
  }

  get user(): UserTableOf | null {
    return this.wanted.user;
  }

  /** Somebody wants to know what is written through its table. */
  get isTracked(): boolean {
    return this.written !== null || this.parent?.isTracked === true;
  }

  overlaps(first: number, pages: number): boolean {
    return this.mappings.some((one) => one.first < first + pages && first < one.first + one.pages);
  }

  covers(first: number, pages: number): boolean {
    const inside = this.mappings.reduce((sum, one) => {
      return sum + Math.max(0, Math.min(one.first + one.pages, first + pages) - Math.max(one.first, first));
    }, 0);
    return inside === pages;
  }

  /** What a device may reach at a page now; `null`: nothing. */
  at(page: number): Reached | null {
    if (this.user !== null) {
      const led = this.#led(page);
      return led === null ? null : this.#through(led);
    }
    const mapping = this.#mapping(page);
    if (mapping === undefined) return null;
    const { cells, read, write, source, first } = mapping;
    if (cells !== null) return { cell: cells[page - first]!, read, write };
    const below = this.parent!.at(source + page - first);
    return below === null ? null : { cell: below.cell, read: read && below.read, write: write && below.write };
  }

  /** A device has written to a page: that is noted where the kernel keeps the table, and in every space below. */
  wrote(page: number): void {
    if (this.user !== null) {
      this.parent!.wrote(this.#led(page)!.page);
      return;
    }
    this.#note(page, true);
    this.#noteLarge(page);
  }

  /** A device has asked for a page: on its way hardware may have written where the user's tables are, as far as it went. */
  walked(page: number): void {
    if (this.user === null || !this.#writesTables) return;
    for (const { at } of this.#walk(page)) {
      this.parent!.#note(at, false);
      this.parent!.#noteLarge(at);
    }
  }

  /** What else hardware may still take a page for, which it was and nobody has told it to forget. */
  stale(page: number): Reached[] {
    return (this.remembered.get(page) ?? []).flatMap((led) => this.#through(led) ?? []);
  }

  /** Hardware may still take a page for something else than it is now. */
  isStale(page: number): boolean {
    const led = this.#led(page);
    return (this.remembered.get(page) ?? []).some((one) => one.page !== led?.page || one.write !== led.write);
  }

  /** Notes where the table leads now. */
  remember(pages: Iterable<number>): void {
    for (const page of pages) {
      const led = this.#led(page);
      if (led === null) continue;
      const known = this.remembered.get(page) ?? [];
      if (!known.some((one) => one.page === led.page && one.write === led.write)) known.push(led);
      this.remembered.set(page, known);
    }
  }

  forget(first: number, pages: number): void {
    for (const page of [...this.remembered.keys()]) {
      if (first <= page && page < first + pages) this.remembered.delete(page);
    }
  }

  #mapping(page: number): RefMapping | undefined {
    return this.mappings.find(({ first, pages }) => first <= page && page < first + pages);
  }

  #note(page: number, isSure: boolean): void {
    const mapping = this.#mapping(page);
    if (mapping?.write !== true) return;
    this.written?.note(page, isSure);
    if (this.parent !== null) this.parent.#note(mapping.source + page - mapping.first, isSure);
  }

  #noteLarge(page: number): void {
    const large = Math.floor(page / LARGE) * LARGE;
    const { first, pages } = this.#mapping(page)!;
    if (large < first || large + LARGE > first + pages) return;
    for (let other = large; other < large + LARGE; other++) this.#note(other, false);
  }

  get #writesTables(): boolean {
    return this.#facts.writesTables && this.parent!.isTracked;
  }

  #through({ page, write }: Led): Reached | null {
    const below = this.parent!.at(page);
    return below === null ? null : { ...below, write: write && below.write };
  }

  #led(page: number): Led | null {
    const steps = [...this.#walk(page)];
    const last = steps.at(-1);
    if (steps.length < this.user!.levels || last === undefined || (last.entry & PRESENT) === 0n) return null;
    return { page: frameOf(last.entry), write: steps.every(({ entry }) => (entry & WRITE) !== 0n) };
  }

  /** The entries of an x86 table, which lies in the parent space, on the way to a page, as far as it goes. */
  *#walk(page: number): Generator<{ readonly at: number; readonly entry: bigint }> {
    const { top, levels } = this.user!;
    let at = top;
    for (let level = levels; level > 0; level--) {
      const table = this.parent!.at(at);
      if (table?.read !== true || (this.#writesTables && !table.write)) return;
      const entry = table.cell.word(Math.floor(page / 512 ** (level - 1)) % 512);
      yield { at, entry };
      if ((entry & PRESENT) === 0n) return;
      at = frameOf(entry);
    }
  }
}

function frameOf(entry: bigint): number {
  return Number((entry & FRAME) >> 12n);
}
