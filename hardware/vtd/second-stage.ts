/**
 * The second-stage walk (VT-d 3.7, 9.8), twice: `walk` is the specification's procedure for every case, `quick` the same
 * for the one case that matters for speed, a clean translation in memory at hand. `quick` reads the same masks, decides
 * nothing that is not plain success, and leaves everything else to `walk`; a test holds both against each other.
 */
import { highHalf, lowHalf, maskOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import {
  entryOffset,
  hasReserved,
  isSecondStageLeaf,
  type ReservedMasks,
  SECOND_STAGE_NAMES,
  type SecondStageRules,
  SS_PDE,
  SS_PTE,
  secondStageLayout,
  secondStageReserved,
  sideBySide,
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
import type { SecondStageTable } from './space.ts';
import type { Fault } from './spec/index.ts';
import { WalkEnd } from './walk-end.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, NO_PASID, RIGHTS } = iommu;
const { entryWord, INDEX_BITS, LEAF_MASKS, radixShift } = formats;

const CACHE_NAME = 'second-stage paging-structure cache';
const SNP = SS_PTE.SNP.mask;
const A = SS_PTE.A.mask;
const D = SS_PTE.D.mask;
const X = SS_PTE.X.mask;
/** R and W, or IR and IW, as they stand in an entry. */
const GRANTS = SS_PTE.R.mask | SS_PTE.W.mask;
const IO_GRANTS = SS_PTE.IR.mask | SS_PTE.IW.mask;
const IO_SHIFT = 29;
const PS = SS_PDE.PS.mask;
const SMALL_SHIFT = 12;
const ADDRESS = maskOf(SS_PTE, (field) => field === SS_PTE.ADDR);
const ADDRESS_LO = ADDRESS[0]!;
const ADDRESS_HI = ADDRESS[1]!;

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
  readonly #reserved: ReservedMasks;
  readonly #reservedWithIo: ReservedMasks;
  /** The same as `#reserved`, for `quick`. */
  readonly #reservedQuick: Int32Array;

  constructor(rules: SecondStageRules, era: Era, structures: IotlbSpec | null = null) {
    const names = { name: CACHE_NAME, lookup: Event.SS_NONLEAF_LOOKUP, hit: Event.SS_NONLEAF_HIT };
    this.paging = new PagingStructures(structures, names, era);
    this.structures = this.paging.cache;
    this.#reserved = secondStageReserved(rules);
    this.#reservedQuick = sideBySide(this.#reserved);
    this.#reservedWithIo = secondStageReserved({ ...rules, ioRights: true });
  }

  /** Translates the address with these halves for `t` and fills `leaf`. `write` asks for the dirty flag. */
  *walk(
    t: Translation<Fault>,
    leaf: Leaf,
    stage: SecondStageTable,
    address: { readonly hi: number; readonly lo: number },
    write: boolean,
  ): Walk<number> {
    const { memory } = t;
    const { hi, lo } = address;
    const reserved = this.ioRights ? this.#reservedWithIo : this.#reserved;
    const tags = { domain: stage.domain, pasid: NO_PASID, hi, lo };
    const start = this.paging.find(t, tags, stage.levels);
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
      const granted = this.ioRights ? (entryHi & IO_GRANTS) >>> IO_SHIFT : entryLo & GRANTS;
      if (granted === 0) return WalkEnd.NOT_PRESENT;
      // 3. Reserved bits of the kind of entry that this one is.
      const isLeaf = isSecondStageLeaf(level, entryLo);
      if (hasReserved(reserved, level, isLeaf, entryLo, entryHi)) return WalkEnd.RESERVED_BITS;
      // 4. Rights are what every level grants.
      const left = rights & (granted | (entryLo & X));
      const target = secondStageLayout(level, entryLo).ADDR.address(memory.words);
      // 5. Accessed flag in every entry that is used, dirty flag in a leaf that is written through.
      if (stage.flags) {
        const wanted = A | (isLeaf && write && (left & Access.WRITE) !== 0 ? D : 0);
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
    let level = 1;
    let shift = SMALL_SHIFT;
    let rights = RIGHTS;
    let frame = 0;
    if (near.prefix === lo >>> 21 && near.hi === hi) {
      frame = near.frame;
      rights = near.rights;
      if ((wanted & ~rights) !== 0) return false;
    } else {
      if (this.ioRights === true || this.structures !== null) return false;
      level = stage.levels;
      shift = radixShift(level);
      frame = memory.frame(stage.tableHi, stage.tableLo) | 0;
    }
    const reserved = this.#reservedQuick;
    const flags = stage.flags === true ? A : 0;
    const needed = wanted | flags;
    for (;;) {
      if (frame < 0) return false;
      const at = (frame + entryWord(shift, hi, lo)) | 0;
      const { pool } = memory;
      const entryLo = pool[at]!;
      const entryHi = pool[(at + 1) | 0]!;
      // As `isSecondStageLeaf` has it, without a call.
      const isLeaf = level === 1 || (level <= 3 && (entryLo & PS) !== 0);
      const kind = (isLeaf ? LEAF_MASKS + level : level) << 1;
      if (((needed & ~entryLo) | (entryLo & reserved[kind]!) | (entryHi & reserved[kind + 1]!)) !== 0) return false;
      // Address bits that the host does not have are reserved, so that a clean entry holds none of them.
      const tableHi = entryHi & ADDRESS_HI;
      const tableLo = entryLo & ADDRESS_LO;
      if (!isLeaf) {
        rights &= entryLo;
        level = (level - 1) | 0;
        shift = (shift - INDEX_BITS) | 0;
        frame = memory.frame(tableHi, tableLo) | 0;
        continue;
      }
      const isDirty = flags === 0 || (entryLo & D) !== 0;
      if (!isDirty && (wanted & Access.WRITE) !== 0) return false;
      if (level === 1) near.remember(hi, lo, frame, rights);
      leaf.frameHi = tableHi;
      leaf.frameLo = tableLo & (-1 << shift);
      leaf.shift = shift;
      leaf.rights = rights & entryLo;
      leaf.snoop = (entryLo & SNP) !== 0;
      leaf.dirty = isDirty;
      return true;
    }
  }
}
