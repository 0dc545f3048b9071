/**
 * What software has written, as software means it: the tables of a sequence without their bits. The twin reads this and
 * never the memory that the unit reads.
 */
import type { Dice } from './dice.ts';

/** An entry of a paging table. Rights: 1 read (second stage), 2 write, 4 user (first stage). */
export interface Entry {
  readonly kind: 'none' | 'bad' | 'table' | 'leaf';
  readonly target: number;
  readonly rights: number;
}

export const NONE: Entry = { kind: 'none', target: 0, rights: 0 };
export const BAD: Entry = { kind: 'bad', target: 0, rights: 0 };

export const Kind = { FIRST: 1, SECOND: 2, NESTED: 3, PASS: 4 } as const;

export interface SecondTable {
  readonly did: number;
  readonly top: number;
  readonly levels: number;
}

export interface FirstTable {
  readonly top: number;
  readonly levels: number;
}

/** What a legacy context entry or a PASID-table entry says. One object per meaning: the twin compares identities. */
export interface Space {
  /** Code of the fault that the entry gives by itself, or 0. */
  readonly fault: number;
  readonly kind: number;
  readonly did: number;
  readonly second: SecondTable | null;
  readonly first: FirstTable | null;
}

export interface Context {
  readonly fault: number;
  /** Legacy mode. */
  readonly space: Space | null;
  /** Scalable mode: number of the PASID directory. */
  readonly directory: number;
  readonly ridPasid: number;
}

export interface World {
  root: boolean;
  readonly contexts: Map<number, Context>;
  /** PASID tables by directory and upper PASID (`directoryKey`); `null` where the entry is not present. */
  readonly directories: Map<number, number | null>;
  /** Entries by PASID table and lower PASID (`pasidKey`). */
  readonly pasids: Map<number, Space>;
  /** Paging entries by host address. */
  readonly entries: Map<number, Entry>;
}

export const directoryKey = (directory: number, pasid: number): number => directory * 2 ** 14 + (pasid >>> 6);
export const pasidKey = (table: number, pasid: number): number => table * 64 + (pasid & 63);

/** One kind of unit and the software on it. */
export interface Setting {
  readonly scalable: boolean;
  readonly cm: boolean;
  readonly psi: boolean;
  /** Levels of the second stage and of the first. */
  readonly levels: number;
  readonly firstLevels: number;
  /** First-stage entries are written without accessed and dirty flags at times. */
  readonly flags: boolean;
  readonly sids: readonly number[];
  /** Function mask under which both requesters are one. */
  readonly functionMask: number;
  /** PASIDs of requests; -1 for those without. */
  readonly pasids: readonly number[];
  /** What RID_PASID may be. */
  readonly ridPasids: readonly number[];
  readonly addresses: readonly number[];
}

export const HOST_BITS = 48;
export const MAX_ORDER = 18;
export const PAGE = 4096;

export const shiftOf = (level: number): number => 12 + 9 * (level - 1);
export const sizeOf = (level: number): number => 2 ** shiftOf(level);
export const indexOf = (address: number, level: number): number => Math.floor(address / sizeOf(level)) % 512;
export const floorTo = (address: number, size: number): number => address - (address % size);

export function emptyWorld(): World {
  return { root: true, contexts: new Map(), directories: new Map(), pasids: new Map(), entries: new Map() };
}

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
