/**
 * Software's guest tables and GCR3 tables, in two copies: where there is no host table the one at GUEST_TABLES counts, and
 * elsewhere the host table says which of the two a table is.
 */
import type { Dice } from '../../caching/dice.ts';
import { BAD, type Entry, floorTo, HOLE, indexOf, NONE, PAGE, shiftOf, sizeOf } from '../../caching/radix.ts';
import { type Command, everything, whole } from './commands.ts';
import { GUEST_COPY, GUEST_TABLES, NOTHING_NEEDED, type Put, type Sufficient } from './host-tables.ts';
import { gcr3Word, guestWord } from './words.ts';
import { pasidsOf, type Setting, type Tables, type World } from './world.ts';

const COPIES = [GUEST_TABLES, GUEST_COPY] as const;
const TABLES_PER_LEVEL = 2;
/** Where pages lie: addresses that the host table knows. */
const PAGES = [0, 0x1000, 0x20_0000, 0x4000_0000] as const;

interface Reached {
  readonly domain: number;
  readonly pasid: number;
  readonly base: number;
}

export class GuestTables {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  /** Offsets of the tables in each copy, by level; of GCR3 tables from level 0 on. */
  readonly #tables: number[][] = [[]];
  readonly #gcr3: number[][] = [];

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    let next = 0;
    const place = (): number => {
      next += PAGE;
      return next;
    };
    const places = (): number[] => Array.from({ length: TABLES_PER_LEVEL }, place);
    // The copies are alike at first, but for some entries.
    for (let level = 1; level <= setting.guestLevels; level++) {
      const tables = level === setting.guestLevels ? [...places(), ...places()] : places();
      this.#tables.push(tables);
      this.#eachEntry(tables, this.#slots(level), (at, copy) => {
        if (copy === 0 || dice.chance(20)) this.#write(COPIES[copy]! + at, level, this.#draw(level, dice), dice);
        else this.#write(COPIES[copy]! + at, level, this.#world.guest.get(COPIES[0] + at)!, dice);
      });
    }
    for (let level = 0; level < setting.gcr3Levels; level++) {
      const tables = places();
      this.#gcr3.push(tables);
      this.#eachEntry(tables, this.#indices(level), (at, copy) => {
        const isNew = copy === 0 || dice.chance(50);
        this.#writeRoot(
          COPIES[copy]! + at,
          isNew ? this.#drawRoot(level, dice) : this.#world.gcr3.get(COPIES[0] + at)!,
        );
      });
    }
  }

  /** A GCR3 table for a device table entry. */
  drawGcr3(dice: Dice): number {
    return GUEST_TABLES + dice.pick(this.#gcr3.at(-1)!);
  }

  edit(dice: Dice, users: readonly Tables[]): Sufficient {
    const level = dice.chance(50) ? 1 : 1 + dice.below(this.#setting.guestLevels);
    const copy = dice.chance(75) ? COPIES[0] : COPIES[1];
    const table = dice.pick(this.#tables[level]!);
    const slot = dice.pick(this.#slots(level));
    const at = copy + table + slot * 8;
    const old = this.#world.guest.get(at)!;
    // At times only the flags are taken away.
    const now = this.#setting.flags && dice.chance(25) ? old : this.#draw(level, dice);
    this.#write(at, level, now, dice);
    if (old.kind === 'none') return NOTHING_NEEDED;
    const reached = users.flatMap((user) => this.#reached(user, table, level, slot * sizeOf(level), copy));
    if (reached.length === 0) return NOTHING_NEEDED;
    const isLeaf = level === 1 || (old.kind === 'leaf' && now.kind === 'leaf');
    return this.#sufficient(reached, shiftOf(level) - 12, !isLeaf, dice);
  }

  /** A GCR3 entry is set, changed or cleared. */
  editRoot(dice: Dice, users: readonly Tables[]): Sufficient {
    const level = dice.chance(70) ? 0 : dice.below(this.#setting.gcr3Levels);
    const index = dice.pick(this.#indices(level));
    const at = dice.pick(COPIES) + dice.pick(this.#gcr3[level]!) + index * 8;
    const old = this.#world.gcr3.get(at)!;
    this.#writeRoot(at, this.#drawRoot(level, dice));
    if (old.kind === 'none') return NOTHING_NEEDED;
    const pasids = pasidsOf(this.#setting).filter((pasid) => indexFor(pasid, level) === index);
    const domains = [...new Set(users.flatMap(({ domain, gcr3 }) => (gcr3 === null ? [] : [domain])))];
    if (domains.length === 0) return NOTHING_NEEDED;
    return [domains.flatMap((domain) => pasids.map((pasid) => whole(domain, pasid))), [everything]];
  }

  #sufficient(reached: readonly Reached[], order: number, directories: boolean, dice: Dice): Sufficient {
    const distinct = new Map(reached.map((one) => [`${one.domain} ${one.pasid}`, one]));
    const range = (wider: number): Command[] =>
      reached.map(({ domain, pasid, base }) => {
        const address = floorTo(base, PAGE * 2 ** (order + wider));
        return { op: 'pages', domain, pasid, address, order: order + wider, directories };
      });
    const single = reached.flatMap(({ domain, pasid, base }) => {
      const used = this.#setting.addresses.filter((address) => floorTo(address, PAGE * 2 ** order) === base);
      return (used.length > 0 ? used : [base]).map(
        (address): Command => ({ op: 'pages', domain, pasid, address, order: 0, directories }),
      );
    });
    const smallest = dice.chance(50) ? range(0) : single;
    const all = [...distinct.values()].map(({ domain, pasid }) => whole(domain, pasid));
    return order > MOST_ORDER ? [all, [everything]] : [smallest, single, range(1 + dice.below(6)), all, [everything]];
  }

  /** Addresses under which a PASID's tables may lead to the entry now. */
  #reached(user: Tables, table: number, level: number, offset: number, copy: number): Reached[] {
    if (user.gcr3 === null || (user.host === null && copy !== GUEST_TABLES)) return [];
    const copies = user.host === null ? [GUEST_TABLES] : COPIES;
    const found: Reached[] = [];
    for (const pasid of pasidsOf(this.#setting)) {
      const bases = new Set<number>();
      const descend = (at: number, atLevel: number, base: number): void => {
        if (atLevel === level) {
          if (at === table) bases.add(base + offset);
          return;
        }
        for (const slot of this.#slots(atLevel)) {
          for (const from of copies) {
            const entry = this.#world.guest.get(from + at + slot * 8) ?? NONE;
            if (entry.kind === 'table')
              descend(entry.target - GUEST_TABLES, atLevel - 1, base + slot * sizeOf(atLevel));
          }
        }
      };
      for (const top of this.#tops(user.gcr3 - GUEST_TABLES, pasid, copies)) descend(top, this.#setting.guestLevels, 0);
      for (const base of bases) found.push({ domain: user.domain, pasid, base });
    }
    return found;
  }

  /** Offsets of the top tables that a PASID may have. */
  #tops(gcr3: number, pasid: number, copies: readonly number[]): Set<number> {
    let tables = new Set([gcr3]);
    for (let level = this.#setting.gcr3Levels - 1; level >= 0; level--) {
      const next = new Set<number>();
      for (const at of tables) {
        for (const from of copies) {
          const entry = this.#world.gcr3.get(from + at + indexFor(pasid, level) * 8) ?? NONE;
          if (entry.kind === 'table') next.add(entry.target - GUEST_TABLES);
        }
      }
      tables = next;
    }
    return tables;
  }

  #eachEntry(tables: readonly number[], slots: readonly number[], act: (at: number, copy: number) => void): void {
    for (const table of tables) for (const slot of slots) for (const copy of COPIES.keys()) act(table + slot * 8, copy);
  }

  #slots(level: number): number[] {
    return [...new Set(this.#setting.addresses.map((address) => indexOf(address, level)))];
  }

  #indices(level: number): number[] {
    return [...new Set(pasidsOf(this.#setting).map((pasid) => indexFor(pasid, level)))];
  }

  #write(at: number, level: number, entry: Entry, dice: Dice): void {
    const marks = { isUnused: this.#setting.flags && dice.chance(50), hasIgnored: dice.chance(40) };
    this.#world.guest.set(at, entry);
    this.#put(at, [guestWord(entry, level, marks)]);
  }

  #writeRoot(at: number, entry: Entry): void {
    this.#world.gcr3.set(at, entry);
    this.#put(at, [gcr3Word(entry)]);
  }

  #draw(level: number, dice: Dice): Entry {
    if (dice.chance(6)) return NONE;
    if (level > 1 && dice.chance(2)) return BAD;
    if (this.#setting.holes && level > 1 && dice.chance(3)) return { kind: 'table', target: HOLE, rights: 6 };
    const rights = (dice.chance(80) ? 2 : 0) | (dice.chance(this.#setting.privileged ? 85 : 96) ? 4 : 0);
    const isLeaf = level === 1 || (level <= 3 && dice.chance(25));
    if (!isLeaf) return { kind: 'table', target: GUEST_TABLES + dice.pick(this.#tables[level - 1]!), rights };
    return { kind: 'leaf', target: floorTo(dice.pick(PAGES), sizeOf(level)), rights };
  }

  #drawRoot(level: number, dice: Dice): Entry {
    if (dice.chance(8)) return NONE;
    if (dice.chance(2)) return BAD;
    if (this.#setting.holes && dice.chance(3)) return { kind: 'table', target: HOLE, rights: 0 };
    const tables = level === 0 ? this.#tables[this.#setting.guestLevels]! : this.#gcr3[level - 1]!;
    return { kind: 'table', target: GUEST_TABLES + dice.pick(tables), rights: 0 };
  }
}

/** Wider ranges than this are all pages. */
const MOST_ORDER = 33;

/** Which entry of a GCR3 table of a level serves a PASID. */
export const indexFor = (pasid: number, level: number): number => (pasid >>> (9 * level)) & 0x1ff;
