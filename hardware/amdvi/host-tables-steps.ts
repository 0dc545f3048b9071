/**
 * The walk through a host table entry by entry, for plain translations: the same checks as `HostTables.quick`, and what the
 * page-directory cache knows. A test holds it against the walk.
 */
import { maskOf, numberOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import { pageShift, V1_PTE, V1_RESERVED } from '../formats/index.ts';
import type { PagingStructures, Translation } from '../iommu/index.ts';
import * as iommu from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { DeviceEntry, HostTable } from './device-table.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, NO_PASID, RIGHTS, Step } = iommu;
const { entryWord, NextLevel, radixLevel, radixShift, v1SkipsBits } = formats;
const { PAGE, SIZED_PAGE } = NextLevel;

const PR = V1_PTE.PR.mask;
const A = V1_PTE.A.mask;
const D = V1_PTE.D.mask;
/** In the high half. */
const U = V1_PTE.U.mask;
const FC = V1_PTE.FC.mask;
const GRANTS_SHIFT = V1_PTE.IR.shift;
const NEXT_LEVEL = V1_PTE.NextLevel.mask;
const NEXT_LEVEL_SHIFT = V1_PTE.NextLevel.shift;
const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(V1_PTE, (field) => field === V1_PTE.PageAddress);
const [TABLE_RESERVED_LO = 0, TABLE_RESERVED_HI = 0] = V1_RESERVED.table;
const [LEAF_RESERVED_LO = 0, LEAF_RESERVED_HI = 0] = V1_RESERVED.leaf;
/** Larger pages are rare, and their offsets do not fit into one half. */
const LARGEST_SHIFT = 31;

export class HostTableSteps {
  /** U of the page that was found last. */
  untranslatedOnly = false;
  readonly #directory: PagingStructures;

  constructor(directory: PagingStructures) {
    this.#directory = directory;
  }

  /** Begins at the top table, or at the lowest one that is cached. */
  begin(t: Translation, device: DeviceEntry, host: HostTable): void {
    const tags = { domain: host.domain, context: host.context, pasid: NO_PASID, hi: t.hi, lo: t.lo };
    const start = this.#directory.cache === null ? null : this.#directory.find(t, tags, host.level);
    t.steps.begin(device, host, radixShift(host.level), start);
  }

  /** Reads the next entry; after DONE the page is in `t.leaf`. */
  step(memory: PhysicalMemory, t: Translation, host: HostTable): number {
    const { steps, hi, lo, leaf } = t;
    const { shift } = steps;
    const wanted = t.access & RIGHTS;
    const frame = memory.frame(steps.tableHi, steps.tableLo);
    if (frame < 0) return steps.miss();
    const word = entryWord(shift, hi, lo);
    const entryLo = memory.pool[frame + word]!;
    const entryHi = memory.pool[frame + word + 1]!;
    steps.note(word << 2, entryLo, entryHi);
    const needed = host.accessed === true ? PR | A : PR;
    const grants = entryHi >>> GRANTS_SHIFT;
    if (((needed & ~entryLo) | (wanted & ~grants)) !== 0) return Step.ODD;
    const next = (entryLo & NEXT_LEVEL) >>> NEXT_LEVEL_SHIFT;
    if (next !== PAGE && next !== SIZED_PAGE) return this.#descend(t, host, entryHi, entryLo);
    const tableHi = entryHi & ADDRESS_HI;
    const tableLo = entryLo & ADDRESS_LO;
    if (((entryLo & LEAF_RESERVED_LO) | (entryHi & LEAF_RESERVED_HI) | (wanted & ~steps.rights)) !== 0) return Step.ODD;
    const pageBits = pageShift(radixLevel(shift), next, tableHi, tableLo);
    if (pageBits === 0 || pageBits > LARGEST_SHIFT) return Step.ODD;
    const isDirty = host.dirty !== true || (entryLo & D) !== 0;
    if (!isDirty && (wanted & Access.WRITE) !== 0) return Step.ODD;
    leaf.frameHi = tableHi;
    leaf.frameLo = tableLo & (-1 << pageBits);
    leaf.shift = pageBits;
    leaf.rights = steps.rights & grants & RIGHTS;
    leaf.snoop = (entryHi & FC) !== 0;
    leaf.dirty = isDirty;
    this.untranslatedOnly = (entryHi & U) !== 0;
    return Step.DONE;
  }

  /** The entry leads to another table, perhaps more than one level down. */
  #descend(t: Translation, host: HostTable, entryHi: number, entryLo: number): number {
    const { steps, hi, lo } = t;
    const level = radixLevel(steps.shift);
    const next = (entryLo & NEXT_LEVEL) >>> NEXT_LEVEL_SHIFT;
    if (((entryLo & TABLE_RESERVED_LO) | (entryHi & TABLE_RESERVED_HI)) !== 0) return Step.ODD;
    if (next !== level - 1 && (next >= level || v1SkipsBits(level, next, hi, lo))) return Step.ODD;
    steps.tableHi = entryHi & ADDRESS_HI;
    steps.tableLo = entryLo & ADDRESS_LO;
    steps.shift = radixShift(next);
    steps.rights &= (entryHi >>> GRANTS_SHIFT) & RIGHTS;
    if (this.#directory.cache !== null) {
      const tags = { domain: host.domain, context: host.context, pasid: NO_PASID, hi, lo };
      this.#directory.keep(t, tags, next + 1, numberOf(steps.tableHi, steps.tableLo), steps.rights);
    }
    return Step.MORE;
  }
}
