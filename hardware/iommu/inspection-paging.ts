/**
 * A paging structure as a tree: one node per entry that leads to a table, one per run of pages that lie side by side at
 * both ends. Stages differ in what their entries say, and in where the tables lie: those of a nested first stage lie at
 * guest addresses.
 */
import type { AnyLayout } from '../bits/index.ts';
import { entryView, type TableNode } from './inspection.ts';
import { type Budget, MORE, noted, type ReadBytes } from './inspection-trees.ts';

/** What an entry says. */
export type StageEntry =
  | { readonly kind: 'empty' }
  /** An entry that no walk gets through. */
  | { readonly kind: 'bad'; readonly note: string }
  /** A table, on whichever level below. */
  | { readonly kind: 'table'; readonly address: number; readonly level: number; readonly note?: string }
  /** A page of 2^shift bytes, of which the entry serves its part where it is one of several. */
  | {
      readonly kind: 'page';
      readonly address: number;
      readonly shift: number;
      readonly read: boolean;
      readonly write: boolean;
    };

/** How the entries of one stage are read. */
export interface Stage {
  readonly levels: number;
  /** log2 of what an entry at `level` serves. */
  shift(level: number): number;
  /** Entries of a table at `level`. */
  entries(level: number): number;
  what(level: number, words: Uint32Array): string;
  layout(level: number, words: Uint32Array): AnyLayout;
  read(level: number, words: Uint32Array): StageEntry;
  /** Where in the address space the entry stands that begins at `address`: a stage may be split in halves. */
  place(address: bigint): bigint;
}

const ENTRY_BYTES = 8;

/** The nodes of the table at `address`, whose first entry serves the page at `base`. */
export function pagingNodes(
  stage: Stage,
  read: ReadBytes,
  budget: Budget,
  address: number,
  level = stage.levels,
  base = 0n,
): TableNode[] {
  if (budget.tables-- <= 0) return [MORE];
  const entries = stage.entries(level);
  const bytes = read(address, entries * ENTRY_BYTES);
  if (bytes === undefined) {
    return [noted(stage.what(level, new Uint32Array(2)), `the table at 0x${address.toString(16)} cannot be read`)];
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const nodes: TableNode[] = [];
  const shift = stage.shift(level);
  for (let i = 0; i < entries; i++) {
    const [lo, hi] = [view.getUint32(i * ENTRY_BYTES, true), view.getUint32(i * ENTRY_BYTES + 4, true)];
    // In every format an entry of 0 is empty, and most are.
    if ((lo | hi) === 0) continue;
    const words = Uint32Array.of(lo, hi);
    const found = stage.read(level, words);
    if (found.kind === 'empty') continue;
    if (budget.nodes-- <= 0) return [...nodes, MORE];
    const first = stage.place(base + (BigInt(i) << BigInt(shift)));
    // An entry that skips levels serves only the addresses whose bits of these levels are 0.
    const served = found.kind === 'table' ? stage.shift(found.level + 1) : shift;
    const span = { first, last: first + (1n << BigInt(served)) - 1n };
    const what = stage.what(level, words);
    const entry = entryView(stage.layout(level, words), words, address + i * ENTRY_BYTES, 0, what);
    const head = { what, index: `[${i}]`, entry, range: span };
    if (found.kind === 'bad') nodes.push({ ...head, note: found.note, children: [] });
    else if (found.kind === 'table') {
      const children = pagingNodes(stage, read, budget, found.address, found.level, first);
      nodes.push(found.note === undefined ? { ...head, children } : { ...head, note: found.note, children });
    } else {
      const node = { ...head, ...pagesOf(found, first, shift) };
      if (extend(nodes, node)) budget.nodes++;
      else nodes.push({ ...node, children: [] });
    }
  }
  return nodes;
}

/** Where a guest address lies, by the stage below: `null` when it is not mapped. */
export function lookUp(stage: Stage, read: ReadBytes, top: number, guest: number): number | null {
  let table = top;
  let level = stage.levels;
  if (guest >= 2 ** stage.shift(level) * stage.entries(level)) return null;
  for (;;) {
    const size = 2 ** stage.shift(level);
    const index = Math.floor(guest / size) % stage.entries(level);
    const bytes = read(table + index * ENTRY_BYTES, ENTRY_BYTES);
    if (bytes === undefined) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const found = stage.read(level, Uint32Array.of(view.getUint32(0, true), view.getUint32(4, true)));
    if (found.kind === 'page') return found.address + (guest % 2 ** found.shift);
    if (found.kind !== 'table' || guest % size >= 2 ** stage.shift(found.level + 1)) return null;
    ({ address: table, level } = found);
  }
}

type Pages = Pick<TableNode, 'pages' | 'note'>;

/** The page that an entry names, or the part of it that this entry serves. */
function pagesOf(page: Extract<StageEntry, { readonly kind: 'page' }>, first: bigint, shift: number): Pages {
  const { address, read, write } = page;
  const pages = { to: address, pageBytes: 2 ** shift, count: 1, read, write };
  if (page.shift <= shift) return { pages };
  const offset = Number(first % (1n << BigInt(page.shift)));
  const note = `of pages of 0x${(2 ** page.shift).toString(16)} bytes`;
  return { pages: { ...pages, to: address + offset }, note };
}

/** Joins a page to the run before it, if it goes on in the same way. */
function extend(nodes: TableNode[], { range, pages, note }: Omit<TableNode, 'children'>): boolean {
  const last = nodes.at(-1);
  if (last?.pages === undefined || last.range === undefined || pages === undefined || range === undefined) return false;
  const { to, pageBytes, count, read, write } = last.pages;
  const goesOn =
    last.range.last + 1n === range.first &&
    to + count * pageBytes === pages.to &&
    read === pages.read &&
    write === pages.write &&
    last.note === note;
  if (!goesOn) return false;
  const joined = { first: last.range.first, last: range.last };
  nodes[nodes.length - 1] = { ...last, range: joined, pages: { ...last.pages, count: count + 1 } };
  return true;
}

/** An address of `bits` bits whose upper half stands at the top of 64. */
export function signExtended(address: bigint, bits: number): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(bits, address));
}
