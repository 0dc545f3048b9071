/** One I/O address space, as the reference model sees it: what is mapped where, and what a device may reach. */
import { type Facts, NONE } from './facts.ts';
import type { Cell, RefProcess } from './memory.ts';
import { RefFirstStage, rootIn } from './user-tables.ts';
import { LARGE, type Written } from './written.ts';

/** What a page of an I/O address space is. */
export interface Reached {
  readonly cell: Cell;
  readonly read: boolean;
  readonly write: boolean;
}

/** What a request of a device is led through. */
export interface Way {
  /** What a device may reach at a page now; `null`: nothing. */
  at(page: number): Reached | null;
  /** What else hardware may still take a page for, which it was and nobody has told it to forget. */
  stale(page: number): Reached[];
  /** Hardware may still take a page for something else than it is now. */
  isStale(page: number): boolean;
  /** A device has asked for a page: on its way hardware may have written where the user's tables are, as far as it went. */
  walked(page: number): void;
  /** A device has written to a page: that is noted where the kernel keeps the table, and in every space below. */
  wrote(page: number): void;
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
  /** Of a table of tables by PASIDs of so many bits. */
  readonly pasidBits?: number;
  /** Of such a table: requests without PASID use the first stage of PASID 0, and not the parent. */
  readonly usesPasidZero?: boolean;
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

/** Bits of a PASID that one level of a GCR3 table tells apart. */
const GCR3_BITS = 9;

export class RefSpace implements Way {
  readonly id: number;
  readonly parent: RefSpace | null;
  readonly children = new Set<RefSpace>();
  readonly mappings: RefMapping[] = [];
  wanted: Wanted;
  /** What its reader has not heard yet; `null` while nothing is tracked. */
  written: Written | null = null;

  readonly #facts: Facts;
  /** First stages of a process, by PASID; of a page table one for all. */
  readonly #firstStages = new Map<number, RefFirstStage>();

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

  /** It is a table of tables by PASIDs, which takes all requests of a device. */
  get isByPasid(): boolean {
    return this.user?.pasidBits !== undefined;
  }

  /** What requests with a PASID, or without, go through that are led here. */
  way(pasid: number): Way {
    const { user } = this;
    if (user === null) return this;
    if (!this.isByPasid) return this.#firstStage(NONE);
    if (pasid !== NONE) return this.#firstStage(pasid);
    return user.usesPasidZero === true ? this.#firstStage(0) : this.parent!;
  }

  /** No device is there any more, or it has another table: nothing is remembered of the one that it had. */
  dropFirstStages(): void {
    this.#firstStages.clear();
  }

  /** Notes where first stages lead now: those of some PASIDs. */
  remember(pasids: Iterable<number>, pages: readonly number[]): void {
    for (const pasid of this.isByPasid ? pasids : [NONE]) this.#firstStage(pasid).remember(pages);
  }

  /** Of one PASID, or of all. */
  forget(first: number, pages: number, pasid?: number): void {
    for (const one of this.#firstStagesOf(pasid)) one.forget(first, pages);
  }

  /** Everything that came of a PASID's entry, with that entry, or of all. */
  forgetAll(pasid?: number): void {
    for (const one of this.#firstStagesOf(pasid)) one.forgetAll();
  }

  at(page: number): Reached | null {
    const mapping = this.#mapping(page);
    if (mapping === undefined) return null;
    const { cells, read, write, source, first } = mapping;
    if (cells !== null) return { cell: cells[page - first]!, read, write };
    const below = this.parent!.at(source + page - first);
    return below === null ? null : { cell: below.cell, read: read && below.read, write: write && below.write };
  }

  /** What the kernel changes hardware has forgotten when the command returns. */
  stale(): Reached[] {
    return [];
  }

  isStale(): boolean {
    return false;
  }

  walked(): void {}

  wrote(page: number): void {
    this.#note(page, true);
    this.#noteLarge(page);
  }

  /** A page may have been written, or was not. */
  noteAround(page: number): void {
    this.#note(page, false);
    this.#noteLarge(page);
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

  #firstStagesOf(pasid?: number): RefFirstStage[] {
    return [...this.#firstStages].flatMap(([key, one]) => (pasid === undefined || key === pasid ? [one] : []));
  }

  #firstStage(pasid: number): RefFirstStage {
    const known = this.#firstStages.get(pasid);
    if (known !== undefined) return known;
    const parent = this.parent!;
    const { writesTables } = this.#facts;
    const { top, levels, pasidBits } = this.user!;
    const root = () => (pasidBits === undefined ? top : rootIn(parent, top, Math.ceil(pasidBits / GCR3_BITS), pasid));
    const made = new RefFirstStage({ parent, levels, writesTables }, root);
    this.#firstStages.set(pasid, made);
    return made;
  }
}
