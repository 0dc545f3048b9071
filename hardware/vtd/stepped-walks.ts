/**
 * Walks entry by entry, for plain requests of a space with a second stage alone: the same checks as `SecondStage.quick`, and
 * what the paging-structure cache knows. Tests hold them against `Procedure`, which takes over at anything else.
 */

import type { QuickMasks } from '../formats/index.ts';
import * as formats from '../formats/index.ts';
import type { Era, PagingStructures, Translation } from '../iommu/index.ts';
import * as iommu from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { CachedTranslations } from './cached-translations.ts';
import type { SecondStage } from './second-stage.ts';
import * as entry from './second-stage-entry.ts';
import type { SecondStageTable, Space } from './space.ts';
import * as spaces from './space.ts';
import type { Fault } from './spec/index.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access, exceeds, inInterruptRange, RIGHTS, Step } = iommu;
const { entryWord, INDEX_BITS } = formats;
const { A, ADDRESS_HI, ADDRESS_LO, D, GRANTS, PS, SMALL_SHIFT, SNP, X } = entry.ENTRY;
const { Kind } = spaces;

interface Parts {
  readonly era: Era;
  readonly secondStage: SecondStage;
  readonly cached: CachedTranslations;
}

export class SteppedWalks {
  readonly #era: Era;
  readonly #second: SecondStage;
  readonly #cached: CachedTranslations;
  readonly #paging: PagingStructures;
  readonly #reserved: QuickMasks;

  constructor({ era, secondStage, cached }: Parts) {
    this.#era = era;
    this.#second = secondStage;
    this.#cached = cached;
    this.#paging = secondStage.paging;
    this.#reserved = secondStage.reservedQuick;
  }

  /** Begins the walk of a read or write in its space; false when only the whole procedure knows the way. */
  begin(t: Translation<Fault>, space: Space): boolean {
    const { second } = space;
    if (second === null || space.fault !== null || space.kind !== Kind.SECOND_STAGE) return false;
    if (this.#second.ioRights || exceeds(t.hi, second.addressBits)) return false;
    this.#era.begin(t);
    t.steps.begin(t, space, second, second.levels, this.#paging);
    return true;
  }

  /** Reads the next entry: a value of `Step`. */
  step(t: Translation<Fault>, memory: PhysicalMemory): number {
    const space = t.steps.space as Space;
    const end = this.#read(t, memory, space.second!);
    if (end !== Step.DONE) return end;
    if (space.pageSnoop) t.leaf.snoop = true;
    t.succeed();
    if (inInterruptRange(t.hpaHi, t.hpaLo)) return Step.ODD;
    if (this.#era.mayFill(t)) this.#cached.fill(t, space, false);
    return end;
  }

  /** After DONE the page is in `t.leaf`. */
  #read(t: Translation, memory: PhysicalMemory, stage: SecondStageTable): number {
    const { steps, hi, lo, leaf } = t;
    const { shift, rights } = steps;
    const wanted = t.access & RIGHTS;
    const frame = memory.frame(steps.tableHi, steps.tableLo);
    if (frame < 0) return steps.miss();
    const at = (frame + entryWord(shift, hi, lo)) | 0;
    const entryLo = memory.pool[at]!;
    const entryHi = memory.pool[(at + 1) | 0]!;
    steps.note(entryLo, entryHi);
    const needed = wanted | (stage.flags === true ? A : 0);
    if ((needed & ~entryLo) !== 0) return Step.ODD;
    if (shift !== SMALL_SHIFT && (entryLo & PS) === 0) return this.#descend(t, entryHi, entryLo);
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
  #descend(t: Translation, entryHi: number, entryLo: number): number {
    const { tableHi, tableLo } = this.#reserved;
    if (((entryLo & tableLo) | (entryHi & tableHi)) !== 0) return Step.ODD;
    const { steps } = t;
    steps.tableHi = entryHi & ADDRESS_HI;
    steps.tableLo = entryLo & ADDRESS_LO;
    steps.shift = (steps.shift - INDEX_BITS) | 0;
    steps.rights &= entryLo & (GRANTS | X);
    if (this.#paging.cache !== null) this.#paging.keepStep(t);
    return Step.MORE;
  }
}
