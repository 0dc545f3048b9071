/** Software of scalable mode: all its tables, and what it has to invalidate after each change (vtd.md section 7.3). */
import type { Dice } from '../../caching/dice.ts';
import { HOLE } from '../../caching/radix.ts';
import { type Command, everyHost, first, global, iotlb, onePasid, pasidDomain } from './commands.ts';
import { FirstTables, type User } from './first-tables.ts';
import { HostTables } from './host-tables.ts';
import { CONTEXTS, ROOT, type Software } from './legacy-software.ts';
import { FIRST_DID, ScalableMeanings } from './scalable-meanings.ts';
import { contextWordsOf, pasidWordsOf } from './scalable-words.ts';
import { type Change, NOTHING_NEEDED, type Put, SecondTables } from './second-tables.ts';
import {
  type Context,
  type Directory,
  directoryKey,
  NO_MEMORY,
  pasidKey,
  type Root,
  type Setting,
  type Space,
  type Stages,
  type World,
} from './world.ts';

const UPPER_CONTEXTS = 0x3000;
const DIRECTORIES = 0x100_0000;
const DIRECTORY_BYTES = 0x2_0000;
const PASID_TABLES = 0x200_0000;

export class ScalableSoftware implements Software {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  readonly #second: SecondTables;
  readonly #first: FirstTables;
  readonly #host: HostTables | null;
  /** All PASIDs, those of requests without PASID among them. */
  readonly #pasids: readonly number[];
  readonly #groups: readonly number[];
  readonly #meanings: ScalableMeanings;
  /** Directories that a requester's context entries pointed to, and what is to be sent since. */
  readonly #left: {
    readonly sid: number;
    readonly directories: number[];
    readonly dids: Set<number>;
    readonly commands: Command[][];
  }[] = [];

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    this.#second = new SecondTables(setting, world, put, dice);
    this.#first = new FirstTables(setting, world, put, dice);
    this.#host = setting.host ? new HostTables(world, put, dice) : null;
    this.#pasids = [...setting.pasids.filter((pasid) => pasid >= 0), ...setting.ridPasids];
    this.#groups = [...new Set(this.#pasids.map((pasid) => pasid >>> 6))];
    this.#meanings = new ScalableMeanings(setting, this.#second.domains, this.#host?.all ?? []);
    for (const pasid of this.#pasids) this.#meanings.introduce(pasid, this.#first.drawTop(dice), dice);
    this.#writeRoot();
    setting.sids.forEach((sid, i) => {
      for (const directory of [2 * i, 2 * i + 1]) {
        for (const group of this.#groups)
          this.#writeDirectory(directory, group, { table: this.#tableOf(directory, group), fpd: false });
        for (const pasid of this.#pasids)
          this.#writePasid(this.#tableOf(directory, pasid >>> 6), pasid, this.#meanings.draw(pasid, dice));
      }
      this.#writeContext(sid, this.#meanings.context(2 * i, setting.ridPasids[0]!, dice));
    });
  }

  edit(dice: Dice): Change {
    const change = this.#edit(dice);
    // Through a context entry that may still be cached, new entries of its directory may be cached too.
    for (const { directories, dids, commands } of this.#left) {
      for (const did of directories.flatMap((one) => this.#domainsUnder(one))) {
        if (dids.has(did)) continue;
        dids.add(did);
        for (const list of commands) list.push(pasidDomain(did), iotlb(did));
      }
    }
    return change;
  }

  #edit(dice: Dice): Change {
    const kind = dice.below(100);
    if (this.#world.root !== 'present' && kind < 60) return this.#editRoot('present');
    if (this.#host !== null && dice.chance(8)) return this.#host.edit(dice);
    if (kind < 33) return this.#second.edit(dice);
    if (kind < 60) return this.#first.edit(dice, this.#users());
    if (kind < 78) return this.#editPasid(dice);
    if (kind < 84) return this.#editContext(dice);
    if (kind < 89) return this.#editDirectory(dice);
    if (kind < 93) return this.#replaceSecondTop(dice);
    if (kind < 98) return this.#replaceFirstTop(dice);
    return this.#editRoot(this.#setting.holes && dice.chance(30) ? 'no memory' : 'absent');
  }

  /** Every space that a PASID-table entry names. */
  #users(): User[] {
    const users = new Map<Stages, User>();
    for (const [key, { stages }] of this.#world.pasids) {
      if (stages?.first != null) users.set(stages, { space: stages, pasid: this.#pasidAt(key) });
    }
    return [...users.values()];
  }

  #editPasid(dice: Dice): Change {
    const sidIndex = dice.below(2);
    const pasid = dice.pick(this.#pasids);
    const table = this.#tableOf(2 * sidIndex + (dice.chance(75) ? 0 : 1), pasid >>> 6);
    const old = this.#world.pasids.get(pasidKey(table, pasid))!;
    const now = dice.chance(old.fault === 0 ? 25 : 10)
      ? this.#meanings.noSpace(dice)
      : this.#meanings.draw(pasid, dice);
    this.#writePasid(table, pasid, now);
    if (old.fault !== 0) {
      if (!this.#setting.cm) return NOTHING_NEEDED;
      return { sufficient: [[onePasid(0, pasid)], [onePasid(now.did, pasid)], [pasidDomain(0)], global.slice(1)] };
    }
    const { did } = old;
    const usesSecond = old.second !== null;
    const own = now.fault !== 0 && usesSecond ? iotlb(did) : first(did, pasid);
    const host: Command[] = old.host === null ? [] : [{ op: 'host', by: 'domain', did: old.host.did }];
    const sufficient = [
      [onePasid(did, pasid), own, ...host],
      [onePasid(did, pasid), iotlb(did), ...host],
      [pasidDomain(did), iotlb(did), ...host],
      global.slice(1),
    ];
    return { sufficient };
  }

  #editContext(dice: Dice): Change {
    const sidIndex = dice.below(2);
    const sid = this.#setting.sids[sidIndex]!;
    const old = this.#world.contexts.get(sid)!;
    const isLost = this.#setting.holes && dice.chance(5);
    const directory = isLost ? NO_MEMORY : 2 * sidIndex + dice.below(2);
    const valid = this.#meanings.context(directory, dice.pick(this.#setting.ridPasids), dice);
    this.#writeContext(sid, dice.chance(old.fault === 0 ? 25 : 10) ? this.#meanings.noContext(dice) : valid);
    const device: Command = { op: 'context', by: 'device', did: 0, sid, fm: 0 };
    // What comes in through this entry may be seen through older ones that are still cached.
    for (const left of this.#left) if (left.sid === sid) left.directories.push(directory);
    if (old.fault !== 0)
      return this.#setting.cm ? { sufficient: [[device], [{ op: 'context', by: 'domain', did: 5 }]] } : NOTHING_NEEDED;
    // What comes in through one of the two entries may be seen through the other.
    const directories = [old.directory, directory];
    const dids = [...new Set(directories.flatMap((one) => this.#domainsUnder(one)))];
    const host = old.host ? [everyHost] : [];
    const rest = [...dids.map(pasidDomain), ...dids.map(iotlb), ...host];
    const other = dice.pick(this.#setting.sids);
    const commands: Command[][] = [
      [device, ...rest],
      [{ ...device, sid: other, fm: this.#setting.functionMask }, ...rest],
      [{ op: 'context', by: 'domain', did: dice.below(8) }, ...rest],
    ];
    this.#left.push({ sid, directories, dids: new Set(dids), commands });
    return { sufficient: [...commands, [...global, ...host]] };
  }

  #editDirectory(dice: Dice): Change {
    const directory = dice.below(4);
    const group = dice.pick(this.#groups);
    const old = this.#world.directories.get(directory * 2 ** 14 + group)!.table;
    // A table of the same requester: this directory's own, or that of its other one.
    const isLost = this.#setting.holes && dice.chance(8);
    const some = isLost ? NO_MEMORY : this.#tableOf(dice.chance(70) ? directory : directory ^ 1, group);
    const table = dice.chance(25) ? null : some;
    this.#writeDirectory(directory, group, { table, fpd: this.#setting.fpd && dice.chance(30) });
    if (old === null && !this.#setting.cm) return NOTHING_NEEDED;
    const pasids = this.#pasids.filter((pasid) => pasid >>> 6 === group);
    const affected = pasids.map((pasid) => {
      const space = old === null ? undefined : this.#world.pasids.get(pasidKey(old, pasid));
      return { did: space?.fault === 0 ? space.did : 0, pasid };
    });
    const dids = [...new Set(affected.map(({ did }) => did))];
    const sufficient = [
      [...affected.map(({ did, pasid }) => onePasid(did, pasid)), ...dids.map(iotlb)],
      [...dids.map(pasidDomain), ...dids.map(iotlb)],
      global.slice(1),
    ];
    return { sufficient };
  }

  /** A domain id is used for another second stage. */
  #replaceSecondTop(dice: Dice): Change {
    const did = 1 + dice.below(2);
    this.#second.replaceTop(did, dice);
    this.#rewrite((space) => space.second?.did === did);
    return { sufficient: [[pasidDomain(did), iotlb(did)], [pasidDomain(did), global[2]!], global.slice(1)] };
  }

  /** The first stage of a PASID begins at another table, in every entry that uses it. */
  #replaceFirstTop(dice: Dice): Change {
    const pasid = dice.pick(this.#pasids);
    this.#meanings.tops.set(pasid, this.#first.drawTop(dice));
    this.#rewrite((space, of) => of === pasid && space.first !== null);
    const dids = [1, 2, FIRST_DID];
    const sufficient = [
      [...dids.map((did) => onePasid(did, pasid)), ...dids.map((did) => first(did, pasid))],
      [...dids.map((did) => onePasid(did, pasid)), ...dids.map(iotlb)],
      global.slice(1),
    ];
    return { sufficient };
  }

  #editRoot(now: Root): Change {
    const wasPresent = this.#world.root === 'present';
    this.#world.root = now;
    this.#writeRoot();
    return !wasPresent && !this.#setting.cm ? NOTHING_NEEDED : { sufficient: [[...global, everyHost]] };
  }

  /** Entries whose meaning has changed are written anew. */
  #rewrite(which: (space: Space, pasid: number) => boolean): void {
    for (const [key, space] of this.#world.pasids) {
      const pasid = this.#pasidAt(key);
      if (space.fault === 0 && which(space, pasid)) {
        this.#writePasid(Math.floor(key / 64), pasid, this.#meanings.space(space.did, pasid, space));
      }
    }
  }

  /** Domains of the entries under a directory; 0 for those that fault. */
  #domainsUnder(directory: number): number[] {
    const dids = new Set<number>();
    for (const pasid of directory === NO_MEMORY ? [] : this.#pasids) {
      const { table } = this.#world.directories.get(directoryKey(directory, pasid))!;
      const space = table === null ? undefined : this.#world.pasids.get(pasidKey(table, pasid));
      if (space?.fault === 0) dids.add(space.did);
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
    const { root } = this.#world;
    const p = root === 'absent' ? 0n : 1n;
    const [lower, upper] = root === 'no memory' ? [HOLE, HOLE] : [CONTEXTS, UPPER_CONTEXTS];
    const bus = this.#setting.sids[0]! >>> 8;
    this.#put(ROOT + bus * 16, [BigInt(lower) | p, BigInt(upper) | p]);
  }

  #writeContext(sid: number, context: Context): void {
    this.#world.contexts.set(sid, context);
    const table = (sid & 0x80) === 0 ? CONTEXTS : UPPER_CONTEXTS;
    const directory = context.directory === NO_MEMORY ? HOLE : DIRECTORIES + context.directory * DIRECTORY_BYTES;
    this.#put(table + (sid & 0x7f) * 32, contextWordsOf(context, directory));
  }

  #writeDirectory(directory: number, group: number, entry: Directory): void {
    this.#world.directories.set(directory * 2 ** 14 + group, entry);
    const at = entry.table === NO_MEMORY ? HOLE : PASID_TABLES + (entry.table ?? 0) * 4096;
    const word = (entry.table === null ? 0n : BigInt(at) | 1n) | (entry.fpd ? 2n : 0n);
    this.#put(DIRECTORIES + directory * DIRECTORY_BYTES + group * 8, [word]);
  }

  #writePasid(table: number, pasid: number, space: Space): void {
    this.#world.pasids.set(pasidKey(table, pasid), space);
    this.#put(PASID_TABLES + table * 4096 + (pasid & 63) * 64, pasidWordsOf(space, this.#setting));
  }
}
