/**
 * The walk through a host (v1) table: up to 6 levels, any of which may be skipped, pages of every power of two. Ends with
 * the condition that stops it, or with the page in `leaf`.
 *
 * It is there twice: `walk` for every case, `quick` for a clean translation in memory at hand. `quick` reads the same
 * masks, decides nothing that is not plain success, and leaves everything else to `walk`; a test holds both against each
 * other.
 */
import { anySet, highHalf, lowHalf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import { pageShift, V1_PDE, V1_PTE, V1_RESERVED, v1Offset } from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import {
  type Era,
  type IommuProbe,
  type IotlbSpec,
  type Leaf,
  NearTable,
  PagingStructures,
  type PerformanceEvents,
  setFlags,
  type Translation,
  UpdateEnd,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { countRead } from './count-read.ts';
import type { HostTable } from './device-table.ts';
import * as entry from './host-entry.ts';
import { type AmdFault, CounterSource, FAULTS } from './spec/index.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, NO_PASID, RIGHTS } = iommu;
const { entryWord, INDEX_BITS, NextLevel, radixLevel, radixShift, v1Exceeds, v1SkipsBits } = formats;
const { PAGE, SIZED_PAGE } = NextLevel;
const {
  A,
  ADDRESS_HI,
  ADDRESS_LO,
  D,
  FC_HI,
  GRANTS_HI,
  GRANTS_SHIFT,
  LARGEST_SHIFT,
  LEAF_RESERVED_HI,
  LEAF_RESERVED_LO,
  NEXT_LEVEL,
  NEXT_LEVEL_SHIFT,
  PR,
  SMALL_SHIFT,
  TABLE_RESERVED_HI,
  TABLE_RESERVED_LO,
  U_HI,
} = entry.ENTRY;

/** By what NextLevel, in its place, differs from one level to the next. */
const LEVEL = 1 << NEXT_LEVEL_SHIFT;
/** All that entries can grant, as they do. */
const EVERYTHING = -1;

export class HostTables {
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  /** The page-directory cache. */
  readonly directory: PagingStructures;
  /** For the quick walker of guest tables, too. */
  readonly near = new NearTable();
  /** U of the page that the last walk has found. */
  untranslatedOnly = false;
  /** There is a page-directory cache, which no quick walk knows. */
  readonly #isCached: boolean;

  constructor(era: Era, directory: IotlbSpec | null) {
    const names = {
      name: 'page-directory cache',
      hit: CounterSource.MEM_IOMMU_TLB_PDE_HIT,
      miss: CounterSource.MEM_IOMMU_TLB_PDE_MISS,
    };
    this.directory = new PagingStructures(directory, names, era);
    this.#isCached = directory !== null;
  }

  /** Translates the address with these halves and fills `leaf`. What has all rights of `toWrite`, if it is not 0, becomes dirty. */
  *walk(
    t: Translation<AmdFault>,
    leaf: Leaf,
    host: HostTable,
    { hi, lo }: { readonly hi: number; readonly lo: number },
    toWrite: number,
  ): Walk<AmdFault | null> {
    if (v1Exceeds(host.level, hi, lo)) return FAULTS.OUT_OF_RANGE;
    const { memory } = t;
    const tags = { domain: host.domain, context: host.context, pasid: NO_PASID, hi, lo };
    const start = t.steps.isResumed ? t.steps.start : this.directory.find(t, tags, host.level);
    let { table, level, granted: rights } = start ?? { table: host.table, level: host.level, granted: RIGHTS };
    for (;;) {
      // 1. Fetch the entry.
      const at = table + v1Offset(level, hi, lo);
      yield memory.read(at, 2);
      if (!memory.ok) return FAULTS.TABLE_READ;
      const { words } = memory;
      const next = V1_PTE.NextLevel.get(words);
      const isLeaf = next === PAGE || next === SIZED_PAGE;
      const kind = isLeaf ? V1_PTE : V1_PDE;
      if (this.probe !== null) this.probe.read(`${kind.$.name}, level ${level}`, at, words, 2);
      if (this.counters !== null) countRead(this.counters, t, CounterSource.PAGE_TBL_READ_NST);
      // 2. Presence, then reserved bits.
      if (!V1_PTE.PR.isSet(words)) return FAULTS.NOT_PRESENT;
      if (anySet(words, isLeaf ? V1_RESERVED.leaf : V1_RESERVED.table)) return FAULTS.RESERVED;
      const entryLo = words[0]! | 0;
      const entryHi = words[1]! | 0;
      const target = (isLeaf ? V1_PTE.PageAddress : V1_PDE.NextTable).address(words);
      // 3. The level that comes next, or the size of the page.
      const shift = isLeaf ? pageShift(level, next, highHalf(target), lowHalf(target)) : 0;
      if (isLeaf && shift === 0) return FAULTS.PAGE_SIZE;
      if (!isLeaf && next >= level) return FAULTS.NEXT_LEVEL;
      if (!isLeaf && v1SkipsBits(level, next, hi, lo)) return FAULTS.SKIPPED;
      // 4. Rights are what every level grants.
      const left = rights & ((entryHi & GRANTS_HI) >>> GRANTS_SHIFT);
      // 5. Accessed flag in every entry that is used, dirty flag in a leaf that is written through.
      const isWritten = isLeaf && toWrite !== 0 && (toWrite & ~left) === 0 && host.dirty;
      const wanted = (host.accessed ? A : 0) | (isWritten ? D : 0);
      const update = yield* setFlags(t, at, entryLo, entryHi, wanted, true);
      if (update === UpdateEnd.CHANGED) continue;
      if (update === UpdateEnd.FAILED) return FAULTS.FLAG_UPDATE;
      rights = left;
      if (isLeaf) {
        const frame = target - (target % 2 ** shift);
        leaf.frameHi = highHalf(frame);
        leaf.frameLo = lowHalf(frame);
        leaf.shift = shift;
        leaf.rights = rights;
        leaf.snoop = (entryHi & FC_HI) !== 0;
        leaf.dirty = !host.dirty || ((entryLo | wanted) & D) !== 0;
        this.untranslatedOnly = (entryHi & U_HI) !== 0;
        return null;
      }
      // An entry that skips levels serves only addresses whose bits of these levels are 0: it is kept as if it stood lower.
      this.directory.keep(t, tags, next + 1, target, rights);
      table = target;
      level = next;
    }
  }

  /** Finds where a table lies that is read at a guest physical address; `inner` says what else may be done there. */
  *locate(t: Translation<AmdFault>, inner: Leaf, host: HostTable, address: number): Walk<AmdFault | null> {
    const fault = yield* this.walk(t, inner, host, { hi: highHalf(address), lo: lowHalf(address) }, 0);
    if (fault !== null) return fault;
    return (inner.rights & Access.READ) === 0 ? FAULTS.DENIED : null;
  }

  /** True when `memory` holds a clean translation that grants all of `wanted`, which is then in `leaf`. */
  quick(memory: PhysicalMemory, leaf: Leaf, host: HostTable, wanted: number, hi: number, lo: number): boolean {
    this.near.forget();
    return this.quickNear(memory, leaf, host, wanted, hi, lo);
  }

  /** As `quick`, for one of the addresses of a nested walk, which has forgotten what was near before. */
  quickNear(memory: PhysicalMemory, leaf: Leaf, host: HostTable, wanted: number, hi: number, lo: number): boolean {
    const { near } = this;
    const wantedHi = wanted << GRANTS_SHIFT;
    let shift = SMALL_SHIFT;
    let granted = EVERYTHING;
    let frame = 0;
    // NextLevel of an entry that leads to the next lower table; at the lowest level that of a page.
    let below = 0;
    if (near.prefix === lo >>> 21 && near.hi === hi) {
      frame = near.frame;
      granted = near.rights;
      if ((wantedHi & ~granted) !== 0) return false;
    } else {
      if (this.#isCached || v1Exceeds(host.level, hi, lo)) return false;
      shift = radixShift(host.level);
      below = (host.level - 1) << NEXT_LEVEL_SHIFT;
      frame = memory.frame(host.tableHi, host.tableLo) | 0;
    }
    const needed = host.accessed === true ? PR | A : PR;
    const testedLo = needed | NEXT_LEVEL | TABLE_RESERVED_LO;
    const testedHi = wantedHi | TABLE_RESERVED_HI;
    let entryLo = 0;
    let entryHi = 0;
    for (;;) {
      if (frame < 0) return false;
      const at = (frame + entryWord(shift, hi, lo)) | 0;
      const { pool } = memory;
      entryLo = pool[at]!;
      entryHi = pool[(at + 1) | 0]!;
      const unfit = ((entryLo ^ (needed | below)) & testedLo) | ((entryHi ^ wantedHi) & testedHi);
      if (shift === SMALL_SHIFT || unfit !== 0) {
        // A page, a table further below, or nothing that is plain.
        if (((needed & ~entryLo) | (wantedHi & ~entryHi)) !== 0) return false;
        const next = (entryLo & NEXT_LEVEL) >>> NEXT_LEVEL_SHIFT;
        if (next === PAGE || next === SIZED_PAGE) break;
        const level = radixLevel(shift);
        if (((entryLo & TABLE_RESERVED_LO) | (entryHi & TABLE_RESERVED_HI)) !== 0) return false;
        if (next >= level || v1SkipsBits(level, next, hi, lo)) return false;
        shift = radixShift(next);
        below = (next - 1) << NEXT_LEVEL_SHIFT;
      } else {
        shift = (shift - INDEX_BITS) | 0;
        below = (below - LEVEL) | 0;
      }
      granted &= entryHi;
      frame = memory.frame(entryHi & ADDRESS_HI, entryLo & ADDRESS_LO) | 0;
    }
    if (((entryLo & LEAF_RESERVED_LO) | (entryHi & LEAF_RESERVED_HI)) !== 0) return false;
    const frameHi = entryHi & ADDRESS_HI;
    const frameLo = entryLo & ADDRESS_LO;
    const pageBits =
      (entryLo & NEXT_LEVEL) === PAGE ? shift : pageShift(radixLevel(shift), SIZED_PAGE, frameHi, frameLo);
    if (pageBits === 0 || pageBits > LARGEST_SHIFT) return false;
    const isDirty = host.dirty !== true || (entryLo & D) !== 0;
    if (!isDirty && (wanted & Access.WRITE) !== 0) return false;
    if (shift === SMALL_SHIFT) near.remember(hi, lo, frame, granted);
    leaf.frameHi = frameHi;
    leaf.frameLo = frameLo & (-1 << pageBits);
    leaf.shift = pageBits;
    leaf.rights = ((granted & entryHi) >>> GRANTS_SHIFT) & RIGHTS;
    leaf.snoop = (entryHi & FC_HI) !== 0;
    leaf.dirty = isDirty;
    this.untranslatedOnly = (entryHi & U_HI) !== 0;
    return true;
  }
}
