/** Software's second-stage tables: few tables per level, so that domains and addresses share them; random edits. */
import type { Dice } from '../../caching/dice.ts';
import {
  BAD,
  type Entry,
  floorTo,
  HOLE,
  indexOf,
  NONE,
  PAGE,
  type Range,
  shiftOf,
  sizeOf,
} from '../../caching/radix.ts';
import type { Sufficient as AnySufficient } from '../../caching/sequence.ts';
import type { Command } from './commands.ts';
import { MAX_ORDER, type SecondTable, type Setting, type World } from './world.ts';

/** Writes 64-bit words to memory. */
export type Put = (address: number, words: readonly bigint[]) => void;
export type Sufficient = AnySufficient<Command>;

/** What a change asks for; and for device-TLBs, which addresses it may concern (all if not given). */
export interface Change {
  readonly sufficient: Sufficient;
  readonly ranges?: readonly Range[];
}

export const NOTHING_NEEDED: Change = { sufficient: [[]], ranges: [] };
export const TABLES_AT = 0x20_0000;
const TABLES_PER_LEVEL = 2;
const TOPS = 4;
/** Where frames of each size lie. */
const FRAMES = [0, 2 ** 33, 2 ** 34, 2 ** 36] as const;
const FRAME_CHOICES = 24;
/** First-stage tables are mapped here, one 2 MiB page to either copy of them. */
export const FIRST_TABLES = 0x40_0000;
export const FIRST_COPY = 0x60_0000;

interface Reached {
  readonly did: number;
  readonly base: number;
}

export class SecondTables {
  readonly domains = new Map<number, SecondTable>();
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  readonly #tables: number[][] = [[]];
  readonly #tops: number[] = [];

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    let next = TABLES_AT;
    for (let level = 1; level <= setting.levels; level++) {
      const tables = Array.from({ length: level === setting.levels ? TOPS : TABLES_PER_LEVEL }, () => {
        next += PAGE;
        return next;
      });
      if (level === setting.levels) this.#tops.push(...tables);
      this.#tables.push(tables);
      for (const table of tables) for (const slot of this.#slots(level)) this.#fill(table, level, slot, dice);
    }
    for (const did of [1, 2]) this.domains.set(did, this.#table(did, this.#tops[did - 1]!));
  }

  /** Gives a domain another top table. Whoever points to it has to be rewritten. */
  replaceTop(did: number, dice: Dice): SecondTable {
    const isLost = this.#setting.holes && dice.chance(5);
    const table = this.#table(did, isLost ? HOLE : dice.pick(this.#tops));
    this.domains.set(did, table);
    return table;
  }

  edit(dice: Dice): Change {
    const { levels } = this.#setting;
    // Leaves change most often.
    const level = dice.chance(50) ? 1 : 1 + dice.below(levels);
    const table = dice.pick(this.#tables[level]!);
    const slot = dice.pick(this.#slots(level));
    const isPair = level === 1 && slot <= 1 && dice.chance(40);
    const slots = isPair ? [0, 1] : [slot];
    const old = slots.map((one) => this.#entryAt(table, one));
    for (const one of slots) this.#fill(table, level, one, dice);
    const now = slots.map((one) => this.#entryAt(table, one));
    if (!this.#setting.cm && old.every(({ kind }) => kind === 'none')) return NOTHING_NEEDED;
    const reached = this.#reached(table, level).map(({ did, base }) => ({ did, base: base + slot * sizeOf(level) }));
    if (reached.length === 0) return NOTHING_NEEDED;
    const isLeaf = level === 1 || [...old, ...now].every(({ kind }) => kind === 'leaf');
    const order = shiftOf(level) - 12 + (isPair ? 1 : 0);
    const sufficient = this.#sufficient(reached, order, isLeaf, dice);
    // Nested, the address is not the one that devices know.
    return this.#setting.scalable
      ? { sufficient }
      : { sufficient, ranges: reached.map(({ base }) => ({ address: base, order })) };
  }

  #sufficient(reached: readonly Reached[], order: number, leavesOnly: boolean, dice: Dice): Sufficient {
    const { psi, addresses, scalable } = this.#setting;
    const dids = [...new Set(reached.map(({ did }) => did))];
    const domains: Command[] = dids.map((did) => ({ op: 'iotlb', by: 'domain', did }));
    const whole: Sufficient = [domains, [{ op: 'iotlb', by: 'global', did: 0 }]];
    if (!psi || order > MAX_ORDER) return whole;
    const range = (wider: number): Command[] =>
      reached.map(({ did, base }) => {
        const size = PAGE * 2 ** (order + wider);
        // Address bits below the range do not count.
        const address = floorTo(base, size) + dice.below(2 ** Math.min(order + wider, 30)) * PAGE;
        return { op: 'iotlb', by: 'page', did, address, order: order + wider, leavesOnly };
      });
    const wider = Math.min(1 + dice.below(8), MAX_ORDER - order);
    if (scalable) return [range(0), range(wider), ...whole];
    // Page by page: each page that anybody uses.
    const size = PAGE * 2 ** order;
    const single = reached.flatMap(({ did, base }) => {
      const first = floorTo(base, size);
      const used = addresses.filter((address) => floorTo(address, size) === first);
      return (used.length > 0 ? used : [first]).map(
        (address): Command => ({ op: 'iotlb', by: 'page', did, address, order: 0, leavesOnly }),
      );
    });
    return dice.chance(50) ? [range(0), single, range(wider), ...whole] : [single, range(0), range(wider), ...whole];
  }

  /** Domains and addresses through which the tables lead to `table` now. */
  #reached(table: number, level: number): Reached[] {
    const found: Reached[] = [];
    const descend = (did: number, at: number, atLevel: number, base: number): void => {
      if (atLevel === level) {
        if (at === table) found.push({ did, base });
        return;
      }
      for (const slot of this.#slots(atLevel)) {
        const entry = this.#entryAt(at, slot);
        if (entry.kind === 'table') descend(did, entry.target, atLevel - 1, base + slot * sizeOf(atLevel));
      }
    };
    for (const [did, { top }] of this.domains) descend(did, top, this.#setting.levels, 0);
    return found;
  }

  #table(did: number, top: number): SecondTable {
    // Entries with the same top table have the same SSADE.
    const flags = this.#setting.secondFlags && (top / PAGE) % 2 === 1;
    return { did, top, levels: this.#setting.levels, flags };
  }

  #slots(level: number): number[] {
    const { scalable, addresses } = this.#setting;
    const all = scalable ? [...addresses, FIRST_TABLES] : addresses;
    return [...new Set(all.map((address) => indexOf(address, level)))];
  }

  #entryAt(table: number, slot: number): Entry {
    return this.#world.entries.get(table + slot * 8) ?? NONE;
  }

  #fill(table: number, level: number, slot: number, dice: Dice): void {
    const entry = this.#draw(level, slot, dice);
    this.#world.entries.set(table + slot * 8, entry);
    this.#put(table + slot * 8, [secondWord(entry, level, dice)]);
  }

  #draw(level: number, slot: number, dice: Dice): Entry {
    const { scalable, flags } = this.#setting;
    // The way to the first-stage tables is mostly there.
    const leads = scalable && slot === indexOf(FIRST_TABLES, level) && level > 1;
    if (leads && dice.chance(75)) {
      const rights = flags || dice.chance(90) ? 3 : 1;
      if (level > 2) return { kind: 'table', target: dice.pick(this.#tables[level - 1]!), rights };
      return { kind: 'leaf', target: dice.pick([FIRST_TABLES, FIRST_COPY]), rights };
    }
    if (dice.chance(7)) return NONE;
    if (dice.chance(2)) return BAD;
    if (this.#setting.holes && level > 1 && dice.chance(3)) return { kind: 'table', target: HOLE, rights: 3 };
    const isLeaf = level === 1 || (level <= 3 && (leads || dice.chance(25)));
    if (!isLeaf) {
      const rights = (leads && flags) || dice.chance(85) ? 3 : 1;
      return { kind: 'table', target: dice.pick(this.#tables[level - 1]!), rights };
    }
    const target = FRAMES[level]! + dice.below(FRAME_CHOICES) * sizeOf(level) + (dice.chance(20) ? 2 ** 44 : 0);
    const rights = (leads && flags) || dice.chance(70) ? 3 : dice.chance(50) || scalable ? 1 : 2;
    return { kind: 'leaf', target, rights };
  }
}

function secondWord({ kind, target, rights }: Entry, level: number, dice: Dice): bigint {
  // A and D, which count with SSADE only.
  const flags = dice.chance(50) ? 0x300n : 0n;
  const ignored = flags | (dice.chance(30) ? 0x8010_0000_0000_0400n : 0n);
  if (kind === 'none') return ignored;
  if (kind === 'bad') return 0x4000_0000_0000_0003n;
  return BigInt(target) | BigInt(rights) | ignored | (kind === 'leaf' && level > 1 ? 0x80n : 0n);
}
