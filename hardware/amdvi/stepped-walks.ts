/**
 * Walks entry by entry, for plain requests of a device with a host table alone: the same checks as `HostTables.quick`, and
 * what the page-directory cache knows. Tests hold them against `Procedure`, which takes over at anything else.
 */
import * as formats from '../formats/index.ts';
import type { Era, PagingStructures, Translation } from '../iommu/index.ts';
import * as iommu from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { CachedTranslations } from './cached-translations.ts';
import type { DeviceEntry, HostTable } from './device-table.ts';
import * as entry from './host-entry.ts';
import type { HostTables } from './host-tables.ts';
import type { PageQualities } from './iotlb-entry.ts';
import * as iotlbEntry from './iotlb-entry.ts';
import type { AmdFault } from './spec/index.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, NO_PASID, RIGHTS, Step } = iommu;
const { entryWord, NextLevel, pageShift, radixLevel, radixShift, v1Exceeds, v1SkipsBits } = formats;
const { PAGE, SIZED_PAGE } = NextLevel;
const { ANY_PAGE, HOST_ONLY } = iotlbEntry;
const {
  A,
  ADDRESS_HI,
  ADDRESS_LO,
  D,
  FC_HI,
  GRANTS_SHIFT,
  LARGEST_SHIFT,
  LEAF_RESERVED_HI,
  LEAF_RESERVED_LO,
  NEXT_LEVEL,
  NEXT_LEVEL_SHIFT,
  PR,
  TABLE_RESERVED_HI,
  TABLE_RESERVED_LO,
  U_HI,
} = entry.ENTRY;

interface Parts {
  readonly era: Era;
  readonly hosts: HostTables;
  readonly cached: CachedTranslations;
  /** Takes what is known of a page that was found beside its place. */
  readonly page: PageQualities;
}

export class SteppedWalks {
  readonly #era: Era;
  readonly #cached: CachedTranslations;
  readonly #directory: PagingStructures;
  readonly #page: PageQualities;

  constructor({ era, hosts, cached, page }: Parts) {
    this.#era = era;
    this.#cached = cached;
    this.#directory = hosts.directory;
    this.#page = page;
  }

  /** Begins the walk of a read or write that its device may make; false when only the whole procedure knows the way. */
  begin(t: Translation<AmdFault>, device: DeviceEntry): boolean {
    const { host, guest } = device;
    if (host === null || guest !== null || t.pasid !== NO_PASID || v1Exceeds(host.level, t.hi, t.lo)) return false;
    t.domain = device.domain;
    this.#era.begin(t);
    t.steps.begin(t, device, host, host.level, this.#directory);
    return true;
  }

  /** Reads the next entry: a value of `Step`. */
  step(t: Translation<AmdFault>, memory: PhysicalMemory): number {
    const device = t.steps.space as DeviceEntry;
    const end = this.#read(t, memory, device.host!);
    if (end !== Step.DONE) return end;
    if (this.#era.mayFill(t)) this.#cached.fill(t, device, HOST_ONLY, false);
    t.leaf.rights &= device.rights;
    t.succeed();
    return end;
  }

  /** After DONE the page is in `t.leaf`. */
  #read(t: Translation, memory: PhysicalMemory, host: HostTable): number {
    const { steps, hi, lo, leaf } = t;
    const { shift, rights } = steps;
    const wanted = t.access & RIGHTS;
    const frame = memory.frame(steps.tableHi, steps.tableLo);
    if (frame < 0) return steps.miss();
    const at = (frame + entryWord(shift, hi, lo)) | 0;
    const entryLo = memory.pool[at]!;
    const entryHi = memory.pool[(at + 1) | 0]!;
    steps.note(entryLo, entryHi);
    const needed = host.accessed === true ? PR | A : PR;
    const grants = entryHi >>> GRANTS_SHIFT;
    if (((needed & ~entryLo) | (wanted & ~grants)) !== 0) return Step.ODD;
    const next = (entryLo & NEXT_LEVEL) >>> NEXT_LEVEL_SHIFT;
    if (next !== PAGE && next !== SIZED_PAGE) return this.#descend(t, entryHi, entryLo);
    if (((entryLo & LEAF_RESERVED_LO) | (entryHi & LEAF_RESERVED_HI) | (wanted & ~rights)) !== 0) return Step.ODD;
    const frameHi = entryHi & ADDRESS_HI;
    const frameLo = entryLo & ADDRESS_LO;
    const pageBits = pageShift(radixLevel(shift), next, frameHi, frameLo);
    if (pageBits === 0 || pageBits > LARGEST_SHIFT) return Step.ODD;
    const isDirty = host.dirty !== true || (entryLo & D) !== 0;
    if (!isDirty && (wanted & Access.WRITE) !== 0) return Step.ODD;
    leaf.frameHi = frameHi;
    leaf.frameLo = frameLo & (-1 << pageBits);
    leaf.shift = pageBits;
    leaf.rights = rights & grants & RIGHTS;
    leaf.snoop = (entryHi & FC_HI) !== 0;
    leaf.dirty = isDirty;
    Object.assign(this.#page, ANY_PAGE);
    this.#page.untranslatedOnly = (entryHi & U_HI) !== 0;
    return Step.DONE;
  }

  /** The entry leads to another table, perhaps more than one level down. */
  #descend(t: Translation, entryHi: number, entryLo: number): number {
    if (((entryLo & TABLE_RESERVED_LO) | (entryHi & TABLE_RESERVED_HI)) !== 0) return Step.ODD;
    const { steps } = t;
    const level = radixLevel(steps.shift);
    const next = (entryLo & NEXT_LEVEL) >>> NEXT_LEVEL_SHIFT;
    if (next !== level - 1 && (next >= level || v1SkipsBits(level, next, t.hi, t.lo))) return Step.ODD;
    steps.tableHi = entryHi & ADDRESS_HI;
    steps.tableLo = entryLo & ADDRESS_LO;
    steps.shift = radixShift(next);
    steps.rights &= (entryHi >>> GRANTS_SHIFT) & RIGHTS;
    if (this.#directory.cache !== null) this.#directory.keepStep(t);
    return Step.MORE;
  }
}
