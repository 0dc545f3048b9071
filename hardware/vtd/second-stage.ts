/**
 * The second-stage walk (VT-d 3.7, 9.8), twice: `walk` is the specification's procedure for every case, `quick` the same
 * for the one case that matters for speed, a clean translation in memory at hand. `quick` reads the same masks, decides
 * nothing that is not plain success, and leaves everything else to `walk`; a test holds both against each other.
 */
import { highHalf, lowHalf, maskOf } from '../bits/index.ts';
import {
  isSecondStageLeaf,
  LEAF_MASKS,
  type ReservedMasks,
  radixShift,
  type SecondStageRules,
  SS_PTE,
  secondStageLayout,
  secondStageReserved,
} from '../formats/index.ts';
import { type IommuProbe, type Leaf, RIGHTS, type Walk } from '../iommu/index.ts';
import type { MemoryOperation, PhysicalMemory } from '../memory/index.ts';

/** How a walk ended. */
export const WalkEnd = {
  /** A leaf was found; `Leaf.rights` says what all levels together allow. */
  LEAF: 0,
  /** An entry grants neither read nor write. */
  NOT_PRESENT: 1,
  RESERVED_BITS: 2,
  /** The access to the topmost entry, or to a lower one, resulted in an error. */
  TOP_READ_ERROR: 3,
  READ_ERROR: 4,
} as const;

/** Byte offset of the entry for an address in its table at `level`, with the address as halves. */
export function entryOffset(level: number, hi: number, lo: number): number {
  switch (level) {
    case 1:
      return (lo >>> 9) & 0xff8;
    case 2:
      return (lo >>> 18) & 0xff8;
    case 3:
      return ((lo >>> 27) | (hi << 5)) & 0xff8;
    case 4:
      return (hi >>> 4) & 0xff8;
    default:
      return (hi >>> 13) & 0xff8;
  }
}

const LEVEL_NAMES = ['', 'SS-PTE', 'SS-PDE', 'SS-PDPE', 'SS-PML4E', 'SS-PML5E'] as const;
const SNP = SS_PTE.SNP.mask;
const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(SS_PTE, (field) => field === SS_PTE.ADDR);

/** Where a walk begins, in the form that `quick` wants. */
export interface Tables {
  readonly tableHi: number;
  readonly tableLo: number;
  readonly levels: number;
}

export class SecondStage {
  probe: IommuProbe | null = null;
  readonly #reserved: ReservedMasks;

  constructor(rules: SecondStageRules) {
    this.#reserved = secondStageReserved(rules);
  }

  /** Walks from the table at `top` and fills `leaf`. */
  *walk(memory: MemoryOperation, leaf: Leaf, top: number, levels: number, hi: number, lo: number): Walk<number> {
    let table = top;
    let rights = RIGHTS;
    for (let level = levels; ; level--) {
      // 1. Fetch the entry.
      yield memory.read(table + entryOffset(level, hi, lo), 2);
      if (!memory.ok) return level === levels ? WalkEnd.TOP_READ_ERROR : WalkEnd.READ_ERROR;
      if (this.probe !== null) this.probe.read(LEVEL_NAMES[level]!, memory.address, memory.words, 2);
      const entryLo = memory.words[0]! | 0;
      const entryHi = memory.words[1]! | 0;
      // 2. An entry without R and W is not present; nothing else of it is looked at.
      if ((entryLo & RIGHTS) === 0) return WalkEnd.NOT_PRESENT;
      // 3. Reserved bits of the kind of entry that this one is.
      const isLeaf = isSecondStageLeaf(level, entryLo);
      const kind = isLeaf ? LEAF_MASKS + level : level;
      if (((entryLo & this.#reserved.lo[kind]!) | (entryHi & this.#reserved.hi[kind]!)) !== 0) {
        return WalkEnd.RESERVED_BITS;
      }
      // 4. Rights are what every level grants.
      rights &= entryLo;
      const address = secondStageLayout(level, entryLo).ADDR.address(memory.words);
      if (isLeaf) {
        leaf.frameHi = highHalf(address);
        leaf.frameLo = lowHalf(address);
        leaf.shift = radixShift(level);
        leaf.rights = rights;
        leaf.snoop = (entryLo & SNP) !== 0;
        return WalkEnd.LEAF;
      }
      table = address;
    }
  }

  /** True when `memory` holds a clean translation that grants all of `wanted`, which is then in `leaf`. */
  quick(memory: PhysicalMemory, leaf: Leaf, tables: Tables, wanted: number, hi: number, lo: number): boolean {
    const { lo: reservedLo, hi: reservedHi } = this.#reserved;
    const { pool } = memory;
    let { tableHi, tableLo } = tables;
    let rights = RIGHTS;
    for (let level = tables.levels; ; level--) {
      const at = memory.locate(tableHi, tableLo | entryOffset(level, hi, lo));
      if (at < 0) return false;
      const entryLo = pool[at]!;
      const entryHi = pool[at + 1]!;
      const isLeaf = isSecondStageLeaf(level, entryLo);
      const kind = isLeaf ? LEAF_MASKS + level : level;
      const denied = wanted & ~entryLo;
      if ((denied | (entryLo & reservedLo[kind]!) | (entryHi & reservedHi[kind]!)) !== 0) return false;
      rights &= entryLo;
      // Address bits that the host does not have are reserved, so that a clean entry holds none of them.
      tableHi = entryHi & ADDRESS_HI;
      tableLo = entryLo & ADDRESS_LO;
      if (isLeaf) {
        const shift = radixShift(level);
        leaf.frameHi = tableHi;
        leaf.frameLo = tableLo & (-1 << shift);
        leaf.shift = shift;
        leaf.rights = rights;
        leaf.snoop = (entryLo & SNP) !== 0;
        return true;
      }
    }
  }
}
