/**
 * What software has written, as software means it: the tables of a sequence without their bits. The twin reads this and
 * never the memory that the unit reads.
 */
import type { Dice } from '../../caching/dice.ts';
import type { Entry } from '../../caching/radix.ts';

export const Kind = { FIRST: 1, SECOND: 2, NESTED: 3, PASS: 4 } as const;

export interface SecondTable {
  readonly did: number;
  readonly top: number;
  readonly levels: number;
  /** SSADE. */
  readonly flags: boolean;
}

export interface FirstTable {
  readonly top: number;
  readonly levels: number;
}

/** The host permission table that a PASID-table entry names. */
export interface HostTable {
  readonly did: number;
  readonly top: number;
}

/** What translates: the same object wherever domain, PASID and tables are the same. */
export interface Stages {
  readonly kind: number;
  readonly did: number;
  readonly second: SecondTable | null;
  readonly first: FirstTable | null;
}

/** What a legacy context entry or a PASID-table entry says. One object per meaning: the twin compares identities. */
export interface Space extends Stages {
  /** Code of the fault that the entry gives by itself, or 0. */
  readonly fault: number;
  readonly stages: Stages | null;
  readonly fpd: boolean;
  /** SRE and WPE. */
  readonly supervisor: boolean;
  readonly writeProtect: boolean;
  readonly host: HostTable | null;
}

export interface Context {
  readonly fault: number;
  readonly fpd: boolean;
  /** Translation and translated requests may come: DTE, or TT = 01. */
  readonly deviceTlb: boolean;
  /** Legacy mode. */
  readonly space: Space | null;
  /** Scalable mode: number of the PASID directory, or NO_MEMORY. */
  readonly directory: number;
  readonly ridPasid: number;
  readonly ridPrivileged: boolean;
  /** PASIDE and EPTR: requests, and translated requests, with PASID may come. */
  readonly pasids: boolean;
  readonly translatedPasids: boolean;
  /** HPTE. */
  readonly host: boolean;
}

/** A table that lies where no memory is. */
export const NO_MEMORY = -2;

export interface Directory {
  /** Number of a PASID table, NO_MEMORY, or `null` where the entry is not present. */
  readonly table: number | null;
  readonly fpd: boolean;
}

export type Root = 'present' | 'absent' | 'no memory';

/** An entry of a host permission table: 4 bits for each part of its range, and the next lower table. */
export interface HostEntry {
  readonly permissions: readonly number[];
  readonly next: number | null;
  readonly bad: boolean;
}

export interface World {
  root: Root;
  readonly contexts: Map<number, Context>;
  /** PASID tables by directory and upper PASID (`directoryKey`). */
  readonly directories: Map<number, Directory>;
  /** Entries by PASID table and lower PASID (`pasidKey`). */
  readonly pasids: Map<number, Space>;
  /** Paging entries by host address. */
  readonly entries: Map<number, Entry>;
  /** Host permission entries by host address. */
  readonly host: Map<number, HostEntry>;
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
  /** Entries are written without accessed and dirty flags at times. */
  readonly flags: boolean;
  /** SSADE in the entries of every second domain, and EAFE in all. */
  readonly secondFlags: boolean;
  readonly extendedAccessed: boolean;
  /** Requests with PASID ask with privilege too, and RID_PRIV is set at times. */
  readonly privileged: boolean;
  /** Devices send translation requests, and have device-TLBs. */
  readonly ats: boolean;
  /** Host permission tables are used at times; only with `ats`. */
  readonly host: boolean;
  /** FPD is set at times. */
  readonly fpd: boolean;
  /** Pointers lead where no memory is at times. */
  readonly holes: boolean;
  /** Software invalidates through registers and has no queue. */
  readonly registers: boolean;
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

export function emptyWorld(): World {
  return {
    root: 'present',
    contexts: new Map(),
    directories: new Map(),
    pasids: new Map(),
    entries: new Map(),
    host: new Map(),
  };
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
