/**
 * The second stage's walk entry by entry, for plain translations: the same checks as `SecondStage.quick`, and what the
 * paging-structure cache knows. A test holds it against the walk.
 */
import { maskOf, numberOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import { type QuickMasks, quickMasks, type ReservedMasks, SS_PDE, SS_PTE } from '../formats/index.ts';
import type { PagingStructures, Translation } from '../iommu/index.ts';
import * as iommu from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { SecondStageTable, Space } from './space.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, NO_PASID, RIGHTS, Step } = iommu;
const { entryWord, INDEX_BITS, radixLevel, radixShift } = formats;

const SNP = SS_PTE.SNP.mask;
const A = SS_PTE.A.mask;
const D = SS_PTE.D.mask;
const PS = SS_PDE.PS.mask;
const SMALL_SHIFT = 12;
const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(SS_PTE, (field) => field === SS_PTE.ADDR);
/** What the entry of a table may grant. */
const GRANTS = SS_PTE.R.mask | SS_PTE.W.mask | SS_PTE.X.mask;

export class SecondStageSteps {
  readonly #paging: PagingStructures;
  readonly #reserved: QuickMasks;

  constructor(paging: PagingStructures, reserved: ReservedMasks) {
    this.#paging = paging;
    this.#reserved = quickMasks(reserved);
  }

  /** Begins at the top table, or at the lowest one that is cached. */
  begin(t: Translation, space: Space, stage: SecondStageTable): void {
    const tags = { domain: stage.domain, pasid: NO_PASID, hi: t.hi, lo: t.lo };
    const start = this.#paging.cache === null ? null : this.#paging.find(t, tags, stage.levels);
    t.steps.begin(space, stage, radixShift(stage.levels), start);
  }

  /** Reads the next entry; after DONE the page is in `t.leaf`. */
  step(memory: PhysicalMemory, t: Translation, stage: SecondStageTable): number {
    const { steps, hi, lo, leaf } = t;
    const { shift, rights } = steps;
    const wanted = t.access & RIGHTS;
    const frame = memory.frame(steps.tableHi, steps.tableLo);
    if (frame < 0) return steps.miss();
    const word = entryWord(shift, hi, lo);
    const entryLo = memory.pool[frame + word]!;
    const entryHi = memory.pool[frame + word + 1]!;
    steps.note(word << 2, entryLo, entryHi);
    const needed = wanted | (stage.flags === true ? A : 0);
    if ((needed & ~entryLo) !== 0) return Step.ODD;
    if (shift !== SMALL_SHIFT && (entryLo & PS) === 0) return this.#descend(t, stage, entryHi, entryLo);
    const { leaves } = this.#reserved;
    if (((entryLo & leaves[shift]!) | (entryHi & leaves[shift + 1]!) | (wanted & ~rights)) !== 0) return Step.ODD;
    const isDirty = stage.flags !== true || (entryLo & D) !== 0;
    if (!isDirty && (wanted & Access.WRITE) !== 0) return Step.ODD;
    leaf.frameHi = entryHi & ADDRESS_HI;
    leaf.frameLo = entryLo & ADDRESS_LO & (-1 << shift);
    leaf.shift = shift;
    leaf.rights = rights & entryLo & RIGHTS;
    leaf.executable = false;
    leaf.snoop = (entryLo & SNP) !== 0;
    leaf.dirty = isDirty;
    return Step.DONE;
  }

  /** The entry leads to another table. */
  #descend(t: Translation, stage: SecondStageTable, entryHi: number, entryLo: number): number {
    const { steps, hi, lo } = t;
    const { tableHi, tableLo } = this.#reserved;
    if (((entryLo & tableLo) | (entryHi & tableHi)) !== 0) return Step.ODD;
    const { shift } = steps;
    steps.tableHi = entryHi & ADDRESS_HI;
    steps.tableLo = entryLo & ADDRESS_LO;
    steps.shift = (shift - INDEX_BITS) | 0;
    steps.rights &= entryLo & GRANTS;
    if (this.#paging.cache !== null) {
      const target = numberOf(steps.tableHi, steps.tableLo);
      const tags = { domain: stage.domain, pasid: NO_PASID, hi, lo };
      this.#paging.keep(t, tags, radixLevel(shift), target, steps.rights);
    }
    return Step.MORE;
  }
}
