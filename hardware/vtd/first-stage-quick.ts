/**
 * The first stage's counterpart of `SecondStage.quick`: user requests through clean first-stage tables, alone or nested,
 * that lie in memory at hand and need no flag to be set. It decides nothing but plain success.
 */
import { maskOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import { FS_PDE, FS_PTE, type QuickMasks, quickMasks, type ReservedMasks } from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import { Leaf } from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { SecondStage } from './second-stage.ts';
import type { Space } from './space.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, exceeds, RIGHTS } = iommu;
const { entryWord, INDEX_BITS, isCanonical, radixShift } = formats;
const PS = FS_PDE.PS.mask;
const SMALL_SHIFT = 12;
const ADDRESS = maskOf(FS_PTE, (field) => field === FS_PTE.ADDR);
const ADDRESS_LO = ADDRESS[0]!;
const ADDRESS_HI = ADDRESS[1]!;
/** What every entry on the way has to have. */
const USED = FS_PTE.P.mask | FS_PTE.US.mask | FS_PTE.A.mask;
const EA = FS_PTE.EA.mask;
const RW = FS_PTE.RW.mask;
const D = FS_PTE.D.mask;

export class QuickFirstStage {
  readonly #reserved: QuickMasks;
  readonly #reservedWithXd: QuickMasks;
  readonly #second: SecondStage;
  /** Where a table of the first stage lies, when nested. */
  readonly #inner = new Leaf();

  constructor(reserved: ReservedMasks, reservedWithXd: ReservedMasks, second: SecondStage) {
    this.#reserved = quickMasks(reserved);
    this.#reservedWithXd = quickMasks(reservedWithXd);
    this.#second = second;
  }

  /** True when the address translates for all of `wanted`, with the result in `leaf`. */
  walk(memory: PhysicalMemory, leaf: Leaf, space: Space, wanted: number, hi: number, lo: number): boolean {
    const { first, second } = space;
    if (first === null || !isCanonical(first.levels, hi)) return false;
    const reserved = first.reservesXd === true ? this.#reservedWithXd : this.#reserved;
    const { tableLo: tableReservedLo, tableHi: tableReservedHi, leaves } = reserved;
    const writes = (wanted & Access.WRITE) !== 0;
    const needed = USED | (first.extendedAccessed === true ? EA : 0) | (writes ? RW : 0);
    const tableRights = second?.flags === true ? RIGHTS : Access.READ;
    const inner = this.#inner;
    const seconds = this.#second;
    seconds.near.forget();
    let { tableHi, tableLo } = first;
    let rights = RW;
    let shift = radixShift(first.levels);
    let entryLo = 0;
    let entryHi = 0;
    for (;;) {
      let at = entryWord(shift, hi, lo);
      if (second !== null) {
        if (exceeds(tableHi, second.addressBits)) return false;
        if (seconds.quickNear(memory, inner, second, tableRights, tableHi, tableLo | (at << 2)) !== true) return false;
        tableHi = inner.frameHi;
        tableLo = inner.frameLo | (tableLo & ((1 << inner.shift) - 1));
      }
      const frame = memory.frame(tableHi, tableLo);
      if (frame < 0) return false;
      at = (frame + at) | 0;
      const { pool } = memory;
      entryLo = pool[at]!;
      entryHi = pool[(at + 1) | 0]!;
      tableHi = entryHi & ADDRESS_HI;
      tableLo = entryLo & ADDRESS_LO;
      rights &= entryLo;
      const unfit = (needed & ~entryLo) | (entryLo & tableReservedLo) | (entryHi & tableReservedHi);
      if (shift === SMALL_SHIFT || unfit !== 0) break;
      shift = (shift - INDEX_BITS) | 0;
    }
    // A page, or nothing that is plain.
    if (shift !== SMALL_SHIFT && (entryLo & PS) === 0) return false;
    if (((needed & ~entryLo) | (entryLo & leaves[shift]!) | (entryHi & leaves[shift + 1]!)) !== 0) return false;
    const isDirty = (entryLo & D) !== 0;
    if (writes && !isDirty) return false;
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
    // The page's guest address through the second stage.
    const pageLo = tableLo | (lo & ((1 << shift) - 1));
    if (exceeds(tableHi, second.addressBits)) return false;
    if (seconds.quickNear(memory, leaf, second, wanted, tableHi, pageLo) !== true) return false;
    leaf.rights &= granted;
    if (!isDirty) leaf.dirty = false;
    // The smaller of the two pages is what the pair translates.
    if (leaf.shift > shift) {
      leaf.frameLo |= pageLo & ((1 << leaf.shift) - 1) & (-1 << shift);
      leaf.shift = shift;
    }
    return true;
  }
}
