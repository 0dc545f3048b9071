/** Software's host permission tables (vtd.md section 2.6): two of them, one table per level each. */
import type { Dice } from '../../caching/dice.ts';
import { everyHost } from './commands.ts';
import type { Change, Put } from './second-tables.ts';
import { HOST_LEVELS, hostSlot } from './twin-host.ts';
import type { HostEntry, HostTable, World } from './world.ts';

const TABLES_AT = 0x300_0000;
const TABLE = 4096;
const BYTES = HOST_LEVELS.length * TABLE;
const HOST_DIDS = [5, 6] as const;
/** Where translated requests go: frames of each size, with and without a high bit. */
const ADDRESSES = [
  0,
  0x20_0000,
  2 ** 33,
  2 ** 33 + 2 ** 25,
  2 ** 34,
  2 ** 34 + 2 ** 33,
  2 ** 34 + 2 ** 34,
  2 ** 44,
  2 ** 44 + 2 ** 34,
];

export class HostTables {
  readonly all: readonly HostTable[] = HOST_DIDS.map((did, i) => ({ did, top: TABLES_AT + i * BYTES }));
  readonly #world: World;
  readonly #put: Put;

  constructor(world: World, put: Put, dice: Dice) {
    this.#world = world;
    this.#put = put;
    for (const { top } of this.all) {
      for (const depth of HOST_LEVELS.keys()) for (const slot of slotsAt(depth)) this.#write(top, depth, slot, dice);
    }
  }

  edit(dice: Dice): Change {
    const { did, top } = dice.pick(this.all);
    const depth = dice.below(HOST_LEVELS.length);
    const slot = dice.pick(slotsAt(depth));
    this.#write(top, depth, slot, dice);
    const { indexShift } = HOST_LEVELS[depth]!;
    const whole = [[{ op: 'host', by: 'domain', did } as const], [everyHost]];
    // The lower a table, the more ranges it serves: those of the lowest ones are not told one by one.
    if (depth > 1) return { sufficient: whole, ranges: [] };
    const above = depth === 0 ? [0] : slotsAt(0).map((one) => one * 2 ** HOST_LEVELS[0].indexShift);
    const pages = above.map((base) => {
      const address = base + slot * 2 ** indexShift;
      return { op: 'host', by: 'page', did, address, order: indexShift - 12, levels: 3 - depth } as const;
    });
    return { sufficient: [pages, ...whole], ranges: [] };
  }

  #write(top: number, depth: number, slot: number, dice: Dice): void {
    const { indexShift, partShift } = HOST_LEVELS[depth]!;
    const parts = depth === 0 ? 0 : 2 ** (indexShift - partShift);
    const isLowest = depth === HOST_LEVELS.length - 1;
    const entry: HostEntry = {
      permissions: Array.from({ length: parts }, () =>
        dice.chance(isLowest ? 10 : 50) ? 0 : dice.pick([3, 3, 3, 1, 2]),
      ),
      next: isLowest || dice.chance(10) ? null : top + (depth + 1) * TABLE,
      bad: dice.chance(3),
    };
    const at = top + depth * TABLE + slot * 16;
    this.#world.host.set(at, entry);
    this.#put(at, hostWords(entry));
  }
}

function slotsAt(depth: number): number[] {
  return [...new Set(ADDRESSES.map((address) => hostSlot(address, HOST_LEVELS[depth]!.indexShift)))];
}

/** Four bits for each part; behind them AV and ADDRESS, where there is a lower level. Bit 2 of a part is reserved. */
function hostWords({ permissions, next, bad }: HostEntry): bigint[] {
  const parts = permissions.reduce((sum, one, i) => sum | (BigInt(one) << BigInt(4 * i)), bad ? 4n : 0n);
  return [parts & (2n ** 64n - 1n), (parts >> 64n) | (next === null ? 0n : BigInt(next) | 1n)];
}
