/**
 * The guest tables' counterpart of `HostTables.quick`: user requests through clean tables, alone or over a host table, that
 * lie in memory at hand and need no flag to be set. It decides nothing but plain success.
 */
import { maskOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import { type QuickMasks, quickMasks, type ReservedMasks, V2_PDE, V2_PTE } from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import { Leaf, type Translation } from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { DeviceEntry } from './device-table.ts';
import type { GuestTop } from './gcr3-table.ts';
import type { GuestControl, GuestPage } from './guest-tables.ts';
import type { HostTables } from './host-tables.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access } = iommu;
const { entryWord, INDEX_BITS, radixShift } = formats;
const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(V2_PTE, (field) => field === V2_PTE.ADDR);
const P = V2_PTE.P.mask;
const RW = V2_PTE.RW.mask;
const US = V2_PTE.US.mask;
const A = V2_PTE.A.mask;
const D = V2_PTE.D.mask;
const NX = V2_PTE.NX.mask;
const PS = V2_PDE.PS.mask;
const SMALL_SHIFT = 12;

export class QuickGuestTables {
  readonly #host: HostTables;
  readonly #reserved: QuickMasks;
  readonly #page: GuestPage;
  /** Where a table lies, over a host table. */
  readonly #inner = new Leaf();

  /** `page` takes for whom the page is that was found. */
  constructor(host: HostTables, reserved: ReservedMasks, page: GuestPage) {
    this.#host = host;
    this.#reserved = quickMasks(reserved);
    this.#page = page;
  }

  /** True when the request translates for all of its access, with the result in `t.leaf`; its address is in range. */
  walk(
    memory: PhysicalMemory,
    { access, hi, lo, leaf }: Translation,
    { host, guest }: DeviceEntry,
    top: GuestTop,
    control: GuestControl,
  ): boolean {
    const hosts = this.#host;
    const inner = this.#inner;
    const { tableLo: tableReservedLo, tableHi: tableReservedHi, leaves } = this.#reserved;
    const writes = (access & Access.WRITE) !== 0;
    const needed = P | US | (control.accessed === true ? A : 0) | (writes ? RW : 0);
    hosts.near.forget();
    let { tableHi, tableLo } = top;
    let granted = RW;
    let denied = 0;
    let shift = radixShift(guest!.levels);
    let entryLo = 0;
    let entryHi = 0;
    for (;;) {
      let at = entryWord(shift, hi, lo);
      if (host !== null) {
        if (hosts.quickNear(memory, inner, host, Access.READ, tableHi, tableLo | (at << 2)) !== true) return false;
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
      granted &= entryLo;
      denied |= entryHi & NX;
      const unfit = (needed & ~entryLo) | (entryLo & tableReservedLo) | (entryHi & tableReservedHi);
      if (shift === SMALL_SHIFT || unfit !== 0) break;
      shift = (shift - INDEX_BITS) | 0;
    }
    // A page, or nothing that is plain.
    if (shift !== SMALL_SHIFT && (entryLo & PS) === 0) return false;
    if (((needed & ~entryLo) | (entryLo & leaves[shift]!) | (entryHi & leaves[shift + 1]!)) !== 0) return false;
    const isDirty = control.dirty !== true || (entryLo & D) !== 0;
    if (writes && !isDirty) return false;
    const rights = Access.READ | (granted !== 0 ? Access.WRITE : 0);
    tableLo &= -1 << shift;
    if (host === null) {
      leaf.frameHi = tableHi;
      leaf.frameLo = tableLo;
      leaf.shift = shift;
      leaf.rights = rights;
      leaf.snoop = false;
      leaf.dirty = isDirty;
    } else {
      tableLo |= lo & ((1 << shift) - 1);
      if (hosts.quickNear(memory, leaf, host, access, tableHi, tableLo) !== true) return false;
      leaf.rights &= rights;
      if (!isDirty) leaf.dirty = false;
      if (leaf.shift > shift) leaf.narrow(tableHi, tableLo, shift);
    }
    this.#page.user = true;
    this.#page.execute = denied === 0;
    return true;
  }
}
