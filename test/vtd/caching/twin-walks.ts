/** The twin's walks: each level goes on with every table that memory or a cached entry may lead to (vtd.md 3.1 to 3.4). */
import { floorTo, indexOf, isHole, NONE, PAGE, shiftOf, sizeOf } from '../../caching/radix.ts';
import {
  ABSENT,
  add,
  BAD_VALUE,
  isHostState,
  NO_PASID,
  rightsOf,
  Structures,
  stateOf,
  tableOf,
} from '../../caching/structures.ts';
import type { SecondTable, Setting, Stages, World } from './world.ts';

export interface Result {
  /** 0 for none. */
  readonly fault: number;
  readonly hpa: number;
  /** 1 read, 2 write; 0 for a page that is not there, where that is no fault of its own. */
  readonly rights: number;
  /** The same for a request with privilege that no write protection holds back. */
  readonly unprotected: number;
}

const GUEST_BITS = 57;
const USER = 4;
const failed = (fault: number): Result => ({ fault, hpa: 0, rights: 0, unprotected: 0 });

/** Codes of the conditions that both modes have under different numbers. */
interface Codes {
  readonly absent: number;
  readonly bad: number;
  readonly outOfRange: number;
  readonly topUnreadable: number;
  readonly unreadable: number;
}
const LEGACY: Codes = { absent: 0, bad: 0x0c, outOfRange: 0x04, topUnreadable: 0x03, unreadable: 0x07 };
const SCALABLE: Codes = { absent: 0x79, bad: 0x7a, outOfRange: 0x84, topUnreadable: 0x7b, unreadable: 0x78 };

interface FirstDone {
  readonly pasid: number;
  readonly user: Map<number, Result[]>;
  readonly supervisor: Map<number, Result[]>;
}

export class TwinWalks {
  readonly secondStructures = new Structures();
  readonly firstStructures = new Structures();
  readonly #setting: Setting;
  readonly #world: World;
  readonly #remembers: boolean;
  readonly #codes: Codes;
  #population = -1;
  /** Walks since the last change. */
  readonly #secondDone = new Map<SecondTable, Map<number, Result[]>>();
  readonly #firstDone = new Map<Stages, FirstDone>();

  constructor(setting: Setting, world: World, remembers: boolean) {
    this.#setting = setting;
    this.#world = world;
    this.#remembers = remembers;
    this.#codes = setting.scalable ? SCALABLE : LEGACY;
  }

  /**
   * True when walks with the same tags began at different tables, or with and without privilege, and have found more
   * since the last time.
   */
  mayGrow(): boolean {
    const isShared = (tags: readonly string[]): boolean => new Set(tags).size < tags.length;
    const seconds = [...this.#secondDone.keys()].map(({ did }) => `${did}`);
    const firsts = [...this.#firstDone].flatMap(([{ did }, { pasid, supervisor }]) =>
      supervisor.size > 0 ? [`${did} ${pasid}`, `${did} ${pasid}`] : [`${did} ${pasid}`],
    );
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

  first(stages: Stages, pasid: number, address: number, privileged: boolean): Result[] {
    const done = this.#firstDone.get(stages) ?? { pasid, user: new Map(), supervisor: new Map() };
    this.#firstDone.set(stages, done);
    const own: Map<number, Result[]> = privileged ? done.supervisor : done.user;
    const results = own.get(address) ?? this.#walkFirst(stages, pasid, address, privileged);
    own.set(address, results);
    return results;
  }

  #walkSecond({ did, top, levels }: SecondTable, address: number): Result[] {
    if (address >= 2 ** Math.min(GUEST_BITS, 12 + 9 * levels)) return [failed(this.#codes.outOfRange)];
    const results: Result[] = [];
    const absent = failed(this.#codes.absent);
    const bad = failed(this.#codes.bad);
    const mayKeepFaults = this.#setting.cm && this.#remembers;
    let states = [stateOf(top, 3, true)];
    for (let level = levels; level >= 1; level--) {
      const next = this.#remembers && level > 1 ? this.secondStructures.valuesOf(did, NO_PASID, level, address) : [];
      for (const state of states) {
        if (state === ABSENT) results.push(absent);
        else if (state === BAD_VALUE) results.push(bad);
        if (state < 0) continue;
        const table = tableOf(state);
        if (isHole(table)) {
          results.push(failed(level === levels ? this.#codes.topUnreadable : this.#codes.unreadable));
          continue;
        }
        const entry = this.#world.entries.get(table + indexOf(address, level) * 8) ?? NONE;
        if (entry.kind === 'none') {
          results.push(absent);
          if (mayKeepFaults) add(next, ABSENT);
        } else if (entry.kind === 'bad') {
          results.push(bad);
          if (mayKeepFaults) add(next, BAD_VALUE);
        } else {
          const rights = rightsOf(state) & entry.rights;
          if (entry.kind === 'table') add(next, stateOf(entry.target, rights, true));
          else results.push(found(entry.target + (address % sizeOf(level)), rights, rights));
        }
      }
      states = next;
    }
    return results;
  }

  #walkFirst(stages: Stages, pasid: number, address: number, privileged: boolean): Result[] {
    const { top, levels } = stages.first!;
    if (address >= 2 ** (shiftOf(levels + 1) - 1)) return [failed(0x80)];
    const isNested = stages.second !== null;
    const results: Result[] = [];
    let states = [stateOf(top, 7, !isNested)];
    for (let level = levels; level >= 1; level--) {
      const isTop = level === levels;
      const next = this.#remembers && level > 1 ? this.firstStructures.valuesOf(stages.did, pasid, level, address) : [];
      const offset = indexOf(address, level) * 8;
      for (const state of [...states]) {
        for (const table of this.#tables(stages, state, offset, isTop, results)) {
          if (isHole(table)) {
            results.push(failed(isTop ? 0x73 : 0x70));
            continue;
          }
          const here = stateOf(table, rightsOf(state), true);
          // Hardware may remember the host address of a guest's table.
          if (!isTop && this.#remembers) add(states, here);
          this.#readFirst(stages, { address, level, privileged, at: table + offset }, rightsOf(state), results, next);
        }
      }
      states = next;
    }
    return results;
  }

  /** Where a first-stage table may be. A read of it counts as a write while the second stage keeps dirty flags. */
  #tables(stages: Stages, state: number, offset: number, isTop: boolean, results: Result[]): number[] {
    const table = tableOf(state);
    if (isHostState(state)) return [table];
    const tables: number[] = [];
    const wanted = stages.second!.flags ? 3 : 1;
    for (const { fault, hpa, rights } of this.second(stages.second!, floorTo(table + offset, PAGE))) {
      if (fault !== 0) results.push(failed(fault));
      else if ((rights & wanted) !== wanted) results.push(failed(isTop ? 0x75 : 0x76));
      else add(tables, hpa);
    }
    return tables;
  }

  #readFirst(stages: Stages, step: FirstStep, rights: number, results: Result[], next: number[]): void {
    const { address, level, privileged, at } = step;
    const entry = this.#world.entries.get(at) ?? NONE;
    const granted = rights & entry.rights;
    const isNested = stages.second !== null;
    if (entry.kind === 'none') results.push(failed(0x71));
    else if (entry.kind === 'bad') results.push(failed(0x72));
    else if (!privileged && (granted & USER) === 0) {
      results.push(failed(0x81));
      // With what a request with privilege has left behind, the walk may as well meet a fault further down.
      if (this.#setting.privileged && entry.kind === 'table') add(next, stateOf(entry.target, granted, !isNested));
    } else if (entry.kind === 'table') add(next, stateOf(entry.target, granted, !isNested));
    else {
      const target = entry.target + (address % sizeOf(level));
      const own = 1 | (granted & 2);
      if (stages.second === null) results.push(found(target, own, 3));
      else {
        for (const one of this.second(stages.second, floorTo(target, PAGE))) {
          if (one.fault !== 0) results.push(one);
          else results.push(found(one.hpa + (target % PAGE), one.rights & own, one.rights));
        }
      }
    }
  }
}

interface FirstStep {
  readonly address: number;
  readonly level: number;
  readonly privileged: boolean;
  /** Of the entry. */
  readonly at: number;
}

const found = (hpa: number, rights: number, unprotected: number): Result => ({ fault: 0, hpa, rights, unprotected });
