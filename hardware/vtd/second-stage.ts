/**
 * The second-stage walk (VT-d 3.7, 9.8), twice: `walk` is the specification's procedure for every case, `quick` the same
 * for the one case that matters for speed, a clean translation in memory at hand. `quick` reads the same masks, decides
 * nothing that is not plain success, and leaves everything else to `walk`; a test holds both against each other.
 */
import { highHalf, lowHalf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import {
  entryOffset,
  hasReserved,
  isSecondStageLeaf,
  type QuickMasks,
  quickMasks,
  type ReservedMasks,
  SECOND_STAGE_NAMES,
  type SecondStageRules,
  secondStageLayout,
  secondStageReserved,
} from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import {
  type Era,
  type IommuProbe,
  type Iotlb,
  type IotlbSpec,
  isExecute,
  type Leaf,
  NearTable,
  PagingStructures,
  setFlags,
  type Translation,
  UpdateEnd,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { Event } from './performance-events.ts';
import * as entry from './second-stage-entry.ts';
import type { SecondStageTable } from './space.ts';
import type { Fault } from './spec/index.ts';
import { WalkEnd } from './walk-end.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, NO_PASID, RIGHTS } = iommu;
const { entryWord, INDEX_BITS, radixShift } = formats;
const { A, ADDRESS_HI, ADDRESS_LO, D, GRANTS, IO_GRANTS_HI, IO_GRANTS_SHIFT, PS, SMALL_SHIFT, SNP, X } = entry.ENTRY;

const CACHE_NAME = 'second-stage paging-structure cache';

export class SecondStage {
  probe: IommuProbe | null = null;
  /** RTADDR.SSIRWE as latched: IR and IW count instead of R and W. */
  ioRights = false;
  /** Tables by address prefix: what points to them need not be read again. */
  readonly paging: PagingStructures;
  /** The cache of `paging`. */
  readonly structures: Iotlb | null;
  /** For the quick walker of the first stage, too. */
  readonly near = new NearTable();
  /** What is reserved, for walks that know only plain success. */
  readonly reservedQuick: QuickMasks;
  readonly #reserved: ReservedMasks;
  readonly #reservedWithIo: ReservedMasks;

  constructor(rules: SecondStageRules, era: Era, structures: IotlbSpec | null = null) {
    const names = { name: CACHE_NAME, lookup: Event.SS_NONLEAF_LOOKUP, hit: Event.SS_NONLEAF_HIT };
    this.paging = new PagingStructures(structures, names, era);
    this.structures = this.paging.cache;
    this.#reserved = secondStageReserved(rules);
    this.reservedQuick = quickMasks(this.#reserved);
    this.#reservedWithIo = secondStageReserved({ ...rules, ioRights: true });
  }

  /** Translates the address with these halves for `t` and fills `leaf`. What has all rights of `toWrite`, if it is not 0, becomes dirty. */
  *walk(
    t: Translation<Fault>,
    leaf: Leaf,
    stage: SecondStageTable,
    address: { readonly hi: number; readonly lo: number },
    toWrite: number,
  ): Walk<number> {
    const { memory } = t;
    const { hi, lo } = address;
    const reserved = this.ioRights ? this.#reservedWithIo : this.#reserved;
    const tags = { domain: stage.domain, pasid: NO_PASID, hi, lo };
    const start = t.steps.isResumed ? t.steps.start : this.paging.find(t, tags, stage.levels);
    let { table, level, granted: rights } = start ?? { table: stage.table, level: stage.levels, granted: RIGHTS | X };
    for (;;) {
      // 1. Fetch the entry.
      const at = table + entryOffset(level, hi, lo);
      yield memory.read(at, 2);
      if (!memory.ok) return level === stage.levels ? WalkEnd.TOP_READ_ERROR : WalkEnd.READ_ERROR;
      if (this.probe !== null) this.probe.read(SECOND_STAGE_NAMES[level]!, at, memory.words, 2);
      const entryLo = memory.words[0]! | 0;
      const entryHi = memory.words[1]! | 0;
      // 2. An entry without rights is not present; nothing else of it is looked at.
      const granted = this.ioRights ? (entryHi & IO_GRANTS_HI) >>> IO_GRANTS_SHIFT : entryLo & GRANTS;
      if (granted === 0) return WalkEnd.NOT_PRESENT;
      // 3. Reserved bits of the kind of entry that this one is.
      const isLeaf = isSecondStageLeaf(level, entryLo);
      if (hasReserved(reserved, level, isLeaf, entryLo, entryHi)) return WalkEnd.RESERVED_BITS;
      // 4. Rights are what every level grants.
      const left = rights & (granted | (entryLo & X));
      const target = secondStageLayout(level, entryLo).ADDR.address(memory.words);
      // 5. Accessed flag in every entry that is used, dirty flag in a leaf that is written through.
      if (stage.flags) {
        const wanted = A | (isLeaf && toWrite !== 0 && (toWrite & ~left) === 0 ? D : 0);
        const update = yield* setFlags(t, at, entryLo, entryHi, wanted, stage.coherent);
        if (update === UpdateEnd.CHANGED) continue;
        if (update === UpdateEnd.NOT_SNOOPED) return WalkEnd.NOT_SNOOPED;
        if (update === UpdateEnd.FAILED) return WalkEnd.UPDATE_FAILED;
        leaf.dirty = ((entryLo | wanted) & D) !== 0;
      } else {
        leaf.dirty = true;
      }
      rights = left;
      if (isLeaf) {
        leaf.frameHi = highHalf(target);
        leaf.frameLo = lowHalf(target);
        leaf.shift = radixShift(level);
        leaf.rights = rights & RIGHTS;
        leaf.executable = isExecute(t) && (!stage.executePermission || (rights & X) !== 0);
        leaf.snoop = (entryLo & SNP) !== 0;
        return WalkEnd.LEAF;
      }
      this.paging.keep(t, tags, level, target, rights);
      table = target;
      level--;
    }
  }

  /** True when `memory` holds a clean translation that grants all of `wanted`, which is then in `leaf`. */
  quick(memory: PhysicalMemory, leaf: Leaf, stage: SecondStageTable, wanted: number, hi: number, lo: number): boolean {
    this.near.forget();
    return this.quickNear(memory, leaf, stage, wanted, hi, lo);
  }

  /** As `quick`, for one of the addresses of a nested walk, which has forgotten what was near before. */
  quickNear(
    memory: PhysicalMemory,
    leaf: Leaf,
    stage: SecondStageTable,
    wanted: number,
    hi: number,
    lo: number,
  ): boolean {
    const { near } = this;
    let shift = SMALL_SHIFT;
    let rights = RIGHTS;
    let frame = 0;
    if (near.prefix === lo >>> 21 && near.hi === hi) {
      frame = near.frame;
      rights = near.rights;
      if ((wanted & ~rights) !== 0) return false;
    } else {
      if (this.ioRights === true || this.structures !== null) return false;
      shift = radixShift(stage.levels);
      frame = memory.frame(stage.tableHi, stage.tableLo) | 0;
    }
    const { tableLo, tableHi, leaves } = this.reservedQuick;
    const flags = stage.flags === true ? A : 0;
    const needed = wanted | flags;
    let entryLo = 0;
    let entryHi = 0;
    for (;;) {
      if (frame < 0) return false;
      const at = (frame + entryWord(shift, hi, lo)) | 0;
      const { pool } = memory;
      entryLo = pool[at]!;
      entryHi = pool[(at + 1) | 0]!;
      if (shift === SMALL_SHIFT || ((needed & ~entryLo) | (entryLo & tableLo) | (entryHi & tableHi)) !== 0) break;
      rights &= entryLo;
      shift = (shift - INDEX_BITS) | 0;
      frame = memory.frame(entryHi & ADDRESS_HI, entryLo & ADDRESS_LO) | 0;
    }
    // A page, or nothing that is plain.
    if (shift !== SMALL_SHIFT && (entryLo & PS) === 0) return false;
    if (((needed & ~entryLo) | (entryLo & leaves[shift]!) | (entryHi & leaves[shift + 1]!)) !== 0) return false;
    const isDirty = flags === 0 || (entryLo & D) !== 0;
    if (!isDirty && (wanted & Access.WRITE) !== 0) return false;
    if (shift === SMALL_SHIFT) near.remember(hi, lo, frame, rights);
    // Address bits that the host does not have are reserved, so that a clean entry holds none of them.
    leaf.frameHi = entryHi & ADDRESS_HI;
    leaf.frameLo = entryLo & ADDRESS_LO & (-1 << shift);
    leaf.shift = shift;
    leaf.rights = rights & entryLo;
    leaf.snoop = (entryLo & SNP) !== 0;
    leaf.dirty = isDirty;
    return true;
  }
}
