/**
 * The address translation cache of a device (PCIe 10.2.3, 10.3.8): what translation completions said, until an invalidation.
 *
 * Offers: `find`, whose result stands in fields until the next look-up, `insert`, `invalidate`, `removePasid`, `clear`. Keys
 * are address, PASID or none, and privileged mode; a Global entry stands for every PASID. An entry that allows nothing is
 * never held.
 *
 * Choice: a range of 2^64 bytes is held as the half in which the address lies.
 */
import { pageLow } from '../bits/index.ts';
import { NO_PASID } from '../pcie/index.ts';
import { Iotlb, type IotlbEntry, type IotlbSpec } from './cache/index.ts';
import * as entryWords from './cache/iotlb-words.ts';
import type { Invalidation } from './messages.ts';
import { belowHigh, belowLow } from './ranges.ts';
import type { TranslationEntry } from './translation-entry.ts';

// Folded into the machine code, which imported constants are not.
const { FLAGS, FRAME_HI, FRAME_LO, SHIFT } = entryWords;

export interface DeviceTlbSpec extends IotlbSpec {
  /** Global entries are kept as such. Goes with Global Invalidate Supported. */
  readonly global: boolean;
}

/** Not architectural. */
export const DEVICE_TLB: DeviceTlbSpec = { sets: 16, ways: 4, policy: 'lru', global: false };

/** What an access needs, and an entry allows. */
export const Permission = { READ: 1, WRITE: 2, EXECUTE: 4 } as const;

/** Whose access, and to which byte. */
export interface Place {
  /** -1 without a PASID. */
  readonly pasid: number;
  readonly privileged: boolean;
  readonly hi: number;
  readonly lo: number;
}

/** An entry as plain data, for inspection. */
export interface DeviceTlbEntry {
  readonly pasid: number;
  readonly privileged: boolean;
  readonly global: boolean;
  /** 4 KiB page numbers of the first page before and after translation. */
  readonly page: number;
  readonly frame: number;
  readonly shift: number;
  /** Bits of `Permission`. */
  readonly permissions: number;
  readonly untranslatedOnly: boolean;
}

const { READ, WRITE, EXECUTE } = Permission;
const UNTRANSLATED_ONLY = 8;
const SNOOPED = 16;
const PERMISSIONS = READ | WRITE | EXECUTE;

// The space of an entry: its PASID, and above it what else belongs to the key.
const PASID_MASK = 0xf_ffff;
const HAS_PASID = 1 << 20;
const GLOBAL = 1 << 21;
const PRIVILEGED = 1 << 22;

/** log2 of the bytes of the largest range that is held. */
const LARGEST = 63;

export class DeviceTlb {
  readonly spec: DeviceTlbSpec;
  // Where the byte that was found lies, and how it may be reached.
  hi = 0;
  lo = 0;
  /** log2 of the bytes of the entry. */
  shift = 0;
  untranslatedOnly = false;
  snooped = false;
  readonly #cache: Iotlb;
  #mayHoldGlobals = false;

  constructor(spec: DeviceTlbSpec) {
    this.spec = spec;
    this.#cache = new Iotlb(spec);
  }

  /** True when the byte is held with at least the permissions `needed`; then the fields say where it lies. */
  find(place: Place, needed: number): boolean {
    const { pasid } = place;
    if (this.#findIn(spaceOf(place), place, needed)) return true;
    return this.#mayHoldGlobals && pasid !== NO_PASID && this.#findIn(globalSpace(place), place, needed);
  }

  /** Holds what was said about the range around `place`, in place of what is held of it. False when that is nothing. */
  insert(place: Place, entry: TranslationEntry): boolean {
    if (!entry.read && !entry.write) return false;
    const isGlobal = entry.global && this.spec.global && place.pasid !== NO_PASID;
    const space = isGlobal ? globalSpace(place) : spaceOf(place);
    const shift = Math.min(entry.shift, LARGEST);
    const pageHi = place.hi >>> 12;
    const pageLo = pageLow(place.hi, place.lo);
    const cache = this.#cache;
    // A smaller entry of before would be found first, and might allow less.
    cache.removeOverlapping(pageHi, pageLo, shift - 12, (held) => held.space === space);
    const i = cache.add(space, pageHi, pageLo, shift);
    const frameHi = entry.hi | (place.hi & belowHigh(entry.shift) & ~belowHigh(shift));
    cache.fill(i, frameHi, entry.lo, flagsOf(entry), 0, place.pasid);
    if (isGlobal) this.#mayHoldGlobals = true;
    return true;
  }

  /** Drops what an Invalidate Request names, and whole entries of which it names a part. Gives their number. */
  invalidate({ pasid, global, hi, lo, shift }: Invalidation): number {
    const cache = this.#cache;
    // Without a PASID: its range of what has none, and everything that has one.
    const others = pasid === NO_PASID ? cache.removeWhere(({ space }) => (space & HAS_PASID) !== 0) : 0;
    const isMeant = (entry: IotlbEntry): boolean => {
      if (pasid === NO_PASID) return (entry.space & HAS_PASID) === 0;
      if (global && this.spec.global) return (entry.space & HAS_PASID) !== 0;
      return (entry.space & (HAS_PASID | GLOBAL)) === HAS_PASID && entry.pasid === pasid;
    };
    return others + cache.removeOverlapping(hi >>> 12, pageLow(hi, lo), shift - 12, isMeant);
  }

  /** The PASID is not used any more: drops what was asked for under it and is not Global. */
  removePasid(pasid: number): void {
    this.#cache.removeWhere((entry) => (entry.space & (HAS_PASID | GLOBAL)) === HAS_PASID && entry.pasid === pasid);
  }

  clear(): void {
    this.#cache.clear();
    this.#mayHoldGlobals = false;
  }

  /** All that is held, in order of PASID and page. */
  entries(): DeviceTlbEntry[] {
    const found = this.#cache.entries().sort((a, b) => a.space - b.space || a.page - b.page || a.shift - b.shift);
    return found.map(({ space, page, frame, shift, flags, pasid }) => ({
      pasid,
      privileged: (space & PRIVILEGED) !== 0,
      global: (space & GLOBAL) !== 0,
      page,
      frame: Math.floor(frame / 4096),
      shift,
      permissions: flags & PERMISSIONS,
      untranslatedOnly: (flags & UNTRANSLATED_ONLY) !== 0,
    }));
  }

  #findIn(space: number, { hi, lo }: Place, needed: number): boolean {
    const cache = this.#cache;
    const i = cache.find(space, hi >>> 12, pageLow(hi, lo));
    if (i < 0) return false;
    const { words } = cache;
    const flags = words[i + FLAGS]!;
    if ((flags & needed) !== needed) return false;
    const shift = words[i + SHIFT]!;
    this.hi = words[i + FRAME_HI]! | (hi & belowHigh(shift));
    this.lo = words[i + FRAME_LO]! | (lo & belowLow(shift));
    this.shift = shift;
    this.untranslatedOnly = (flags & UNTRANSLATED_ONLY) !== 0;
    this.snooped = (flags & SNOOPED) !== 0;
    return true;
  }
}

/** What an entry allows, as bits of `Permission`. */
export function permissionsOf({ read, write, execute }: TranslationEntry): number {
  return (read ? READ : 0) | (write ? WRITE : 0) | (read && execute ? EXECUTE : 0);
}

function flagsOf(entry: TranslationEntry): number {
  const { untranslatedOnly, snooped } = entry;
  return permissionsOf(entry) | (untranslatedOnly ? UNTRANSLATED_ONLY : 0) | (snooped ? SNOOPED : 0);
}

function spaceOf({ pasid, privileged }: Place): number {
  return (pasid === NO_PASID ? 0 : HAS_PASID | (pasid & PASID_MASK)) | (privileged ? PRIVILEGED : 0);
}

function globalSpace({ privileged }: Place): number {
  return HAS_PASID | GLOBAL | (privileged ? PRIVILEGED : 0);
}
