/** The twin's walks: each level goes on with every table that memory or a cached entry may lead to (amd-vi.md section 3). */
import { floorTo, indexOf, isHole, NONE, PAGE, type Range, shiftOf } from '../../caching/radix.ts';
import { add, NO_PASID, rightsOf, Structures, stateOf, tableOf } from '../../caching/structures.ts';
import { indexFor } from './guest-tables.ts';
import type { Event } from './requests.ts';
import { GIOV_PASID, NO_HOST_ENTRY, type Setting, type Tables, type World } from './world.ts';

/** A page, or the condition that stops the walk. */
export interface Result {
  readonly event: Event | null;
  readonly address: number;
  /** 1 read, 2 write. */
  readonly rights: number;
  /** Not for supervisors alone. */
  readonly user: boolean;
}

const IO_PAGE_FAULT = 2;
/** Not present, not valid, or out of range. */
export const ABSENT: Event = { code: IO_PAGE_FAULT };
export const DENIED: Event = { code: IO_PAGE_FAULT, pr: 1, pe: 1 };
const RESERVED: Event = { code: IO_PAGE_FAULT, pr: 1, rz: 1 };
const UNREADABLE: Event = { code: 4 };

const failed = (event: Event): Result => ({ event, address: 0, rights: 0, user: true });
const found = (address: number, rights: number, user: boolean): Result => ({ event: null, address, rights, user });

const EVERYTHING = 7;
const WRITABLE = 2;
const USER = 4;

/** What walks hold of one space: tables, or tables and a PASID. */
interface Root {
  readonly tables: Tables;
  readonly pasid: number;
  /** By level: where entries of GCR3 tables lead, in the end to top guest tables. A walk under way may mix old and new. */
  readonly held: readonly number[][];
}

export class TwinWalks {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #remembers: boolean;
  readonly #hostStructures = new Structures();
  readonly #guestStructures = new Structures();
  readonly #roots = new Map<string, Root>();
  readonly #domains = new Map<number, Tables>();
  /** Walks since the last change. */
  readonly #done = new Map<string, Result[]>();

  constructor(setting: Setting, world: World, remembers: boolean) {
    this.#setting = setting;
    this.#world = world;
    this.#remembers = remembers;
  }

  forget(): void {
    this.#done.clear();
  }

  /** Translates an address of the host table. */
  host(tables: Tables, address: number): readonly Result[] {
    return this.#once(`${tables.id} ${address}`, () => this.#walkHost(tables, address));
  }

  /** Translates an address of a PASID. */
  guest(tables: Tables, pasid: number, address: number): readonly Result[] {
    return this.#once(`${tables.id} ${address} ${pasid}`, () => this.#walkGuest(tables, pasid, address));
  }

  clear(): void {
    for (const structures of [this.#hostStructures, this.#guestStructures]) structures.clear();
    this.#roots.clear();
  }

  /** GN = 0: of nested tables everything that a guest table takes part in was made with the host table. */
  flushHost(domain: number, pages: Range, directories: boolean): void {
    const isNested = (id: number): boolean => this.#isOf(id, domain) && this.#domains.get(id)!.host !== null;
    this.#guestStructures.remove(({ did }) => isNested(did));
    this.#removeRoots(({ tables }) => isNested(tables.id));
    if (directories) this.#eachOf(domain, (id) => this.#hostStructures.removePages(id, pages));
  }

  /** GN = 1 and PDE = 1. */
  flushGuest(domain: number, pasid: number, pages: Range): void {
    this.#eachOf(domain, (id) => this.#guestStructures.removePages(id, pages, pasid));
    this.#removeRoots((root) => root.tables.domain === domain && root.pasid === pasid);
  }

  #once(key: string, walk: () => Result[]): readonly Result[] {
    const done = this.#done.get(key) ?? walk();
    this.#done.set(key, done);
    return done;
  }

  #walkHost(tables: Tables, address: number): Result[] {
    const { top, level: mode } = tables.host!;
    this.#domains.set(tables.id, tables);
    if (address >= 2 ** shiftOf(mode + 1)) return [failed(ABSENT)];
    const results: Result[] = [];
    /** Tables by level: the top, and what entries that stand as if one level above lead to. */
    const states = Array.from({ length: mode }, (_, n) =>
      this.#remembers && n + 1 < mode ? this.#hostStructures.valuesOf(tables.id, NO_PASID, n + 2, address) : [],
    );
    add(states[mode - 1]!, stateOf(top, 3, true));
    for (let level = mode; level >= 1; level--) {
      for (const state of states[level - 1]!) {
        const table = tableOf(state);
        if (isHole(table)) {
          results.push(failed(UNREADABLE));
          continue;
        }
        const entry = this.#world.host.get(table + indexOf(address, level) * 8) ?? NO_HOST_ENTRY;
        const rights = rightsOf(state) & entry.rights;
        if (entry.kind === 'none') results.push(failed(ABSENT));
        else if (entry.kind === 'bad') results.push(failed(RESERVED));
        else if (entry.kind === 'leaf') results.push(found(entry.target + (address % 2 ** entry.shift), rights, true));
        else if (skips(address, level, entry.next)) results.push(failed(ABSENT));
        else add(states[entry.next - 1]!, stateOf(entry.target, rights, true));
      }
    }
    return results;
  }

  #walkGuest(tables: Tables, pasid: number, address: number): Result[] {
    const { guestLevels: levels } = this.#setting;
    this.#domains.set(tables.id, tables);
    // Without PASID the whole width counts; with one the highest bit is the sign.
    const width = shiftOf(levels + 1) - (pasid === GIOV_PASID ? 0 : 1);
    if (address >= 2 ** width) return [failed(ABSENT)];
    const results: Result[] = [];
    const tops = this.#topsOf(tables, pasid, results);
    if (tops.length === 0) return results;
    let states = tops.map((top) => stateOf(top, EVERYTHING, false));
    for (let level = levels; level >= 1; level--) {
      const next = this.#remembers && level > 1 ? this.#guestStructures.valuesOf(tables.id, pasid, level, address) : [];
      for (const state of states) {
        for (const at of this.#locate(tables, tableOf(state) + indexOf(address, level) * 8, results)) {
          this.#readGuest(tables, { address, level, at }, rightsOf(state), results, next);
        }
      }
      states = next;
    }
    return results;
  }

  #readGuest(tables: Tables, { address, level, at }: Step, rights: number, results: Result[], next: number[]): void {
    const entry = this.#world.guest.get(at) ?? NONE;
    // Execution, which is bit 0, nobody asks for.
    const granted = rights & (entry.rights | 1);
    if (entry.kind === 'none') results.push(failed(ABSENT));
    else if (entry.kind === 'bad') results.push(failed(RESERVED));
    else if (entry.kind === 'table') add(next, stateOf(entry.target, granted, false));
    else {
      const own = 1 | (granted & WRITABLE);
      const user = (granted & USER) !== 0;
      const target = entry.target + (address % 2 ** shiftOf(level));
      if (tables.host === null) results.push(found(target, own, user));
      else {
        for (const one of this.host(tables, floorTo(target, PAGE))) {
          results.push(one.event !== null ? one : found(one.address + (target % PAGE), one.rights & own, user));
        }
      }
    }
  }

  /** Top guest tables of a PASID. */
  #topsOf(tables: Tables, pasid: number, results: Result[]): number[] {
    const { gcr3Levels, rootIsGuest } = this.#setting;
    let level = gcr3Levels - 1;
    let states = [tables.gcr3!];
    const key = `${tables.id} ${pasid}`;
    const root = this.#roots.get(key) ?? { tables, pasid, held: Array.from({ length: gcr3Levels }, () => []) };
    if (this.#remembers) this.#roots.set(key, root);
    for (; level >= 0; level--) {
      const next: number[] = this.#remembers ? root.held[level]! : [];
      const isSystem = level === gcr3Levels - 1 && !rootIsGuest;
      for (const table of states) {
        const at = table + indexFor(pasid, level) * 8;
        for (const place of isSystem ? [at] : this.#locate(tables, at, results)) {
          const entry = this.#world.gcr3.get(place) ?? NONE;
          if (entry.kind === 'none') results.push(failed(ABSENT));
          else if (entry.kind === 'bad') results.push(failed(RESERVED));
          else add(next, entry.target);
        }
      }
      states = next;
    }
    return states;
  }

  /** Where an entry at a guest address may be. */
  #locate(tables: Tables, at: number, results: Result[]): number[] {
    const places: number[] = [];
    const pages = tables.host === null ? [found(floorTo(at, PAGE), 3, true)] : this.host(tables, floorTo(at, PAGE));
    for (const { event, address, rights } of pages) {
      const place = address + (at % PAGE);
      if (event !== null) results.push(failed(event));
      else if ((rights & 1) === 0) results.push(failed(DENIED));
      else if (isHole(place)) results.push(failed(UNREADABLE));
      else add(places, place);
    }
    return places;
  }

  #isOf(id: number, domain: number): boolean {
    return this.#domains.get(id)?.domain === domain;
  }

  #eachOf(domain: number, act: (id: number) => void): void {
    for (const tables of this.#domains.values()) if (tables.domain === domain) act(tables.id);
  }

  #removeRoots(which: (root: Root) => boolean): void {
    for (const [key, root] of this.#roots) if (which(root)) this.#roots.delete(key);
  }
}

interface Step {
  readonly address: number;
  readonly level: number;
  /** Of the entry. */
  readonly at: number;
}

/** Address bits of the levels between are not all 0. */
function skips(address: number, level: number, next: number): boolean {
  return Math.floor((address % 2 ** shiftOf(level)) / 2 ** shiftOf(next + 1)) !== 0;
}
