/**
 * The guest tables' counterpart of `HostTables.quick`: user requests through clean tables, alone or over a host table, that
 * lie in memory at hand and need no flag to be set. It decides nothing but plain success.
 */
import { maskOf } from '../bits/index.ts';
import * as formats from '../formats/index.ts';
import { entryOffset, isV2Leaf, type ReservedMasks, radixShift, V2_PTE } from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import { Leaf, type Translation } from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { DeviceEntry } from './device-table.ts';
import type { GuestTop } from './gcr3-table.ts';
import type { GuestControl, GuestPage } from './guest-tables.ts';
import type { HostTables } from './host-tables.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes.
const { Access } = iommu;
const { LEAF_MASKS } = formats;
const [ADDRESS_LO = 0, ADDRESS_HI = 0] = maskOf(V2_PTE, (field) => field === V2_PTE.ADDR);
const P = V2_PTE.P.mask;
const RW = V2_PTE.RW.mask;
const US = V2_PTE.US.mask;
const A = V2_PTE.A.mask;
const D = V2_PTE.D.mask;
const NX = V2_PTE.NX.mask;

export class QuickGuestTables {
  readonly #host: HostTables;
  readonly #reservedLo: Int32Array;
  readonly #reservedHi: Int32Array;
  readonly #page: GuestPage;
  /** Where a table lies, over a host table. */
  readonly #inner = new Leaf();

  /** `page` takes for whom the page is that was found. */
  constructor(host: HostTables, { lo, hi }: ReservedMasks, page: GuestPage) {
    this.#host = host;
    this.#reservedLo = lo;
    this.#reservedHi = hi;
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
    const inner = this.#inner;
    const used = control.accessed ? A : 0;
    const writes = (access & Access.WRITE) !== 0;
    let { tableHi, tableLo } = top;
    let granted = RW | US;
    let denied = 0;
    for (let level: number = guest!.levels; ; level--) {
      let atHi = tableHi;
      let atLo = tableLo | entryOffset(level, hi, lo);
      if (host !== null) {
        if (!this.#host.quick(memory, inner, host, Access.READ, atHi, atLo)) return false;
        atHi = inner.frameHi;
        atLo = inner.frameLo | (atLo & ((1 << inner.shift) - 1));
      }
      const at = memory.locate(atHi, atLo);
      if (at < 0) return false;
      const entryLo = memory.pool[at]!;
      const entryHi = memory.pool[at + 1]!;
      if ((entryLo & P) === 0 || (used & ~entryLo) !== 0) return false;
      const isLeaf = isV2Leaf(level, entryLo);
      const kind = isLeaf ? LEAF_MASKS + level : level;
      if (((entryLo & this.#reservedLo[kind]!) | (entryHi & this.#reservedHi[kind]!)) !== 0) return false;
      granted &= entryLo;
      denied |= entryHi & NX;
      tableHi = entryHi & ADDRESS_HI;
      tableLo = entryLo & ADDRESS_LO;
      if (!isLeaf) continue;
      const isDirty = !control.dirty || (entryLo & D) !== 0;
      if ((granted & US) === 0 || (writes && ((granted & RW) === 0 || !isDirty))) return false;
      const shift = radixShift(level);
      const rights = Access.READ | ((granted & RW) !== 0 ? Access.WRITE : 0);
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
        if (!this.#host.quick(memory, leaf, host, access, tableHi, tableLo)) return false;
        leaf.rights &= rights;
        leaf.dirty &&= isDirty;
        leaf.narrow(tableHi, tableLo, shift);
      }
      this.#page.user = true;
      this.#page.execute = denied === 0;
      return true;
    }
  }
}
