/** The twin's walks: each level goes on with every table that memory or a cached entry may lead to (vtd.md 3.1 to 3.4). */
import { ABSENT, add, BAD_VALUE, isHostState, NO_PASID, rightsOf, Structures, stateOf, tableOf } from './structures.ts';
import {
  floorTo,
  indexOf,
  NONE,
  PAGE,
  type SecondTable,
  type Setting,
  type Space,
  shiftOf,
  sizeOf,
  type World,
} from './world.ts';

export interface Result {
  /** 0 for none. */
  readonly fault: number;
  readonly hpa: number;
  /** 1 read, 2 write; 0 for a page that is not there, where that is no fault of its own. */
  readonly rights: number;
}

const GUEST_BITS = 57;
const USER = 4;
const failed = (fault: number): Result => ({ fault, hpa: 0, rights: 0 });

export class TwinWalks {
  readonly secondStructures = new Structures();
  readonly firstStructures = new Structures();
  readonly #setting: Setting;
  readonly #world: World;
  readonly #remembers: boolean;
  readonly #absent: Result;
  readonly #bad: Result;
  readonly #outOfRange: Result;
  #population = -1;
  /** Walks since the last change. */
  readonly #secondDone = new Map<SecondTable, Map<number, Result[]>>();
  readonly #firstDone = new Map<Space, { readonly pasid: number; readonly results: Map<number, Result[]> }>();

  constructor(setting: Setting, world: World, remembers: boolean) {
    this.#setting = setting;
    this.#world = world;
    this.#remembers = remembers;
    this.#absent = failed(setting.scalable ? 0x79 : 0);
    this.#bad = failed(setting.scalable ? 0x7a : 0x0c);
    this.#outOfRange = failed(setting.scalable ? 0x84 : 0x04);
  }

  /** True when walks with the same tags began at different tables, and have found more since the last time. */
  mayGrow(): boolean {
    const isShared = (tags: readonly string[]): boolean => new Set(tags).size < tags.length;
    const seconds = [...this.#secondDone.keys()].map(({ did }) => `${did}`);
    const firsts = [...this.#firstDone].map(([{ did }, { pasid }]) => `${did} ${pasid}`);
    if (!isShared(seconds) && !isShared(firsts)) return false;
    const population = this.firstStructures.population + this.secondStructures.population;
    const hasGrown = population !== this.#population;
    this.#population = population;
    if (hasGrown) this.#forgetWalks();
    return hasGrown;
  }

  forget(): void {
    this.#population = -1;
    this.#forgetWalks();
  }

  #forgetWalks(): void {
    this.#secondDone.clear();
    this.#firstDone.clear();
  }

  second(stage: SecondTable, address: number): Result[] {
    const done = this.#secondDone.get(stage) ?? new Map<number, Result[]>();
    this.#secondDone.set(stage, done);
    const results = done.get(address) ?? this.#walkSecond(stage, address);
    done.set(address, results);
    return results;
  }

  first(space: Space, pasid: number, address: number): Result[] {
    const done = this.#firstDone.get(space) ?? { pasid, results: new Map<number, Result[]>() };
    this.#firstDone.set(space, done);
    const results = done.results.get(address) ?? this.#walkFirst(space, pasid, address);
    done.results.set(address, results);
    return results;
  }

  #walkSecond({ did, top, levels }: SecondTable, address: number): Result[] {
    if (address >= 2 ** Math.min(GUEST_BITS, 12 + 9 * levels)) return [this.#outOfRange];
    const results: Result[] = [];
    let states = [stateOf(top, 3, true)];
    for (let level = levels; level >= 1; level--) {
      const next = this.#remembers && level > 1 ? this.secondStructures.valuesOf(did, NO_PASID, level, address) : [];
      const mayKeepFaults = this.#setting.cm && this.#remembers;
      for (const state of states) {
        if (state === ABSENT) results.push(this.#absent);
        else if (state === BAD_VALUE) results.push(this.#bad);
        if (state < 0) continue;
        const entry = this.#world.entries.get(tableOf(state) + indexOf(address, level) * 8) ?? NONE;
        if (entry.kind === 'none') {
          results.push(this.#absent);
          if (mayKeepFaults) add(next, ABSENT);
        } else if (entry.kind === 'bad') {
          results.push(this.#bad);
          if (mayKeepFaults) add(next, BAD_VALUE);
        } else {
          const rights = rightsOf(state) & entry.rights;
          if (entry.kind === 'table') add(next, stateOf(entry.target, rights, true));
          else results.push({ fault: 0, hpa: entry.target + (address % sizeOf(level)), rights });
        }
      }
      states = next;
    }
    return results;
  }

  #walkFirst(space: Space, pasid: number, address: number): Result[] {
    const { top, levels } = space.first!;
    if (address >= 2 ** (shiftOf(levels + 1) - 1)) return [failed(0x80)];
    const isNested = space.second !== null;
    const results: Result[] = [];
    let states = [stateOf(top, 7, !isNested)];
    for (let level = levels; level >= 1; level--) {
      const next = this.#remembers && level > 1 ? this.firstStructures.valuesOf(space.did, pasid, level, address) : [];
      const offset = indexOf(address, level) * 8;
      for (const state of [...states]) {
        for (const table of this.#tables(space, state, offset, level === levels, results)) {
          // Hardware may remember the host address of a guest's table.
          if (level < levels && this.#remembers) add(states, stateOf(table, rightsOf(state), true));
          this.#readFirst(space, address, level, stateOf(table, rightsOf(state), true), offset, results, next);
        }
      }
      states = next;
    }
    return results;
  }

  /** Where a first-stage table may be. */
  #tables(space: Space, state: number, offset: number, isTop: boolean, results: Result[]): number[] {
    const table = tableOf(state);
    if (isHostState(state)) return [table];
    const found: number[] = [];
    for (const { fault, hpa, rights } of this.second(space.second!, floorTo(table + offset, PAGE))) {
      if (fault !== 0) results.push(failed(fault));
      else if ((rights & 1) === 0) results.push(failed(isTop ? 0x75 : 0x76));
      else add(found, hpa);
    }
    return found;
  }

  #readFirst(
    space: Space,
    address: number,
    level: number,
    state: number,
    offset: number,
    results: Result[],
    next: number[],
  ): void {
    const entry = this.#world.entries.get(tableOf(state) + offset) ?? NONE;
    const granted = rightsOf(state) & entry.rights;
    if (entry.kind === 'none') results.push(failed(0x71));
    else if (entry.kind === 'bad') results.push(failed(0x72));
    else if ((granted & USER) === 0) results.push(failed(0x81));
    else if (entry.kind === 'table') add(next, stateOf(entry.target, granted, space.second === null));
    else {
      const target = entry.target + (address % sizeOf(level));
      const rights = 1 | (granted & 2);
      if (space.second === null) results.push({ fault: 0, hpa: target, rights });
      else {
        for (const found of this.second(space.second, floorTo(target, PAGE))) {
          if (found.fault !== 0) results.push(found);
          else results.push({ fault: 0, hpa: found.hpa + (target % PAGE), rights: found.rights & rights });
        }
      }
    }
  }
}
