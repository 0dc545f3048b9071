/**
 * Host permission tables (VT-d 4.2.4, 9.12): whether a translated request may touch the host page that it names. Each
 * level may end the walk with a permission for a part of its range, or lead to the next lower table.
 *
 * Permissions may be cached (VT-d 6.2.6), by requester, PASID and host page; entries that lead to lower tables are not.
 */
import { anySet, type Field, numberOf, pageLow, reserve, reservedBits } from '../bits/index.ts';
import {
  Access,
  type Era,
  FLAGS,
  type IommuProbe,
  Iotlb,
  type IotlbSpec,
  RIGHTS,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import { ownerOf, pageHiOf } from './iotlb-entry.ts';
import type { HostPermissions } from './space.ts';
import {
  FAULTS,
  type Fault,
  HPTL1E,
  HPTL2E,
  HPTL3E,
  HPTL3E_RESERVED_WITHOUT,
  HPTL4E,
  permissionsOf,
} from './spec/index.ts';

/** One level: its entry, and which address bits choose the entry and the permission within it. */
interface Level {
  readonly layout: typeof HPTL4E;
  readonly indexShift: number;
  /** The permissions of an entry, that of the lowest page first; none where the level has none. */
  readonly permissions: readonly Field[];
  readonly permissionShift: number;
  /** The level below, or `null` at the lowest, where an entry holds permissions alone. */
  readonly hasNext: boolean;
}

export const HPT_LEVELS: readonly Level[] = [
  { layout: HPTL4E, indexShift: 41, permissions: [], permissionShift: 0, hasNext: true },
  { layout: HPTL3E, indexShift: 33, permissions: permissionsOf(HPTL3E), permissionShift: 30, hasNext: true },
  { layout: HPTL2E, indexShift: 25, permissions: permissionsOf(HPTL2E), permissionShift: 21, hasNext: true },
  {
    layout: HPTL1E as unknown as typeof HPTL4E,
    indexShift: 17,
    permissions: permissionsOf(HPTL1E),
    permissionShift: 12,
    hasNext: false,
  },
];
export const HPT_TABLE_ENTRIES = 256;
const CACHE_NAME = 'host permission cache';
const ENTRY_WORDS = 4;

export class HostPermissionTable {
  probe: IommuProbe | null = null;
  /** Host pages and what may be done with them. */
  readonly cache: Iotlb | null;
  readonly #era: Era;
  readonly #reserved: readonly Uint32Array[];
  readonly #zeroLengthReads: boolean;

  constructor(capabilities: Capabilities, era: Era, cache: IotlbSpec | null) {
    this.cache = cache === null ? null : new Iotlb(cache);
    this.#era = era;
    this.#zeroLengthReads = capabilities.has('ZLR');
    this.#reserved = HPT_LEVELS.map(({ layout, hasNext }, i) => {
      const mask = reservedBits(layout, capabilities, i === 1 ? HPTL3E_RESERVED_WITHOUT : {});
      return hasNext ? reserve(mask, 64 + capabilities.hostAddressWidth, 64 + 51) : mask;
    });
  }

  /** The condition that blocks the request, or `null` when it may go on. */
  *check(t: Translation<Fault>, permissions: HostPermissions): Walk<Fault | null> {
    const { table: top, addressBits } = permissions;
    const address = numberOf(t.hi, t.lo);
    if (address >= 2 ** addressBits) return FAULTS.SPT_9;
    const cached = this.#lookUp(t);
    if (cached !== null) return judge(t.access, cached, this.#zeroLengthReads);
    const { memory } = t;
    let table = top;
    for (const [i, level] of HPT_LEVELS.entries()) {
      const isTop = i === 0;
      const entries = isTop ? 2 ** (addressBits - level.indexShift) : HPT_TABLE_ENTRIES;
      const index = Math.floor(address / 2 ** level.indexShift) % entries;
      yield memory.read(table + index * ENTRY_WORDS * 4, ENTRY_WORDS);
      if (!memory.ok) return isTop ? FAULTS.HPT_3 : FAULTS.HPT_1;
      if (this.probe !== null) this.probe.read(level.layout.$.name, memory.address, memory.words, ENTRY_WORDS);
      if (anySet(memory.words, this.#reserved[i]!)) return FAULTS.HPT_2;
      const granted = permissionOf(memory.words, level, address);
      const goesOn = granted === 0 && level.hasNext && level.layout.AV.isSet(memory.words);
      if (!goesOn) {
        if (granted !== 0) this.#keep(t, permissions, level.permissionShift, granted);
        return judge(t.access, granted, this.#zeroLengthReads);
      }
      table = level.layout.ADDRESS.address(memory.words);
    }
    return null;
  }

  /** The permission that is cached for the page, or `null`. */
  #lookUp(t: Translation<Fault>): number | null {
    const { cache } = this;
    if (cache === null) return null;
    const [owner, pageHi, page] = [ownerOf(t), pageHiOf(t), pageLow(t.hi, t.lo)];
    const i = t.effects ? cache.find(owner, pageHi, page) : cache.peek(owner, pageHi, page);
    if (this.probe !== null) this.probe.cache(CACHE_NAME, i >= 0, `requester ${t.requester}`);
    return i < 0 ? null : cache.words[i + FLAGS]!;
  }

  #keep(t: Translation<Fault>, { domain }: HostPermissions, shift: number, granted: number): void {
    const { cache } = this;
    if (cache === null || !this.#era.mayFill(t)) return;
    const i = cache.insert(ownerOf(t), pageHiOf(t), pageLow(t.hi, t.lo), shift);
    cache.fill(i, 0, 0, granted, domain, t.pasid);
  }
}

/** Read and write permission of the page, 0 where this level says nothing about it. */
function permissionOf(words: Uint32Array, { permissions, permissionShift }: Level, address: number): number {
  if (permissions.length === 0) return 0;
  return permissions[Math.floor(address / 2 ** permissionShift) % permissions.length]!.get(words);
}

function judge(access: number, granted: number, zeroLengthReads: boolean): Fault | null {
  if (zeroLengthReads && (access & Access.ZERO_LENGTH) !== 0) return granted === 0 ? FAULTS.HPT_4 : null;
  const denied = access & RIGHTS & ~granted;
  if ((denied & Access.WRITE) !== 0) return FAULTS.HPT_5;
  return (denied & Access.READ) !== 0 ? FAULTS.HPT_6 : null;
}
