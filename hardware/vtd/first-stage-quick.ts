/**
 * The first stage's counterpart of `SecondStage.quick`: user requests through clean first-stage tables, alone or nested,
 * that lie in memory at hand and need no flag to be set. It decides nothing but plain success.
 */
import { maskOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import {
  entryOffset,
  FS_PTE,
  isCanonical,
  isFirstStageLeaf,
  type ReservedMasks,
  radixShift,
} from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import { exceeds, Leaf } from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { SecondStage } from './second-stage.ts';
import type { Space } from './space.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, RIGHTS } = iommu;
const { LEAF_MASKS } = formats;
const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(FS_PTE, (field) => field === FS_PTE.ADDR);
/** What every entry on the way has to have. */
const USED = FS_PTE.P.mask | FS_PTE.US.mask | FS_PTE.A.mask;
const EA = FS_PTE.EA.mask;
const RW = FS_PTE.RW.mask;
const D = FS_PTE.D.mask;

export class QuickFirstStage {
  readonly #reserved: ReservedMasks;
  readonly #reservedWithXd: ReservedMasks;
  readonly #second: SecondStage;
  /** Where a table of the first stage lies, when nested. */
  readonly #inner = new Leaf();

  constructor(reserved: ReservedMasks, reservedWithXd: ReservedMasks, second: SecondStage) {
    this.#reserved = reserved;
    this.#reservedWithXd = reservedWithXd;
    this.#second = second;
  }

  /** True when the address translates for all of `wanted`, with the result in `leaf`. */
  walk(memory: PhysicalMemory, leaf: Leaf, space: Space, wanted: number, hi: number, lo: number): boolean {
    const { first, second } = space;
    if (first === null || !isCanonical(first.levels, hi)) return false;
    const { lo: reservedLo, hi: reservedHi } = first.reservesXd ? this.#reservedWithXd : this.#reserved;
    const writes = (wanted & Access.WRITE) !== 0;
    const needed = USED | (first.extendedAccessed ? EA : 0) | (writes ? RW : 0);
    const tableRights = second?.flags === true ? RIGHTS : Access.READ;
    const inner = this.#inner;
    let { tableHi, tableLo } = first;
    let rights = RW;
    for (let level = first.levels; ; level--) {
      let atHi = tableHi;
      let atLo = tableLo | entryOffset(level, hi, lo);
      if (second !== null) {
        if (exceeds(atHi, second.addressBits)) return false;
        if (!this.#second.quick(memory, inner, second, tableRights, atHi, atLo)) return false;
        atHi = inner.frameHi;
        atLo = inner.frameLo | (atLo & ((1 << inner.shift) - 1));
      }
      const at = memory.locate(atHi, atLo);
      if (at < 0) return false;
      const entryLo = memory.pool[at]!;
      const entryHi = memory.pool[at + 1]!;
      const isLeaf = isFirstStageLeaf(level, entryLo);
      const kind = isLeaf ? LEAF_MASKS + level : level;
      const missing = needed & ~entryLo;
      if ((missing | (entryLo & reservedLo[kind]!) | (entryHi & reservedHi[kind]!)) !== 0) return false;
      rights &= entryLo;
      tableHi = entryHi & ADDRESS_HI;
      tableLo = entryLo & ADDRESS_LO;
      if (!isLeaf) continue;
      const isDirty = (entryLo & D) !== 0;
      if (writes && !isDirty) return false;
      const shift = radixShift(level);
      tableLo &= -1 << shift;
      const granted = Access.READ | (rights !== 0 ? Access.WRITE : 0);
      if (second === null) {
        leaf.frameHi = tableHi;
        leaf.frameLo = tableLo;
        leaf.shift = shift;
        leaf.rights = granted;
        leaf.snoop = false;
        leaf.dirty = isDirty;
        return true;
      }
      return this.#nested(memory, leaf, space, wanted, {
        hi: tableHi,
        lo: tableLo | (lo & ((1 << shift) - 1)),
        shift,
        granted,
        isDirty,
      });
    }
  }

  /** The page's guest address through the second stage. */
  #nested(memory: PhysicalMemory, leaf: Leaf, { second }: Space, wanted: number, page: GuestPage): boolean {
    if (exceeds(page.hi, second!.addressBits)) return false;
    if (!this.#second.quick(memory, leaf, second!, wanted, page.hi, page.lo)) return false;
    leaf.rights &= page.granted;
    leaf.dirty &&= page.isDirty;
    // The smaller of the two pages is what the pair translates.
    if (leaf.shift > page.shift) {
      leaf.frameLo |= page.lo & ((1 << leaf.shift) - 1) & (-1 << page.shift);
      leaf.shift = page.shift;
    }
    return true;
  }
}

interface GuestPage {
  readonly hi: number;
  readonly lo: number;
  readonly shift: number;
  readonly granted: number;
  readonly isDirty: boolean;
}
