/**
 * Guest translation: below the top table that the GCR3 table gives for a PASID, x86 tables translate to a guest physical
 * address, and the host table, where there is one, translates that and the address of every table on the way.
 */
import { highHalf, lowHalf } from '../bits/index.ts';
import {
  entryOffset,
  hasReserved,
  isCanonical,
  isV2Leaf,
  type ReservedMasks,
  radixShift,
  V2_NAMES,
  V2_PTE,
  v2Layout,
  v2Reserved,
} from '../formats/index.ts';
import {
  Access,
  type EntryCacheSpec,
  type Era,
  type IommuProbe,
  type IotlbSpec,
  Leaf,
  NO_PASID,
  PagingStructures,
  type PerformanceEvents,
  RIGHTS,
  rightsToWrite,
  setFlags,
  type Translation,
  UpdateEnd,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { countRead } from './count-read.ts';
import type { DeviceEntry, HostTable } from './device-table.ts';
import type { Features } from './features.ts';
import { exceedsGcr3, Gcr3Table, type GuestSpace } from './gcr3-table.ts';
import { QuickGuestTables } from './guest-tables-quick.ts';
import type { HostTables } from './host-tables.ts';
import { HOST_ONLY } from './iotlb-entry.ts';
import { type AmdFault, CONTROL, CounterSource, FAULTS } from './spec/index.ts';

const RW = V2_PTE.RW.mask;
const US = V2_PTE.US.mask;
const P = V2_PTE.P.mask;
const A = V2_PTE.A.mask;
const D = V2_PTE.D.mask;
const NX = V2_PTE.NX.mask;

/** What all levels so far grant: RW and US as they stand in an entry, and execution. */
const EXECUTE = 1;
const EVERYTHING = RW | US | EXECUTE;

const PHYSICAL_BITS = 52;

/** What the unit's control register says about guest translation. */
export interface GuestControl {
  /** GCR3TRPMode: the root of the GCR3 table is a guest physical address. */
  readonly rootIsGuest: boolean;
  /** Accessed and dirty flags are kept. */
  readonly accessed: boolean;
  readonly dirty: boolean;
}

/** What a guest walk has found beside `leaf`: for whom the page is. */
export interface GuestPage {
  user: boolean;
  execute: boolean;
  /** U of the host entry. */
  untranslatedOnly: boolean;
}

/** What guest translation remembers; `null` switches a cache off. */
export interface GuestCaches {
  readonly era: Era;
  readonly directory: IotlbSpec | null;
  readonly roots: EntryCacheSpec | null;
}

export class GuestTables {
  probe: IommuProbe | null = null;
  counters: PerformanceEvents | null = null;
  /** Control.GTEn. */
  enabled = false;
  readonly directory: PagingStructures;
  readonly gcr3: Gcr3Table;
  /** For whom the page is that the last walk has found. */
  readonly page: GuestPage = { user: true, execute: true, untranslatedOnly: false };
  readonly #host: HostTables;
  readonly #features: Features;
  #control: GuestControl = { rootIsGuest: false, accessed: true, dirty: true };
  readonly #reserved: ReservedMasks = v2Reserved(PHYSICAL_BITS);
  readonly #quick: QuickGuestTables;

  constructor(host: HostTables, features: Features, { era, directory, roots }: GuestCaches) {
    const names = {
      name: 'guest page-directory cache',
      hit: CounterSource.MEM_IOMMU_TLB_PDE_HIT,
      miss: CounterSource.MEM_IOMMU_TLB_PDE_MISS,
    };
    this.directory = new PagingStructures(directory, names, era);
    this.gcr3 = new Gcr3Table(host, era, roots);
    this.#host = host;
    this.#features = features;
    this.#quick = new QuickGuestTables(host, this.#reserved, this.page);
  }

  /** Software wrote the control register. */
  controlChanged(words: Uint32Array): void {
    this.enabled = CONTROL.GTEn.isSet(words) && this.#features.has('GTSup');
    this.#control = {
      rootIsGuest: CONTROL.GCR3TRPMode.isSet(words) && this.#features.has('GCR3TRPModeSup'),
      accessed: !CONTROL.GAUpdateDis.isSet(words),
      dirty: !CONTROL.GDUpdateDis.isSet(words),
    };
  }

  /** The PASID whose guest table serves a request, HOST_ONLY, or why there is none. */
  pasidOf(t: Translation, { guest }: DeviceEntry): number | AmdFault {
    const active = this.enabled ? guest : null;
    if (t.pasid === NO_PASID) return active?.forRequestsWithoutPasid === true ? 0 : HOST_ONLY;
    if (active === null) return FAULTS.NO_GUEST_TABLE;
    return t.pasid > this.#features.lastPasid ? FAULTS.PASID : t.pasid;
  }

  /** Translates the request's address in a PASID of a device and fills `t.leaf`. */
  *walk(t: Translation<AmdFault>, entry: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    const control = this.#control;
    const guest = entry.guest!;
    const { domain, context, host } = entry;
    const space: GuestSpace = { domain, context, pasid, host, guest };
    if (exceedsGcr3(pasid, guest)) return FAULTS.PASID;
    // PASID 0 by GIoV is no process: its addresses are not sign-extended.
    if (!isInRange(guest.levels, t.hi, t.pasid === NO_PASID)) return FAULTS.GUEST_CANONICAL;
    const root = yield* this.gcr3.find(t, space, control.rootIsGuest);
    if (typeof root !== 'number') return root;
    return yield* this.#descend(t, space, root, control);
  }

  /** As `walk`, from a cached top table through clean tables in `memory`; false when that does not answer the request. */
  quick(memory: PhysicalMemory, t: Translation<AmdFault>, entry: DeviceEntry, pasid: number): boolean {
    if (this.directory.cache !== null || !isInRange(entry.guest!.levels, t.hi, t.pasid === NO_PASID)) return false;
    const top = this.gcr3.cached(entry.context, pasid);
    return top !== null && this.#quick.walk(memory, t, entry, top, this.#control);
  }

  *#descend(t: Translation<AmdFault>, space: GuestSpace, root: number, control: GuestControl): Walk<AmdFault | null> {
    const { hi, lo, memory, leaf, access } = t;
    const write = (access & Access.WRITE) !== 0;
    const inner = new Leaf();
    const tags = { domain: space.domain, context: space.context, pasid: space.pasid, hi, lo };
    const start = this.directory.find(t, tags, space.guest.levels);
    let { table, level, granted } = start ?? { table: root, level: space.guest.levels, granted: EVERYTHING };
    for (;;) {
      // 1. Where the entry is: the table's address is a guest's, and the host table says where that lies.
      let at = table + entryOffset(level, hi, lo);
      inner.rights = RIGHTS;
      if (space.host !== null) {
        const fault = yield* this.#host.locate(t, inner, space.host, at);
        if (fault !== null) return fault;
        at = inner.addressOf(at);
      }
      // 2. Fetch the entry.
      yield memory.read(at, 2);
      if (!memory.ok) return FAULTS.GUEST_READ;
      if (this.probe !== null) this.probe.read(V2_NAMES[level]!, at, memory.words, 2);
      if (this.counters !== null) countRead(this.counters, t, CounterSource.PAGE_TBL_READ_GST);
      const entryLo = memory.words[0]! | 0;
      const entryHi = memory.words[1]! | 0;
      // 3. Presence, then reserved bits.
      if ((entryLo & P) === 0) return FAULTS.GUEST_NOT_PRESENT;
      const isLeaf = isV2Leaf(level, entryLo);
      if (hasReserved(this.#reserved, level, isLeaf, entryLo, entryHi)) return FAULTS.GUEST_RESERVED;
      // 4. What every level grants: writing, user requests, execution.
      const left = granted & ((entryLo & (RW | US)) | ((entryHi & NX) === 0 ? EXECUTE : 0));
      const target = v2Layout(level, entryLo).ADDR.address(memory.words);
      const tableRights = inner.rights;
      if (!isLeaf) {
        const update = yield* this.#update(t, { at, entryLo, entryHi, tableRights }, control.accessed ? A : 0);
        if (update === 'changed') continue;
        if (update !== null) return update;
        granted = left;
        this.directory.keep(t, tags, level, target, granted);
        table = target;
        level--;
        continue;
      }
      // 5. The page: what the guest table grants, and what the host table makes of it.
      const rights = Access.READ | ((left & RW) !== 0 ? Access.WRITE : 0);
      const fault = yield* this.#finish(t, space.host, { target, shift: radixShift(level), rights }, write);
      if (fault !== null) return fault;
      const user = (left & US) !== 0;
      const untranslatedOnly = space.host !== null && this.#host.untranslatedOnly;
      // 6. Accessed and dirty flags of the leaf, once the request is known to pass.
      const passes = write && (leaf.rights & Access.WRITE) !== 0 && (t.privileged || user);
      const wanted = (control.accessed ? A : 0) | (passes && control.dirty ? D : 0);
      const update = yield* this.#update(t, { at, entryLo, entryHi, tableRights }, wanted);
      if (update === 'changed') continue;
      if (update !== null) return update;
      leaf.dirty &&= !control.dirty || ((entryLo | wanted) & D) !== 0;
      // Only now, because other walks may have been under way.
      Object.assign(this.page, { user, execute: (left & EXECUTE) !== 0, untranslatedOnly });
      return null;
    }
  }

  /** Fills `t.leaf` from the page that the guest table names. */
  *#finish(t: Translation<AmdFault>, host: HostTable | null, page: Page, write: boolean): Walk<AmdFault | null> {
    const { leaf, lo } = t;
    const { target, shift, rights } = page;
    if (host === null) {
      leaf.frameHi = highHalf(target);
      leaf.frameLo = lowHalf(target);
      leaf.shift = shift;
      leaf.rights = rights;
      leaf.snoop = false;
      leaf.dirty = true;
      return null;
    }
    const offset = (lo & ((1 << shift) - 1)) >>> 0;
    const guest = { hi: highHalf(target + offset), lo: lowHalf(target + offset) };
    const toWrite = write && (rights & Access.WRITE) !== 0 ? rightsToWrite(t) : 0;
    const fault = yield* this.#host.walk(t, leaf, host, guest, toWrite);
    if (fault !== null) return fault;
    leaf.rights &= rights;
    leaf.narrow(guest.hi, guest.lo, shift);
    return null;
  }

  /** Sets flags of a guest entry; 'changed' when it must be read again. */
  *#update(t: Translation<AmdFault>, entry: Entry, flags: number): Walk<AmdFault | 'changed' | null> {
    const { at, entryLo, entryHi, tableRights } = entry;
    if ((entryLo & flags) === flags) return null;
    if ((tableRights & Access.WRITE) === 0) return FAULTS.DENIED;
    const end = yield* setFlags(t, at, entryLo, entryHi, flags, true);
    if (end === UpdateEnd.CHANGED) return 'changed';
    return end === UpdateEnd.FAILED ? FAULTS.FLAG_UPDATE : null;
  }
}

interface Page {
  readonly target: number;
  readonly shift: number;
  readonly rights: number;
}

interface Entry {
  readonly at: number;
  readonly entryLo: number;
  readonly entryHi: number;
  /** What the host table allows where the entry lies. */
  readonly tableRights: number;
}

/** With a PASID an address is sign-extended; without one it uses the whole width, and nothing above. */
function isInRange(levels: 4 | 5, hi: number, withoutPasid: boolean): boolean {
  if (!withoutPasid) return isCanonical(levels, hi);
  return hi >>> (levels === 5 ? 25 : 16) === 0;
}
