/** Host permissions as the twin sees them: what the tables say now, and what hardware may still hold of them. */
import { inRange } from '../../caching/radix.ts';
import type { HostCommand } from './commands.ts';
import type { HostEntry, HostTable, World } from './world.ts';

/** By level from the top: which address bits choose the entry and the part of its range. */
export const HOST_LEVELS = [
  { level: 4, indexShift: 41, partShift: 41 },
  { level: 3, indexShift: 33, partShift: 30 },
  { level: 2, indexShift: 25, partShift: 21 },
  { level: 1, indexShift: 17, partShift: 12 },
] as const;
const ENTRY_BYTES = 16;
/** Levels that a hint of a page-selective invalidation lets go: L1, L2 and L1, L3 to L1, all. */
const HINTED = [1, 2, 3, 4] as const;

const NO_PERMISSION: HostEntry = { permissions: [], next: null, bad: false };
const RESERVED = 0xa1;
const NO_WRITE = 0xa4;
const NO_READ = 0xa5;

interface Held {
  readonly did: number;
  readonly level: number;
  /** An address that the entry serves, and the entries that hardware may hold for it. */
  readonly address: number;
  readonly entries: Set<HostEntry>;
}

export const hostSlot = (hpa: number, indexShift: number): number => Math.floor(hpa / 2 ** indexShift) % 256;

export class TwinHost {
  readonly #world: World;
  readonly #remembers: boolean;
  /** By domain, level and range. */
  readonly #held = new Map<string, Held>();
  /** Checks that have been made: all that could be made again. */
  readonly #asked = new Map<string, { readonly table: HostTable; readonly hpa: number }>();

  constructor(world: World, remembers: boolean) {
    this.#world = world;
    this.#remembers = remembers;
  }

  /** Codes of the faults that the check may end in; 0 for none. */
  check(table: HostTable, hpa: number, write: boolean): number[] {
    if (this.#remembers) this.#asked.set(`${table.did} ${table.top} ${hpa}`, { table, hpa });
    const ends = new Set<number>();
    this.#descend(table, table.top, 0, hpa, (granted, bad) => {
      if (bad) ends.add(RESERVED);
      else if ((granted & (write ? 2 : 1)) !== 0) ends.add(0);
      else ends.add(write ? NO_WRITE : NO_READ);
    });
    return [...ends];
  }

  fill(): void {
    for (const { table, hpa } of this.#asked.values()) this.check(table, hpa, false);
  }

  flush(command: HostCommand): void {
    for (const [key, { did, level, address }] of this.#held) {
      const isOf = command.by === 'global' || command.did === did;
      const isNamed = command.by !== 'page' || (level <= HINTED[command.levels]! && inRange(command, address));
      if (isOf && isNamed) this.#held.delete(key);
    }
  }

  #descend(
    of: HostTable,
    table: number,
    depth: number,
    hpa: number,
    end: (granted: number, bad: boolean) => void,
  ): void {
    const { level, indexShift, partShift } = HOST_LEVELS[depth]!;
    const at = table + hostSlot(hpa, indexShift) * ENTRY_BYTES;
    for (const { permissions, next, bad } of this.#entriesAt(of.did, level, at, hpa)) {
      const granted = permissions[Math.floor((hpa % 2 ** indexShift) / 2 ** partShift)] ?? 0;
      if (bad || granted !== 0 || next === null) end(granted, bad);
      else this.#descend(of, next, depth + 1, hpa, end);
    }
  }

  #entriesAt(did: number, level: number, at: number, hpa: number): Iterable<HostEntry> {
    const now = this.#world.host.get(at) ?? NO_PERMISSION;
    if (!this.#remembers) return [now];
    const key = `${did} ${level} ${at} ${Math.floor(hpa / 2 ** HOST_LEVELS[4 - level]!.indexShift)}`;
    const held = this.#held.get(key) ?? { did, level, address: hpa, entries: new Set<HostEntry>() };
    this.#held.set(key, held);
    held.entries.add(now);
    return [...held.entries];
  }
}
