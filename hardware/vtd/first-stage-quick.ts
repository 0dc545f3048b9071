/**
 * The first stage's counterpart of `SecondStage.quick`: user requests through clean first-stage tables, alone or nested,
 * that lie in memory at hand and need no flag to be set. It decides nothing but plain success.
 */
import { maskOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import { FS_PDE, FS_PTE, type ReservedMasks } from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import { Leaf } from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { NearTable, type SecondStage } from './second-stage.ts';
import type { Space } from './space.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, exceeds, RIGHTS } = iommu;
const { isCanonical, LEAF_MASKS, radixShift } = formats;
const PS = FS_PDE.PS.mask;
const ADDRESS = maskOf(FS_PTE, (field) => field === FS_PTE.ADDR);
const ADDRESS_LO = ADDRESS[0]!;
const ADDRESS_HI = ADDRESS[1]!;
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
  readonly #near = new NearTable();

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
    const near = this.#near;
    near.forget();
    let { tableHi, tableLo, levels: level } = first;
    let rights = RW;
    // The indexes into the tables, the next one uppermost.
    const unused = 52 - 9 * level;
    let indexes = (hi << unused) | (lo >>> (32 - unused));
    let further = lo << unused;
    for (; ; level = (level - 1) | 0) {
      let atHi = tableHi;
      let atLo = tableLo | ((indexes >>> 20) & 0xff8);
      indexes = (indexes << 9) | (further >>> 23);
      further <<= 9;
      if (second !== null) {
        if (exceeds(atHi, second.addressBits)) return false;
        if (this.#second.quick(memory, inner, second, tableRights, atHi, atLo, near) !== true) return false;
        atHi = inner.frameHi;
        atLo = inner.frameLo | (atLo & ((1 << inner.shift) - 1));
      }
      const at = memory.locate(atHi, atLo);
      if (at < 0) return false;
      const { pool } = memory;
      const entryLo = pool[at]!;
      const entryHi = pool[(at + 1) | 0]!;
      // As `isFirstStageLeaf` has it, without a call.
      const isLeaf = level === 1 || (level <= 3 && (entryLo & PS) !== 0);
      const kind = isLeaf ? LEAF_MASKS + level : level;
      if (((needed & ~entryLo) | (entryLo & reservedLo[kind]!) | (entryHi & reservedHi[kind]!)) !== 0) return false;
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
      // The page's guest address through the second stage.
      const pageLo = tableLo | (lo & ((1 << shift) - 1));
      if (exceeds(tableHi, second.addressBits)) return false;
      if (this.#second.quick(memory, leaf, second, wanted, tableHi, pageLo, near) !== true) return false;
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
}
