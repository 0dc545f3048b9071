/**
 * What software has written, as software means it: the tables of a sequence without their bits. The twin reads this and
 * never the memory that the unit reads.
 */
import type { Dice } from '../../caching/dice.ts';
import { type Entry, shiftOf } from '../../caching/radix.ts';

/** An entry of a host table: the level that a table stands at, or log2 of a page's size. */
export interface HostEntry extends Entry {
  readonly next: number;
  readonly shift: number;
}

export const NO_HOST_ENTRY: HostEntry = { kind: 'none', target: 0, rights: 0, next: 0, shift: 0 };

/** What translates: the same object wherever domain and tables are the same. */
export interface Tables {
  readonly id: number;
  readonly domain: number;
  /** Top of the host table, and its level, which is DTE.Mode. */
  readonly host: { readonly top: number; readonly level: number } | null;
  /** Address of the GCR3 table. */
  readonly gcr3: number | null;
}

/** What a device table entry says. */
export interface Device {
  /** V = 0; a reserved bit; TV = 0; and all is well. */
  readonly kind: 'absent' | 'illegal' | 'blocked' | 'translates';
  /** IV: hardware may hold the entry although V is 0. */
  readonly interrupts: boolean;
  readonly tables: Tables;
  /** IR 1, IW 2. */
  readonly rights: number;
  readonly giov: boolean;
  /** SA: no IO_PAGE_FAULT is logged. */
  readonly silent: boolean;
}

export interface World {
  readonly devices: Map<number, Device>;
  /** Entries of host tables, of guest tables and of GCR3 tables, by system address. */
  readonly host: Map<number, HostEntry>;
  readonly guest: Map<number, Entry>;
  readonly gcr3: Map<number, Entry>;
}

/** One kind of unit and the software on it. */
export interface Setting {
  readonly guest: boolean;
  readonly np: boolean;
  /** Deepest host table, and levels of guest and GCR3 tables. */
  readonly hostLevels: number;
  readonly guestLevels: number;
  readonly gcr3Levels: number;
  /** GCR3TRPMode. */
  readonly rootIsGuest: boolean;
  /** Guest entries are written without accessed and dirty flags at times; and host entries, with HAD in every device. */
  readonly flags: boolean;
  readonly hostFlags: boolean;
  /** Requests with PASID ask with privilege too. */
  readonly privileged: boolean;
  /** SA is set at times. */
  readonly silent: boolean;
  /** Pointers lead where no memory is at times. */
  readonly holes: boolean;
  readonly sids: readonly number[];
  readonly domains: readonly number[];
  /** PASIDs of requests; -1 for those without. */
  readonly pasids: readonly number[];
  readonly addresses: readonly number[];
}

/** PASID of requests without one, with GIoV. */
export const GIOV_PASID = 0;
/** No guest table takes part. */
export const HOST_ONLY = -1;

/** PASIDs whose translations there may be. */
export const pasidsOf = ({ pasids }: Setting): number[] => [GIOV_PASID, ...pasids.filter((pasid) => pasid >= 0)];

/** Entries that a page of a host table takes. */
export const slotsOf = ({ kind, shift }: HostEntry, level: number): number =>
  kind === 'leaf' ? 2 ** (shift - shiftOf(level)) : 1;

export const emptyWorld = (): World => ({
  devices: new Map(),
  host: new Map(),
  guest: new Map(),
  gcr3: new Map(),
});

/** Far apart, neighbours, and alike but for high bits. */
const NEAR = [0, 0x1000, 0x20_0000];
const FURTHER = [0x2000, 0x3000, 0x20_1000, 0x4000_0000, 0x40_0000_0000];
const HIGH = [2 ** 44, 2 ** 44 + 0x1000, 2 ** 46];
const HIGHEST = [2 ** 52, 2 ** 55 + 0x1000];

export function drawAddresses(dice: Dice, levels: number): number[] {
  const far = levels === 3 ? [] : levels === 4 ? HIGH : [...HIGH, ...HIGHEST];
  const more = new Set([dice.pick(FURTHER), dice.pick(FURTHER), ...(far.length > 0 ? [dice.pick(far)] : [])]);
  return [...NEAR, ...more];
}
