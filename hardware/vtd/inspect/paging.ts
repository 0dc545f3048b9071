/**
 * A paging structure as a tree: one node per entry that leads to a table, one per run of pages that lie side by side at
 * both ends. The stages differ in their format only, and in where the tables lie: those of a nested first stage lie at
 * guest addresses.
 */
import type { AnyLayout } from '../../bits/index.ts';
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
import { entryView, type TableNode } from '../../iommu/index.ts';
import type { Capabilities } from '../capabilities.ts';

/** Reads the bytes at a physical address; `undefined` where nothing is. */
export type ReadBytes = (address: number, length: number) => Uint8Array | undefined;

/** How the entries of one stage are read. */
export interface Stage {
  readonly format: PageTableFormat;
  readonly names: readonly string[];
  layout(level: number, lo: number): AnyLayout;
  readonly reserved: ReservedMasks;
}

/** Tables may point to themselves: what a tree may hold has an end. */
export class Budget {
  /** Paging structures, and entries of the tables above them, that are looked at. */
  tables = 4096;
  entries = 65_536;
  /** Entries that are shown. */
  nodes = 4096;
}

export const MORE: TableNode = { what: '…', note: 'and more entries than are shown', children: [] };

const TABLE_BYTES = 4096;

/** `ioRights`: IR and IW, bits 61 and 62, count instead of R and W. */
export function secondStage(levels: number, capabilities: Capabilities, ioRights: boolean): Stage {
  const format = vtdSecondStage({ levels: levels as 3 | 4 | 5, superpages: [2, 3] });
  return {
    format: ioRights
      ? { ...format, decode: (level, entry) => format.decode(level, (entry & ~3n) | ((entry >> 61n) & 3n)) }
      : format,
    names: SECOND_STAGE_NAMES,
    layout: secondStageLayout,
    reserved: secondStageReserved({ ...capabilities.secondStageRules, ioRights }),
  };
}

export function firstStage(levels: number, capabilities: Capabilities): Stage {
  return {
    format: x86Paging({ levels: levels as 4 | 5, superpages: [2, 3] }),
    names: FIRST_STAGE_NAMES,
    layout: firstStageLayout,
    reserved: firstStageReserved(capabilities.firstStageRules),
  };
}

/** The nodes of the table at `address`, whose first entry serves the page at `base`. */
export function pagingNodes(
  stage: Stage,
  read: ReadBytes,
  budget: Budget,
  address: number,
  level = stage.format.levels,
  base = 0n,
): TableNode[] {
  if (budget.tables-- <= 0) return [MORE];
  const bytes = read(address, TABLE_BYTES);
  if (bytes === undefined) return [words(stage.names[level]!, `the table at 0x${address.toString(16)} cannot be read`)];
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const nodes: TableNode[] = [];
  const shift = stage.format.pageShift(level);
  for (let i = 0; i < TABLE_BYTES / 8; i++) {
    const raw = view.getBigUint64(i * 8, true);
    const decoded = stage.format.decode(level, raw);
    if (decoded.kind === 'empty') continue;
    if (budget.nodes-- <= 0) return [...nodes, MORE];
    const first = wrapped(stage, base + (BigInt(i) << BigInt(shift)));
    const range = { first, last: first + (1n << BigInt(shift)) - 1n };
    const entry = new Uint32Array([view.getUint32(i * 8, true), view.getUint32(i * 8 + 4, true)]);
    const isLeaf = decoded.kind === 'leaf';
    const what = stage.names[level]!;
    const shown = entryView(stage.layout(level, entry[0]!), entry, address + i * 8, 0, what);
    const head = { what, index: `[${i}]`, entry: shown, range };
    if (hasReserved(stage.reserved, level, isLeaf, entry[0]!, entry[1]!)) {
      nodes.push({ ...head, note: 'reserved bits are set', children: [] });
    } else if (decoded.kind === 'table') {
      nodes.push({ ...head, children: pagingNodes(stage, read, budget, decoded.address, level - 1, first) });
    } else {
      const { address: to, read: canRead, write } = decoded;
      const pages = { to, pageBytes: 2 ** shift, count: 1, read: canRead, write };
      if (extend(nodes, range, pages)) budget.nodes++;
      else nodes.push({ ...head, pages, children: [] });
    }
  }
  return nodes;
}

/** Where a guest address lies, by the second stage: `null` when it is not mapped. */
export function lookUp(stage: Stage, read: ReadBytes, top: number, guest: number): number | null {
  let table = top;
  for (let level = stage.format.levels; level > 0; level--) {
    const bytes = read(table + stage.format.indexOf(Math.floor(guest / 4096), level) * 8, 8);
    if (bytes === undefined) return null;
    const decoded = stage.format.decode(level, new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    if (decoded.kind === 'empty') return null;
    if (decoded.kind === 'leaf') return decoded.address + (guest % 2 ** stage.format.pageShift(level));
    table = decoded.address;
  }
  return null;
}

/** The upper half of the first stage's addresses is at the top of 64 bits. */
function wrapped({ format, names }: Stage, address: bigint): bigint {
  const bits = BigInt(format.pageShift(format.levels) + 9);
  const isNegative = names === FIRST_STAGE_NAMES && (address >> (bits - 1n)) & 1n;
  return isNegative ? address | (((1n << (64n - bits)) - 1n) << bits) : address;
}

/** Joins a page to the run before it, if it goes on in the same way. */
function extend(nodes: TableNode[], range: NonNullable<TableNode['range']>, pages: TableNode['pages']): boolean {
  const last = nodes.at(-1);
  if (last?.pages === undefined || last.range === undefined || pages === undefined) return false;
  const { to, pageBytes, count, read, write } = last.pages;
  const goesOn =
    last.range.last + 1n === range.first &&
    to + count * pageBytes === pages.to &&
    read === pages.read &&
    write === pages.write;
  if (!goesOn) return false;
  const joined = { first: last.range.first, last: range.last };
  nodes[nodes.length - 1] = { ...last, range: joined, pages: { ...last.pages, count: count + 1 } };
  return true;
}

function words(what: string, note: string): TableNode {
  return { what, note, children: [] };
}
