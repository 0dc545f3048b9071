/**
 * The first-stage walk (VT-d 3.6, 9.7), alone or nested in a second stage (VT-d 3.8), where every table of the first
 * stage is itself found through the second.
 */
import { highHalf, lowHalf } from '../bits/index.ts';
import {
  entryOffset,
  FIRST_STAGE_NAMES,
  FS_PTE,
  firstStageLayout,
  firstStageReserved,
  hasReserved,
  isCanonical,
  isFirstStageLeaf,
  type ReservedMasks,
  radixShift,
} from '../formats/index.ts';
import {
  Access,
  type Era,
  type IommuProbe,
  type Iotlb,
  type IotlbSpec,
  isExecute,
  Leaf,
  PagingStructures,
  RIGHTS,
  rightsToWrite,
  setFlags,
  type Translation,
  UpdateEnd,
  type Walk,
} from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import { QuickFirstStage } from './first-stage-quick.ts';
import { Event } from './performance-events.ts';
import type { SecondStage } from './second-stage.ts';
import type { FirstStageTable, Space } from './space.ts';
import { FAULTS, type Fault } from './spec/index.ts';
import { faultAt } from './walk-end.ts';

const CACHE_NAME = 'first-stage paging-structure cache';
const P = FS_PTE.P.mask;
const RW = FS_PTE.RW.mask;
const US = FS_PTE.US.mask;
const A = FS_PTE.A.mask;
const D = FS_PTE.D.mask;
const EA = FS_PTE.EA.mask;
/** XD stands in the upper half. */
const XD = FS_PTE.XD.mask;

/** What the levels so far grant: RW and US of all of them, and execution unless one has XD. */
const X = 1;
const EVERYTHING = RW | US | X;
/** In a cached entry the rights to the table itself, which the second stage grants, stand above that. */
const TABLE_SHIFT = 4;

interface Place {
  readonly hi: number;
  readonly lo: number;
}

export class FirstStage {
  probe: IommuProbe | null = null;
  readonly paging: PagingStructures;
  /** The cache of `paging`. */
  readonly structures: Iotlb | null;
  readonly quick: QuickFirstStage;
  readonly #second: SecondStage;
  readonly #reserved: ReservedMasks;
  readonly #reservedWithXd: ReservedMasks;

  constructor(capabilities: Capabilities, second: SecondStage, era: Era, structures: IotlbSpec | null) {
    const names = { name: CACHE_NAME, lookup: Event.FS_NONLEAF_LOOKUP, hit: Event.FS_NONLEAF_HIT };
    this.paging = new PagingStructures(structures, names, era);
    this.structures = this.paging.cache;
    this.#second = second;
    this.#reserved = firstStageReserved(capabilities.firstStageRules);
    this.#reservedWithXd = firstStageReserved({ ...capabilities.firstStageRules, reservesXd: true });
    this.quick = new QuickFirstStage(this.#reserved, this.#reservedWithXd, second);
  }

  /** Translates the request's address and fills `t.leaf`; gives the condition that blocks it, or `null`. */
  *walk(t: Translation<Fault>, space: Space, write: boolean): Walk<Fault | null> {
    const first = space.first!;
    const { hi, lo, memory, leaf } = t;
    const reserved = first.reservesXd ? this.#reservedWithXd : this.#reserved;
    if (!isCanonical(first.levels, hi)) return FAULTS.SGN_1;
    const inner = new Leaf();
    const tags = { domain: space.domain, pasid: space.pasid, hi, lo };
    const start = this.paging.find(t, tags, first.levels);
    let { table, level, granted } = start ?? { table: first.table, level: first.levels, granted: EVERYTHING };
    // Who led here may have been a supervisor: the entries on the way refuse a user before any below is looked at.
    if (!t.privileged && (granted & US) === 0) return FAULTS.SGN_2;
    // A table that is cached has been located.
    let isLocated = start !== null;
    inner.rights = start === null ? RIGHTS : granted >>> TABLE_SHIFT;
    for (;;) {
      const isTop = level === first.levels;
      const offset = entryOffset(level, hi, lo);
      // 1. Where the table is. When nested its address is a guest's, and reading it needs the second stage; what is
      //    cached is the host's (VT-d 6.2.5).
      if (!isLocated) {
        if (space.second !== null) {
          const fault = yield* this.#locateTable(t, space, inner, table + offset, isTop);
          if (fault !== null) return fault;
          table = inner.addressOf(table);
        }
        if (!isTop) this.paging.keep(t, tags, level + 1, table, (granted & EVERYTHING) | (inner.rights << TABLE_SHIFT));
        isLocated = true;
      }
      const at = table + offset;
      // 2. Fetch the entry.
      yield memory.read(at, 2);
      if (!memory.ok) return isTop ? FAULTS.SFS_4 : FAULTS.SFS_1;
      if (this.probe !== null) this.probe.read(FIRST_STAGE_NAMES[level]!, at, memory.words, 2);
      const entryLo = memory.words[0]! | 0;
      const entryHi = memory.words[1]! | 0;
      // 3. Presence, reserved bits, and whom the entry is for.
      if ((entryLo & P) === 0) return FAULTS.SFS_2;
      const isLeaf = isFirstStageLeaf(level, entryLo);
      if (hasReserved(reserved, level, isLeaf, entryLo, entryHi)) return FAULTS.SFS_3;
      const left = granted & ((entryLo & (RW | US)) | ((entryHi & XD) === 0 ? X : 0));
      if (!t.privileged && (left & US) === 0) return FAULTS.SGN_2;
      const target = firstStageLayout(level, entryLo).ADDR.address(memory.words);
      if (space.second !== null && target >= 2 ** space.second.addressBits) return FAULTS.SFS_5;
      // 4. Accessed flags in every entry that is used.
      const entry = { at, entryLo, entryHi, tableRights: inner.rights };
      const used = A | (first.extendedAccessed ? EA : 0);
      if (!isLeaf) {
        const update = yield* this.#update(t, first, entry, used);
        if (update === 'changed') continue;
        if (update !== null) return update;
        granted = left;
        table = target;
        isLocated = false;
        level--;
        continue;
      }
      // 5. The page: what the first stage grants, and when nested what the second stage makes of it.
      const rights = Access.READ | ((left & RW) !== 0 || (t.privileged && !first.writeProtect) ? Access.WRITE : 0);
      // A supervisor does not execute a page that users may reach, if the entry says so.
      const isPrevented = first.executePrevention && t.privileged && (left & US) !== 0;
      const executable = isExecute(t) && (left & X) !== 0 && !isPrevented;
      const page = { target, shift: radixShift(level), rights, executable };
      const fault = yield* this.#finish(t, space, page, false);
      if (fault !== null) return fault;
      // 6. Accessed and dirty flags of the leaf, once the request is known to pass.
      const isWritten = write && (leaf.rights & Access.WRITE) !== 0;
      const update = yield* this.#update(t, first, entry, used | (isWritten ? D : 0));
      if (update === 'changed') continue;
      if (update !== null) return update;
      // 7. The second stage's dirty flag comes last: only accessed flags may be set for what is not written after all
      //    (VT-d 3.7.2), and until now the guest could still name another page.
      if (isWritten && !leaf.dirty) {
        const late = yield* this.#finish(t, space, page, true);
        if (late !== null) return late;
      }
      leaf.dirty &&= isWritten || (entryLo & D) !== 0;
      return null;
    }
  }

  /** Finds the host address of the table at guest address `at` through the second stage. */
  *#locateTable(t: Translation<Fault>, space: Space, inner: Leaf, at: number, isTop: boolean): Walk<Fault | null> {
    const second = space.second!;
    // A read of a table counts as a write while the second stage keeps dirty flags (VT-d 3.8).
    const end = yield* this.#second.walk(t, inner, second, placeOf(at), second.flags ? RIGHTS : 0);
    const fault = faultAt(end, inner, space.reasons);
    if (fault !== null) return fault;
    const wanted = second.flags ? RIGHTS : Access.READ;
    if ((inner.rights & wanted) === wanted) return null;
    return isTop ? FAULTS.SFS_6 : FAULTS.SFS_7;
  }

  /** Fills `t.leaf` from the page that the first stage names. */
  *#finish(t: Translation<Fault>, space: Space, page: Page, write: boolean): Walk<Fault | null> {
    const { leaf, lo } = t;
    const { target, shift, rights, executable } = page;
    if (space.second === null) {
      leaf.frameHi = highHalf(target);
      leaf.frameLo = lowHalf(target);
      leaf.shift = shift;
      leaf.rights = rights;
      leaf.executable = executable;
      leaf.snoop = space.pageSnoop;
      leaf.dirty = true;
      return null;
    }
    const offset = (lo & ((1 << shift) - 1)) >>> 0;
    const guest = placeOf(target + offset);
    const toWrite = write && (rights & Access.WRITE) !== 0 ? rightsToWrite(t) : 0;
    const end = yield* this.#second.walk(t, leaf, space.second, guest, toWrite);
    const fault = faultAt(end, leaf, space.reasons);
    if (fault !== null) return fault;
    leaf.rights &= rights;
    leaf.executable &&= executable;
    leaf.snoop ||= space.pageSnoop;
    // The smaller of the two pages is what the pair translates.
    leaf.narrow(guest.hi, guest.lo, shift);
    return null;
  }

  /** Sets flags of a first-stage entry; 'changed' when it must be read again. */
  *#update(t: Translation<Fault>, first: FirstStageTable, entry: Entry, flags: number): Walk<Fault | 'changed' | null> {
    const { at, entryLo, entryHi, tableRights } = entry;
    if ((entryLo & flags) === flags) return null;
    if ((tableRights & Access.WRITE) === 0) return FAULTS.SFS_8;
    const end = yield* setFlags(t, at, entryLo, entryHi, flags, first.coherent);
    if (end === UpdateEnd.NOT_SNOOPED) return FAULTS.SFS_9;
    if (end === UpdateEnd.FAILED) return FAULTS.SFS_10;
    return end === UpdateEnd.CHANGED ? 'changed' : null;
  }
}

interface Page {
  readonly target: number;
  readonly shift: number;
  readonly rights: number;
  readonly executable: boolean;
}

interface Entry {
  readonly at: number;
  readonly entryLo: number;
  readonly entryHi: number;
  readonly tableRights: number;
}

function placeOf(address: number): Place {
  return { hi: highHalf(address), lo: lowHalf(address) };
}
