/**
 * Software's host tables: few tables per level, so that domains and addresses share them; random edits. Entries lead to any
 * lower level, and pages have any size.
 */
import type { Dice } from '../../caching/dice.ts';
import { floorTo, HOLE, indexOf, PAGE, shiftOf, sizeOf } from '../../caching/radix.ts';
import type { Sufficient as AnySufficient } from '../../caching/sequence.ts';
import { type Command, everything, MAX_ORDER, whole } from './commands.ts';
import { hostWord } from './words.ts';
import { HOST_ONLY, type HostEntry, NO_HOST_ENTRY, type Setting, slotsOf, type Tables, type World } from './world.ts';

/** Writes 64-bit words to memory. */
export type Put = (address: number, words: readonly bigint[]) => void;
export type Sufficient = AnySufficient<Command>;

/** The edit adds to what is allowed, and takes nothing away. */
export const NOTHING_NEEDED: Sufficient = [[]];

const TABLES_AT = 0x20_0000;
const TABLES_PER_LEVEL = 2;
const TOPS = 4;
/** Where pages of each level lie. */
const FRAMES = [0, 2 ** 33, 2 ** 34, 2 ** 40] as const;
const FRAME_CHOICES = 24;
/** Guest tables are mapped here, one 2 MiB page to either copy of them. */
export const GUEST_TABLES = 0x40_0000;
export const GUEST_COPY = 0x60_0000;

interface Reached {
  readonly domain: number;
  readonly base: number;
}

/** Entries that were written, and what stood there. */
interface Written {
  readonly first: number;
  readonly count: number;
  readonly old: readonly HostEntry[];
  readonly now: readonly HostEntry[];
}

export class HostTables {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  readonly #tables: number[][] = [[]];

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    let next = TABLES_AT;
    for (let level = 1; level <= setting.hostLevels; level++) {
      const tables = Array.from({ length: level === setting.hostLevels ? TOPS : TABLES_PER_LEVEL }, () => {
        next += PAGE;
        return next;
      });
      this.#tables.push(tables);
      for (const table of tables) for (const slot of this.#slots(level)) this.#fill(table, level, slot, dice);
    }
  }

  /** Mode may be one less than the deepest that there is. */
  drawTop(dice: Dice): NonNullable<Tables['host']> {
    const { hostLevels, holes } = this.#setting;
    const level = dice.chance(80) ? hostLevels : hostLevels - 1;
    return { top: holes && dice.chance(5) ? HOLE : dice.pick(this.#tables[level]!), level };
  }

  edit(dice: Dice, users: readonly Tables[]): Sufficient {
    const { hostLevels, guest } = this.#setting;
    // Leaves change most often, and what holds guest tables often enough.
    const moves = guest && dice.chance(20);
    const level = moves ? 2 : dice.chance(50) ? 1 : 1 + dice.below(hostLevels);
    const table = dice.pick(this.#tables[level]!);
    const slot = moves ? indexOf(GUEST_TABLES, level) : dice.pick(this.#slots(level));
    const { first, count, old, now } = this.#fill(table, level, slot, dice);
    if (old.every(({ kind }) => kind === 'none')) return NOTHING_NEEDED;
    const reached = this.#reached(users, table, level).map(({ domain, base }) => ({
      domain,
      base: base + first * sizeOf(level),
    }));
    if (reached.length === 0) return NOTHING_NEEDED;
    const leavesOnly = [...old, ...now].every(({ kind }) => kind === 'leaf' || (level === 1 && kind === 'none'));
    return this.#sufficient(reached, shiftOf(level) - 12 + Math.log2(count), !leavesOnly, dice);
  }

  #sufficient(reached: readonly Reached[], order: number, directories: boolean, dice: Dice): Sufficient {
    const { addresses, guest } = this.#setting;
    const domains = [...new Set(reached.map(({ domain }) => domain))];
    const all: Sufficient = [
      domains.map((domain) => ({ ...whole(domain, HOST_ONLY), directories: directories || dice.chance(50) })),
      [everything],
    ];
    if (order > MAX_ORDER) return all;
    const range = (wider: number): Command[] =>
      reached.map(({ domain, base }) => {
        const size = PAGE * 2 ** (order + wider);
        return {
          op: 'pages',
          domain,
          pasid: HOST_ONLY,
          address: floorTo(base, size),
          order: order + wider,
          directories,
        };
      });
    const wider = range(Math.min(1 + dice.below(8), MAX_ORDER - order));
    // What guest addresses lead to is not known here.
    if (guest) return [range(0), wider, ...all];
    // Page by page: each page that anybody uses.
    const size = PAGE * 2 ** order;
    const single = reached.flatMap(({ domain, base }) => {
      const used = addresses.filter((address) => floorTo(address, size) === base);
      return (used.length > 0 ? used : [base]).map(
        (address): Command => ({ op: 'pages', domain, pasid: HOST_ONLY, address, order: 0, directories }),
      );
    });
    return dice.chance(50) ? [range(0), single, wider, ...all] : [single, range(0), wider, ...all];
  }

  /** Domains and addresses through which the tables lead to `table` now. */
  #reached(users: readonly Tables[], table: number, level: number): Reached[] {
    const found = new Map<string, Reached>();
    const descend = (domain: number, at: number, atLevel: number, base: number): void => {
      if (atLevel === level) {
        if (at === table) found.set(`${domain} ${base}`, { domain, base });
        return;
      }
      if (atLevel < level) return;
      for (const slot of this.#slots(atLevel)) {
        const { kind, target, next } = this.#entryAt(at, slot);
        if (kind === 'table') descend(domain, target, next, base + slot * sizeOf(atLevel));
      }
    };
    for (const { domain, host } of users) if (host !== null) descend(domain, host.top, host.level, 0);
    return [...found.values()];
  }

  #slots(level: number): number[] {
    const { guest, addresses } = this.#setting;
    const all = guest ? [...addresses, GUEST_TABLES] : addresses;
    return [...new Set(all.map((address) => indexOf(address, level)))];
  }

  #entryAt(table: number, slot: number): HostEntry {
    return this.#world.host.get(table + slot * 8) ?? NO_HOST_ENTRY;
  }

  /** Writes a new entry; one page may take several, and whatever page loses one loses all. */
  #fill(table: number, level: number, slot: number, dice: Dice): Written {
    const entry = this.#draw(level, slot, dice);
    const slots = this.#slots(level);
    const own = slotsOf(entry, level);
    const ownFirst = slot - (slot % own);
    let [first, count] = [ownFirst, own];
    for (const other of slots) {
      const taken = slotsOf(this.#entryAt(table, other), level);
      const from = other - (other % taken);
      if (taken > count && from <= first && first < from + taken) [first, count] = [from, taken];
    }
    const written = slots.filter((one) => one >= first && one < first + count);
    const old = written.map((one) => this.#entryAt(table, one));
    for (const one of written) {
      const isOwn = one >= ownFirst && one < ownFirst + own;
      this.#write(table, level, one, isOwn ? entry : NO_HOST_ENTRY, dice);
    }
    return { first, count, old, now: written.map((one) => this.#entryAt(table, one)) };
  }

  #write(table: number, level: number, slot: number, entry: HostEntry, dice: Dice): void {
    const marks = { isUnused: this.#setting.hostFlags && dice.chance(50), hasIgnored: dice.chance(30) };
    this.#world.host.set(table + slot * 8, entry);
    this.#put(table + slot * 8, [hostWord(entry, level, marks)]);
  }

  #draw(level: number, slot: number, dice: Dice): HostEntry {
    const { guest, flags, holes } = this.#setting;
    // The way to the guest tables is mostly there.
    const leads = guest && slot === indexOf(GUEST_TABLES, level) && level > 1;
    // Hardware has to be able to set flags in guest tables.
    const rights = flags || dice.chance(75) ? 3 : dice.pick([1, 1, 2]);
    if (leads && dice.chance(80)) {
      if (level > 2) return this.#table(level - 1, rights | 1, dice);
      return { kind: 'leaf', target: dice.pick([GUEST_TABLES, GUEST_COPY]), rights: rights | 1, next: 0, shift: 21 };
    }
    if (dice.chance(7)) return NO_HOST_ENTRY;
    if (dice.chance(2)) return { ...NO_HOST_ENTRY, kind: 'bad' };
    if (holes && level > 1 && dice.chance(3)) return { ...this.#table(level - 1, 3, dice), target: HOLE };
    const isLeaf = level === 1 || (level <= 3 && dice.chance(25));
    if (!isLeaf) return this.#table(dice.chance(70) ? level - 1 : 1 + dice.below(level - 1), rights, dice);
    const shift = shiftOf(level) + (dice.chance(65) ? 0 : 1 + dice.below(3));
    const target = FRAMES[level]! + dice.below(FRAME_CHOICES) * 2 ** shift + (dice.chance(20) ? 2 ** 44 : 0);
    return { kind: 'leaf', target, rights, next: 0, shift };
  }

  #table(next: number, rights: number, dice: Dice): HostEntry {
    return { kind: 'table', target: dice.pick(this.#tables[next]!), rights, next, shift: 0 };
  }
}
