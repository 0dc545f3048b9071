/** Software of scalable mode: all its tables, and what it has to invalidate after each change (vtd.md section 7.3). */
import { contextWords, Pgtt, pasidWords } from '../scalable.ts';
import { type Command, first, global, iotlb, onePasid, pasidDomain } from './commands.ts';
import type { Dice } from './dice.ts';
import { FirstTables, type User } from './first-tables.ts';
import { CONTEXTS, ROOT, type Software } from './legacy-software.ts';
import { NOTHING_NEEDED, type Put, SecondTables, type Sufficient } from './second-tables.ts';
import {
  type Context,
  directoryKey,
  type FirstTable,
  Kind,
  pasidKey,
  type Setting,
  type Space,
  type World,
} from './world.ts';

const UPPER_CONTEXTS = 0x3000;
const DIRECTORIES = 0x100_0000;
const DIRECTORY_BYTES = 0x2_0000;
const PASID_TABLES = 0x200_0000;
const FIRST_DID = 3;
const PASS_DID = 4;
/** Domains that a space may be in. 1 and 2 have a second stage. */
const DIDS = [1, 2, 1, 2, FIRST_DID, PASS_DID] as const;
const NO_CONTEXTS = [0x41, 0x42, 0x43].map((fault): Context => ({ fault, space: null, directory: 0, ridPasid: 0 }));
const NO_SPACES = [0x59, 0x5a, 0x5b].map((fault): Space => ({ fault, kind: 0, did: 0, second: null, first: null }));
const ABSENT = NO_SPACES[0]!;

export class ScalableSoftware implements Software {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  readonly #second: SecondTables;
  readonly #first: FirstTables;
  /** All PASIDs, those of requests without PASID among them. */
  readonly #pasids: readonly number[];
  readonly #groups: readonly number[];
  readonly #tops = new Map<number, FirstTable>();
  /** Whether the PASID is nested in its domain. */
  readonly #isNested = new Map<string, boolean>();
  readonly #spaces = new Map<string, Space>();
  readonly #contexts = new Map<string, Context>();
  /** Directories that context entries pointed to, and what is to be sent since. */
  readonly #left: { readonly directory: number; readonly dids: Set<number>; readonly commands: Command[][] }[] = [];

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    this.#second = new SecondTables(setting, world, put, dice);
    this.#first = new FirstTables(setting, world, put, dice);
    this.#pasids = [...setting.pasids.filter((pasid) => pasid >= 0), ...setting.ridPasids];
    this.#groups = [...new Set(this.#pasids.map((pasid) => pasid >>> 6))];
    for (const pasid of this.#pasids) {
      this.#tops.set(pasid, this.#first.drawTop(dice));
      for (const did of [1, 2]) this.#isNested.set(`${did} ${pasid}`, dice.chance(60));
    }
    this.#writeRoot();
    setting.sids.forEach((sid, i) => {
      for (const directory of [2 * i, 2 * i + 1]) {
        for (const group of this.#groups) this.#writeDirectory(directory, group, this.#tableOf(directory, group));
        for (const pasid of this.#pasids)
          this.#writePasid(this.#tableOf(directory, pasid >>> 6), pasid, this.#draw(pasid, dice));
      }
      this.#writeContext(sid, this.#context(2 * i, setting.ridPasids[0]!));
    });
  }

  edit(dice: Dice): Sufficient {
    const sufficient = this.#edit(dice);
    // Through a context entry that may still be cached, new entries of its directory may be cached too.
    for (const { directory, dids, commands } of this.#left) {
      for (const did of this.#domainsUnder(directory)) {
        if (dids.has(did)) continue;
        dids.add(did);
        for (const list of commands) list.push(pasidDomain(did), iotlb(did));
      }
    }
    return sufficient;
  }

  #edit(dice: Dice): Sufficient {
    const kind = dice.below(100);
    if (!this.#world.root && kind < 60) return this.#editRoot();
    if (kind < 33) return this.#second.edit(dice);
    if (kind < 60) return this.#first.edit(dice, this.#users());
    if (kind < 78) return this.#editPasid(dice);
    if (kind < 84) return this.#editContext(dice);
    if (kind < 89) return this.#editDirectory(dice);
    if (kind < 93) return this.#replaceSecondTop(dice);
    if (kind < 98) return this.#replaceFirstTop(dice);
    return this.#editRoot();
  }

  /** Every space that a PASID-table entry names. */
  #users(): User[] {
    const users = new Map<Space, User>();
    for (const [key, space] of this.#world.pasids) {
      if (space.first !== null) users.set(space, { space, pasid: this.#pasidAt(key) });
    }
    return [...users.values()];
  }

  #editPasid(dice: Dice): Sufficient {
    const sidIndex = dice.below(2);
    const pasid = dice.pick(this.#pasids);
    const table = this.#tableOf(2 * sidIndex + (dice.chance(75) ? 0 : 1), pasid >>> 6);
    const old = this.#world.pasids.get(pasidKey(table, pasid))!;
    const now = dice.chance(old.fault === 0 ? 25 : 10) ? dice.pick([ABSENT, ...NO_SPACES]) : this.#draw(pasid, dice);
    this.#writePasid(table, pasid, now);
    if (old.fault !== 0) {
      if (!this.#setting.cm) return NOTHING_NEEDED;
      return [[onePasid(0, pasid)], [onePasid(now.did, pasid)], [pasidDomain(0)], global.slice(1)];
    }
    const { did } = old;
    const usesSecond = old.second !== null;
    const own = now.fault !== 0 && usesSecond ? iotlb(did) : first(did, pasid);
    return [
      [onePasid(did, pasid), own],
      [onePasid(did, pasid), iotlb(did)],
      [pasidDomain(did), iotlb(did)],
      global.slice(1),
    ];
  }

  #editContext(dice: Dice): Sufficient {
    const sidIndex = dice.below(2);
    const sid = this.#setting.sids[sidIndex]!;
    const old = this.#world.contexts.get(sid)!;
    const directory = 2 * sidIndex + dice.below(2);
    const valid = this.#context(directory, dice.pick(this.#setting.ridPasids));
    this.#writeContext(sid, dice.chance(old.fault === 0 ? 25 : 10) ? dice.pick(NO_CONTEXTS) : valid);
    const device: Command = { op: 'context', by: 'device', did: 0, sid, fm: 0 };
    if (old.fault !== 0)
      return this.#setting.cm ? [[device], [{ op: 'context', by: 'domain', did: 5 }]] : NOTHING_NEEDED;
    const dids = this.#domainsUnder(old.directory);
    const rest = [...dids.map(pasidDomain), ...dids.map(iotlb)];
    const other = dice.pick(this.#setting.sids);
    const commands: Command[][] = [
      [device, ...rest],
      [{ ...device, sid: other, fm: this.#setting.functionMask }, ...rest],
      [{ op: 'context', by: 'domain', did: dice.below(8) }, ...rest],
    ];
    this.#left.push({ directory: old.directory, dids: new Set(dids), commands });
    return [...commands, global];
  }

  #editDirectory(dice: Dice): Sufficient {
    const directory = dice.below(4);
    const group = dice.pick(this.#groups);
    const old = this.#world.directories.get(directory * 2 ** 14 + group) ?? null;
    // A table of the same requester: this directory's own, or that of its other one.
    const table = dice.chance(25) ? null : this.#tableOf(dice.chance(70) ? directory : directory ^ 1, group);
    this.#writeDirectory(directory, group, table);
    if (old === null && !this.#setting.cm) return NOTHING_NEEDED;
    const pasids = this.#pasids.filter((pasid) => pasid >>> 6 === group);
    const affected = pasids.map((pasid) => {
      const space = old === null ? ABSENT : this.#world.pasids.get(pasidKey(old, pasid))!;
      return { did: space.fault === 0 ? space.did : 0, pasid };
    });
    const dids = [...new Set(affected.map(({ did }) => did))];
    return [
      [...affected.map(({ did, pasid }) => onePasid(did, pasid)), ...dids.map(iotlb)],
      [...dids.map(pasidDomain), ...dids.map(iotlb)],
      global.slice(1),
    ];
  }

  /** A domain id is used for another second stage. */
  #replaceSecondTop(dice: Dice): Sufficient {
    const did = 1 + dice.below(2);
    this.#second.replaceTop(did, dice);
    this.#rewrite((space) => space.second?.did === did);
    return [[pasidDomain(did), iotlb(did)], [pasidDomain(did), global[2]!], global.slice(1)];
  }

  /** The first stage of a PASID begins at another table, in every entry that uses it. */
  #replaceFirstTop(dice: Dice): Sufficient {
    const pasid = dice.pick(this.#pasids);
    this.#tops.set(pasid, this.#first.drawTop(dice));
    this.#rewrite((space, of) => of === pasid && space.first !== null);
    const dids = [1, 2, FIRST_DID];
    return [
      [...dids.map((did) => onePasid(did, pasid)), ...dids.map((did) => first(did, pasid))],
      [...dids.map((did) => onePasid(did, pasid)), ...dids.map(iotlb)],
      global.slice(1),
    ];
  }

  #editRoot(): Sufficient {
    const wasPresent = this.#world.root;
    this.#world.root = !wasPresent;
    this.#writeRoot();
    return !wasPresent && !this.#setting.cm ? NOTHING_NEEDED : [global];
  }

  /** Entries whose meaning has changed are written anew. */
  #rewrite(which: (space: Space, pasid: number) => boolean): void {
    this.#spaces.clear();
    for (const [key, space] of this.#world.pasids) {
      const pasid = this.#pasidAt(key);
      const now = space.fault === 0 && which(space, pasid) ? this.#space(space.did, pasid) : space;
      if (now === space) this.#spaces.set(`${space.did} ${pasid}`, space);
      else this.#writePasid(Math.floor(key / 64), pasid, now);
    }
  }

  #draw(pasid: number, dice: Dice): Space {
    return this.#space(dice.pick(DIDS), pasid);
  }

  #space(did: number, pasid: number): Space {
    const key = `${did} ${pasid}`;
    let space = this.#spaces.get(key);
    if (space === undefined) {
      const second = this.#second.domains.get(did) ?? null;
      const usesFirst = did === FIRST_DID || this.#isNested.get(key) === true;
      const bare = second === null ? Kind.PASS : Kind.SECOND;
      const kind = usesFirst ? (second === null ? Kind.FIRST : Kind.NESTED) : bare;
      space = { fault: 0, kind, did, second, first: usesFirst ? this.#tops.get(pasid)! : null };
      this.#spaces.set(key, space);
    }
    return space;
  }

  #context(directory: number, ridPasid: number): Context {
    const key = `${directory} ${ridPasid}`;
    const context = this.#contexts.get(key) ?? { fault: 0, space: null, directory, ridPasid };
    this.#contexts.set(key, context);
    return context;
  }

  /** Domains of the entries under a directory; 0 for those that fault. */
  #domainsUnder(directory: number): number[] {
    const dids = new Set<number>();
    for (const pasid of this.#pasids) {
      const table = this.#world.directories.get(directoryKey(directory, pasid)) ?? null;
      const space = table === null ? ABSENT : this.#world.pasids.get(pasidKey(table, pasid))!;
      if (space.fault === 0) dids.add(space.did);
      else if (this.#setting.cm) dids.add(0);
    }
    return [...dids];
  }

  #tableOf(directory: number, group: number): number {
    return directory * 8 + this.#groups.indexOf(group);
  }

  #pasidAt(key: number): number {
    const group = this.#groups[Math.floor(key / 64) % 8]!;
    return group * 64 + (key % 64);
  }

  #writeRoot(): void {
    const p = this.#world.root ? 1n : 0n;
    const bus = this.#setting.sids[0]! >>> 8;
    this.#put(ROOT + bus * 16, [BigInt(CONTEXTS) | p, BigInt(UPPER_CONTEXTS) | p]);
  }

  #writeContext(sid: number, context: Context): void {
    this.#world.contexts.set(sid, context);
    const table = (sid & 0x80) === 0 ? CONTEXTS : UPPER_CONTEXTS;
    const directory = BigInt(DIRECTORIES + context.directory * DIRECTORY_BYTES);
    const words = contextWords({
      p: context.fault !== 0x41,
      dte: context.fault !== 0x43,
      pre: context.fault === 0x43,
      bits: context.fault === 0x42 ? [7] : [],
      pdts: 7,
      directory,
      ridPasid: context.ridPasid,
    });
    this.#put(table + (sid & 0x7f) * 32, words);
  }

  #writeDirectory(directory: number, group: number, table: number | null): void {
    this.#world.directories.set(directory * 2 ** 14 + group, table);
    const word = table === null ? 0n : BigInt(PASID_TABLES + table * 4096) | 1n;
    this.#put(DIRECTORIES + directory * DIRECTORY_BYTES + group * 8, [word]);
  }

  #writePasid(table: number, pasid: number, space: Space): void {
    this.#world.pasids.set(pasidKey(table, pasid), space);
    const words = pasidWords({
      p: space.fault !== 0x59,
      pgtt: space.fault === 0x5b ? 0 : space.kind === 0 ? Pgtt.PASS : space.kind,
      bits: space.fault === 0x5a ? [5] : [],
      did: space.did,
      aw: this.#setting.levels - 2,
      ssptptr: BigInt(space.second?.top ?? 0),
      fspm: this.#setting.firstLevels - 4,
      fsptptr: BigInt(space.first?.top ?? 0),
    });
    this.#put(PASID_TABLES + table * 4096 + (pasid & 63) * 64, words);
  }
}
