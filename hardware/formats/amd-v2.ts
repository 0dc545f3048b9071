/**
 * AMD-Vi guest (v2) page tables: the x86-64 format with 4 or 5 levels as AMD's unit reads it, with execute permission
 * and without VT-d's extended-accessed flag. Software writes it as it writes any x86 table (x86.ts).
 */
import { bit, bits, field, flag, layout } from '../bits/index.ts';
import {
  isRadixLeaf,
  PAGE_SIZE_BIT as PS,
  pageAddress,
  type RadixEntry,
  type RadixLayouts,
  type ReservedMasks,
  radixLayout,
  reservedMasks,
  TABLE_ADDRESS,
} from './radix-entry.ts';

const SOURCE = 'AMD-Vi (L72)';

const COMMON = {
  P: flag(0, 'Present'),
  RW: flag(1, 'Writable'),
  US: flag(2, 'User requests are allowed'),
  PWT: flag(3, 'Memory type'),
  PCD: flag(4, 'Memory type'),
  A: flag(5, 'Accessed'),
  IGNORED_11_9: field(11, 9, 'Ignored'),
  IGNORED_62_52: bits(62, 52, 'RW', 'Ignored'),
  NX: bit(63, 'RW', 'Execution is not allowed'),
};
const TABLE = { ...COMMON, IGNORED_6: flag(6, 'Ignored'), IGNORED_8: flag(8, 'Ignored'), ADDR: TABLE_ADDRESS };
const LEAF = { ...COMMON, D: flag(6, 'Dirty'), G: flag(8, 'Global') };
const PAT_12 = flag(12, 'Memory type');

export const V2_PML5E = layout('guest PML5E', 64, SOURCE, TABLE);
export const V2_PML4E = layout('guest PML4E', 64, SOURCE, TABLE);
export const V2_PDPE = layout('guest PDPE', 64, SOURCE, { ...TABLE, PS });
export const V2_PDPE_1G = layout('guest PDPE (1 GiB page)', 64, SOURCE, {
  ...LEAF,
  PS,
  PAT: PAT_12,
  ADDR: pageAddress(30),
});
export const V2_PDE = layout('guest PDE', 64, SOURCE, { ...TABLE, PS });
export const V2_PDE_2M = layout('guest PDE (2 MiB page)', 64, SOURCE, {
  ...LEAF,
  PS,
  PAT: PAT_12,
  ADDR: pageAddress(21),
});
export const V2_PTE = layout('guest PTE', 64, SOURCE, { ...LEAF, PAT: flag(7, 'Memory type'), ADDR: pageAddress(12) });

/** What an entry is called, by level. */
export const V2_NAMES = ['', ...[V2_PTE, V2_PDE, V2_PDPE, V2_PML4E, V2_PML5E].map((of) => of.$.name)];

const LAYOUTS: RadixLayouts = {
  tables: [null, null, V2_PDE, V2_PDPE, V2_PML4E, V2_PML5E],
  leaves: [null, V2_PTE, V2_PDE_2M, V2_PDPE_1G, null, null],
  pageSize: V2_PDE.PS.mask,
};
const PS_MASK = LAYOUTS.pageSize;

export function isV2Leaf(level: number, lo: number): boolean {
  return isRadixLeaf(PS_MASK, level, lo);
}

/** The layout that an entry with this low word has at `level`. */
export function v2Layout(level: number, lo: number): RadixEntry {
  return radixLayout(LAYOUTS, level, lo);
}

/** Reserved bits of each kind of entry; `addressBits` is the width of the addresses that entries hold. */
export function v2Reserved(addressBits: number): ReservedMasks {
  return reservedMasks(LAYOUTS, addressBits, () => []);
}
