/** Host and guest tables as the trees of hardware/iommu read them. */
import { anySet, highHalf, lowHalf } from '../../bits/index.ts';
import {
  hasReserved,
  isV2Leaf,
  NextLevel,
  pageShift,
  radixShift,
  V1_LEVELS,
  V1_PDE,
  V1_PTE,
  V1_RESERVED,
  V2_PTE,
  v1AddressBits,
  v2Layout,
  v2Reserved,
} from '../../formats/index.ts';
import { type Stage, type StageEntry, signExtended } from '../../iommu/index.ts';

const TABLE_ENTRIES = 512;
const PHYSICAL_BITS = 52;
const GUEST_RESERVED = v2Reserved(PHYSICAL_BITS);

export function hostStage(levels: number): Stage {
  return {
    levels,
    shift: radixShift,
    entries: (level) => (level < V1_LEVELS ? TABLE_ENTRIES : 2 ** (v1AddressBits(level) - radixShift(level))),
    what: (level, words) => `${isHostPage(words) ? V1_PTE.$.name : V1_PDE.$.name}, level ${level}`,
    layout: (_level, words) => (isHostPage(words) ? V1_PTE : V1_PDE),
    read: hostEntry,
    place: (address) => address,
  };
}

/** The checks of a walk, in its order. */
function hostEntry(level: number, words: Uint32Array): StageEntry {
  if (!V1_PTE.PR.isSet(words)) return { kind: 'empty' };
  const isPage = isHostPage(words);
  if (anySet(words, isPage ? V1_RESERVED.leaf : V1_RESERVED.table)) return bad('reserved bits are set');
  const next = V1_PTE.NextLevel.get(words);
  const target = V1_PTE.PageAddress.address(words);
  if (!isPage) {
    if (next >= level) return bad('NextLevel is not below the level of the table');
    const table = { kind: 'table', address: target, level: next } as const;
    return next === level - 1 ? table : { ...table, note: `skips to level ${next}` };
  }
  const shift = pageShift(level, next, highHalf(target), lowHalf(target));
  if (shift === 0) return bad('no page of the level has this size');
  const address = target - (target % 2 ** shift);
  return { kind: 'page', address, shift, read: V1_PTE.IR.isSet(words), write: V1_PTE.IW.isSet(words) };
}

function isHostPage(words: Uint32Array): boolean {
  const next = V1_PTE.NextLevel.get(words);
  return next === NextLevel.PAGE || next === NextLevel.SIZED_PAGE;
}

export function guestStage(levels: 4 | 5): Stage {
  return {
    levels,
    shift: radixShift,
    entries: () => TABLE_ENTRIES,
    what: (level, words) => v2Layout(level, words[0]!).$.name,
    layout: (level, words) => v2Layout(level, words[0]!),
    read: guestEntry,
    place: (address) => signExtended(address, radixShift(levels + 1)),
  };
}

function guestEntry(level: number, words: Uint32Array): StageEntry {
  const [lo, hi] = [words[0]!, words[1]!];
  if (!V2_PTE.P.isSet(words)) return { kind: 'empty' };
  const isPage = isV2Leaf(level, lo);
  if (hasReserved(GUEST_RESERVED, level, isPage, lo, hi)) return bad('reserved bits are set');
  const address = v2Layout(level, lo).ADDR.address(words);
  if (!isPage) return { kind: 'table', address, level: level - 1 };
  return { kind: 'page', address, shift: radixShift(level), read: true, write: V2_PTE.RW.isSet(words) };
}

function bad(note: string): StageEntry {
  return { kind: 'bad', note };
}
