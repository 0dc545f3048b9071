/** How tables, rings and other structures in memory become trees. Both vendors' rooms say only what their entries mean. */
import { type AnyLayout, hex, wordsOf } from '../bits/index.ts';
import { type EntryView, entryView, type TableNode } from './inspection.ts';

/** Reads the bytes at a physical address; `undefined` where nothing is. */
export type ReadBytes = (address: number, length: number) => Uint8Array | undefined;

/** Tables may point to themselves: what a tree may hold has an end. */
export class Budget {
  /** Paging structures, and entries of the tables above them, that are looked at. */
  tables = 4096;
  entries = 65_536;
  /** Entries that are shown. */
  nodes = 4096;
}

export const MORE: TableNode = { what: '…', note: 'and more entries than are shown', children: [] };

/** An entry as it was read, with its node as far as it is known without what the entry leads to. */
export interface ReadEntry {
  readonly words: Uint32Array;
  readonly node: Omit<TableNode, 'children'>;
}

/** What each entry of a table comes to, as far as the tree has room. */
export function eachOf(budget: Budget, indices: readonly number[], visit: (index: number) => TableNode[]): TableNode[] {
  const nodes: TableNode[] = [];
  for (const index of indices) {
    if (budget.entries-- <= 0 || budget.nodes <= 0) return [...nodes, MORE];
    const found = visit(index);
    budget.nodes -= found.length;
    nodes.push(...found);
  }
  return nodes;
}

/** Entry `index` of the table at `table`, or `null` when nothing is there. */
export function readEntry(
  read: ReadBytes,
  of: AnyLayout,
  table: number,
  index: number,
  label: string,
): ReadEntry | null {
  const bytes = of.$.words * 4;
  const at = table + index * bytes;
  const found = read(at, bytes);
  if (found === undefined) return null;
  const words = wordsOf(found);
  // Of large tables most entries are not present, and nobody looks at their fields.
  return {
    words,
    get node() {
      return { what: of.$.name, index: label, entry: entryView(of, words, at) };
    },
  };
}

/** Which of a large table's entries of 8 bytes are not 0, or cannot be read: no other one can be present. */
export function filledEntries(read: ReadBytes, table: number, count: number): number[] {
  const filled: number[] = [];
  for (let first = 0; first < count; first += CHUNK) {
    const entries = Math.min(CHUNK, count - first);
    const bytes = read(table + first * 8, entries * 8);
    for (let i = 0; i < entries; i++) {
      if (bytes === undefined || bytes.subarray(i * 8, i * 8 + 8).some((byte) => byte !== 0)) filled.push(first + i);
    }
  }
  return filled;
}

/** Entries of a page. */
const CHUNK = 512;

/** What is not present is shown only to somebody who asked for it. */
export function absent(entry: ReadEntry, isOneOfMany: boolean): TableNode[] {
  return isOneOfMany ? [] : [{ ...entry.node, note: 'not present', children: [] }];
}

export function unreadable(of: AnyLayout, table: number): TableNode {
  return noted(of.$.name, `the table at ${hex(table)} cannot be read`);
}

export function noted(what: string, note: string): TableNode {
  return { what, note, children: [] };
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** A ring of entries in memory. */
export interface RingPlace {
  readonly start: number;
  readonly bytes: number;
  readonly entryBytes: number;
  /** Byte offsets of head and tail. */
  readonly head: number;
  readonly tail: number;
}

/** Every entry that lies in a ring, done or waiting, under the layout that `layoutOf` gives it. */
export function ringNodes(
  read: ReadBytes,
  { start, bytes, entryBytes, head, tail }: RingPlace,
  layoutOf: (words: Uint32Array) => AnyLayout,
): TableNode[] {
  const budget = new Budget();
  const nodes: TableNode[] = [];
  for (let offset = 0; offset < bytes; offset += entryBytes) {
    const found = read(start + offset, entryBytes);
    if (found === undefined) return nodes;
    const isMarked = offset === head || offset === tail;
    // Most of a ring is empty.
    if (!isMarked && found.every((byte) => byte === 0)) continue;
    const words = wordsOf(found);
    const marks = [...(offset === head ? ['head'] : []), ...(offset === tail ? ['tail'] : [])];
    if (budget.nodes-- <= 0) return [...nodes, MORE];
    const layout = layoutOf(words);
    const entry: EntryView = entryView(layout, words, start + offset);
    const node = { what: layout.$.name, index: `[${offset / entryBytes}]`, entry, children: [] };
    nodes.push(marks.length === 0 ? node : { ...node, note: marks.join(' and ') });
  }
  return nodes;
}
