/**
 * Software's first-stage tables, in two copies: a first-stage-only space uses the one at FIRST_TABLES, for a nested one
 * the second stage says which of the two a table is.
 */
import type { Dice } from '../../caching/dice.ts';
import { BAD, type Entry, floorTo, HOLE, indexOf, NONE, PAGE, shiftOf, sizeOf } from '../../caching/radix.ts';
import type { Command } from './commands.ts';
import { type Change, FIRST_COPY, FIRST_TABLES, NOTHING_NEEDED, type Put, type Sufficient } from './second-tables.ts';
import { type FirstTable, Kind, type Setting, type Stages, type World } from './world.ts';

const COPIES = [FIRST_TABLES, FIRST_COPY] as const;
const TABLES_PER_LEVEL = 2;
/** Where pages lie: addresses that the second stage knows. */
const PAGES = [0, 0x1000, 0x20_0000, 0x4000_0000] as const;

/** The G bit, which acts as 0. */
const GLOBAL = 0x100n;

/** Tables and the PASID under which they are used. */
export interface User {
  readonly space: Stages;
  readonly pasid: number;
}

interface Reached {
  readonly did: number;
  readonly pasid: number;
  readonly base: number;
}

export class FirstTables {
  readonly #setting: Setting;
  readonly #world: World;
  readonly #put: Put;
  /** Offsets of the tables in each copy, by level. */
  readonly #tables: number[][] = [[]];

  constructor(setting: Setting, world: World, put: Put, dice: Dice) {
    this.#setting = setting;
    this.#world = world;
    this.#put = put;
    let next = 0;
    for (let level = 1; level <= setting.firstLevels; level++) {
      const count = level === setting.firstLevels ? 2 * TABLES_PER_LEVEL : TABLES_PER_LEVEL;
      const tables = Array.from({ length: count }, () => {
        next += PAGE;
        return next;
      });
      this.#tables.push(tables);
      for (const table of tables) {
        for (const slot of this.#slots(level)) {
          const entry = this.#draw(level, dice);
          // The copies are alike at first, but for some entries.
          for (const copy of COPIES) {
            this.#write(copy + table, level, slot, dice.chance(80) ? entry : this.#draw(level, dice), dice);
          }
        }
      }
    }
  }

  drawTop(dice: Dice): FirstTable {
    const levels = this.#setting.firstLevels;
    const isLost = this.#setting.holes && dice.chance(5);
    return { top: isLost ? HOLE : FIRST_TABLES + dice.pick(this.#tables[levels]!), levels };
  }

  edit(dice: Dice, users: readonly User[]): Change {
    const level = dice.chance(50) ? 1 : 1 + dice.below(this.#setting.firstLevels);
    const copy = dice.chance(75) ? FIRST_TABLES : FIRST_COPY;
    const table = dice.pick(this.#tables[level]!);
    const slot = dice.pick(this.#slots(level));
    const at = copy + table + slot * 8;
    const old = this.#world.entries.get(at) ?? NONE;
    // At times only the flags are taken away.
    const isSame = this.#setting.flags && dice.chance(25);
    const now = isSame ? old : this.#draw(level, dice);
    this.#write(copy + table, level, slot, now, dice);
    if (old.kind === 'none') return NOTHING_NEEDED;
    const reached = users.flatMap((user) => this.#reached(user, table, level, slot * sizeOf(level), copy));
    if (reached.length === 0) return NOTHING_NEEDED;
    const isLeaf = level === 1 || (old.kind === 'leaf' && now.kind === 'leaf');
    const order = shiftOf(level) - 12;
    const sufficient = this.#sufficient(reached, order, isLeaf, dice);
    return { sufficient, ranges: reached.map(({ base }) => ({ address: base, order })) };
  }

  #sufficient(reached: readonly Reached[], order: number, leavesOnly: boolean, dice: Dice): Sufficient {
    const distinct = <T>(of: readonly T[], key: (one: T) => string): T[] => [
      ...new Map(of.map((one) => [key(one), one])).values(),
    ];
    const pasids = distinct(reached, ({ did, pasid }) => `${did} ${pasid}`);
    const domains = distinct(reached, ({ did }) => `${did}`);
    const range = (wider: number): Command[] =>
      reached.map(({ did, pasid, base }) => {
        const address =
          floorTo(base, PAGE * 2 ** (order + wider)) + dice.below(2 ** Math.min(order + wider, 30)) * PAGE;
        return { op: 'first', by: 'page', did, pasid, address, order: order + wider, leavesOnly };
      });
    const single = reached.flatMap(({ did, pasid, base }) => {
      const size = PAGE * 2 ** order;
      const used = this.#setting.addresses.filter((address) => floorTo(address, size) === base);
      return (used.length > 0 ? used : [base]).map(
        (address): Command => ({ op: 'first', by: 'page', did, pasid, address, order: 0, leavesOnly }),
      );
    });
    const smallest = dice.chance(50) ? range(0) : single;
    return [
      smallest,
      single,
      range(1 + dice.below(6)),
      pasids.map(({ did, pasid }): Command => ({ op: 'first', by: 'pasid', did, pasid })),
      domains.map(({ did }): Command => ({ op: 'iotlb', by: 'domain', did })),
      [{ op: 'iotlb', by: 'global', did: 0 }],
    ];
  }

  /** Addresses under which a space's tables lead to the entry now. */
  #reached({ space, pasid }: User, table: number, level: number, offset: number, copy: number): Reached[] {
    const isNested = space.kind === Kind.NESTED;
    if (!isNested && copy !== FIRST_TABLES) return [];
    const found = new Map<number, Reached>();
    const descend = (at: number, atLevel: number, base: number): void => {
      if (atLevel === level) {
        if (at === table) found.set(base + offset, { did: space.did, pasid, base: base + offset });
        return;
      }
      for (const slot of this.#slots(atLevel)) {
        for (const from of isNested ? COPIES : [FIRST_TABLES]) {
          const entry = this.#world.entries.get(from + at + slot * 8) ?? NONE;
          if (entry.kind === 'table') descend(entry.target - FIRST_TABLES, atLevel - 1, base + slot * sizeOf(atLevel));
        }
      }
    };
    descend(space.first!.top - FIRST_TABLES, space.first!.levels, 0);
    return [...found.values()];
  }

  #slots(level: number): number[] {
    return [...new Set(this.#setting.addresses.map((address) => indexOf(address, level)))];
  }

  #write(table: number, level: number, slot: number, entry: Entry, dice: Dice): void {
    this.#world.entries.set(table + slot * 8, entry);
    this.#put(table + slot * 8, [firstWord(entry, level, this.#setting.flags && dice.chance(50), dice.chance(40))]);
  }

  #draw(level: number, dice: Dice): Entry {
    if (dice.chance(6)) return NONE;
    if (dice.chance(2)) return BAD;
    if (this.#setting.holes && level > 1 && dice.chance(3)) return { kind: 'table', target: HOLE, rights: 6 };
    const rights = (dice.chance(80) ? 2 : 0) | (dice.chance(this.#setting.privileged ? 85 : 96) ? 4 : 0);
    const isLeaf = level === 1 || (level <= 3 && dice.chance(25));
    if (!isLeaf) return { kind: 'table', target: FIRST_TABLES + dice.pick(this.#tables[level - 1]!), rights };
    return { kind: 'leaf', target: floorTo(dice.pick(PAGES), sizeOf(level)), rights };
  }
}

function firstWord({ kind, target, rights }: Entry, level: number, isUnused: boolean, isGlobal: boolean): bigint {
  if (kind === 'none') return 0x8000_0000_0000_0000n;
  const flags = (isUnused ? 1n : 0x461n) | (isGlobal ? GLOBAL : 0n);
  if (kind === 'bad') return flags | 0x0008_0000_0000_0006n;
  return BigInt(target) | BigInt(rights) | flags | (kind === 'leaf' && level > 1 ? 0x80n : 0n);
}
