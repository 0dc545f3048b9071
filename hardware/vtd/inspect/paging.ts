/** VT-d's two stages as the trees of hardware/iommu read them. */
import { type AnyLayout, joinHalves } from '../../bits/index.ts';
import {
  FIRST_STAGE_NAMES,
  firstStageLayout,
  firstStageReserved,
  hasReserved,
  type PageTableFormat,
  type ReservedMasks,
  SECOND_STAGE_NAMES,
  secondStageLayout,
  secondStageReserved,
  vtdSecondStage,
  x86Paging,
} from '../../formats/index.ts';
import { type Stage, type StageEntry, signExtended } from '../../iommu/index.ts';
import type { Capabilities } from '../capabilities.ts';

const TABLE_ENTRIES = 512;

interface Kind {
  readonly names: readonly string[];
  layout(level: number, lo: number): AnyLayout;
  readonly reserved: ReservedMasks;
  place(address: bigint): bigint;
}

/** `ioRights`: IR and IW, bits 61 and 62, count instead of R and W. */
export function secondStage(levels: number, capabilities: Capabilities, ioRights: boolean): Stage {
  const format = vtdSecondStage({ levels: levels as 3 | 4 | 5, superpages: [2, 3] });
  const decoded: PageTableFormat = ioRights
    ? { ...format, decode: (level, entry) => format.decode(level, (entry & ~3n) | ((entry >> 61n) & 3n)) }
    : format;
  return stageOf(decoded, {
    names: SECOND_STAGE_NAMES,
    layout: secondStageLayout,
    reserved: secondStageReserved({ ...capabilities.secondStageRules, ioRights }),
    place: (address) => address,
  });
}

export function firstStage(levels: number, capabilities: Capabilities): Stage {
  const format = x86Paging({ levels: levels as 4 | 5, superpages: [2, 3] });
  return stageOf(format, {
    names: FIRST_STAGE_NAMES,
    layout: firstStageLayout,
    reserved: firstStageReserved(capabilities.firstStageRules),
    place: (address) => signExtended(address, format.pageShift(levels + 1)),
  });
}

function stageOf(format: PageTableFormat, { names, layout, reserved, place }: Kind): Stage {
  return {
    levels: format.levels,
    shift: (level) => format.pageShift(level),
    entries: () => TABLE_ENTRIES,
    what: (level) => names[level]!,
    layout: (level, words) => layout(level, words[0]!),
    read(level, words): StageEntry {
      const [lo, hi] = [words[0]!, words[1]!];
      const decoded = format.decode(level, joinHalves(hi, lo));
      if (decoded.kind === 'empty') return decoded;
      const { kind, address } = decoded;
      if (hasReserved(reserved, level, kind === 'leaf', lo, hi)) return { kind: 'bad', note: 'reserved bits are set' };
      if (kind === 'table') return { kind, address, level: level - 1 };
      return { kind: 'page', address, shift: format.pageShift(level), read: decoded.read, write: decoded.write };
    },
    place,
  };
}
