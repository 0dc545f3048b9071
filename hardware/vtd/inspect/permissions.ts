/** A host permission table in memory as a tree (VT-d 4.2.4, 9.12): the entries that permit something or lead on. */
import { hex, wordsOf } from '../../bits/index.ts';
import { type Budget, entryView, MORE, type ReadBytes, type TableNode } from '../../iommu/index.ts';
import { HPT_LEVELS, HPT_TABLE_ENTRIES } from '../host-permission.ts';

const ENTRY_BYTES = 16;

/** `addressBits`: width of the host addresses that the top table covers. */
export function permissionTable(read: ReadBytes, budget: Budget, top: number, addressBits: number): TableNode {
  const children = nodesOf(read, budget, { table: top, entries: 2 ** (addressBits - HPT_LEVELS[0]!.indexShift) });
  const head = { what: 'host permissions', index: 'of host addresses' };
  return children.length > 0 ? { ...head, children } : { ...head, note: 'nothing is permitted', children };
}

interface Table {
  readonly table: number;
  readonly entries: number;
}

function nodesOf(read: ReadBytes, budget: Budget, { table, entries }: Table, depth = 0, base = 0n): TableNode[] {
  if (budget.tables-- <= 0) return [MORE];
  const { layout, indexShift, hasNext } = HPT_LEVELS[depth]!;
  const nodes: TableNode[] = [];
  for (let i = 0; i < entries; i++) {
    const at = table + i * ENTRY_BYTES;
    const found = read(at, ENTRY_BYTES);
    if (found === undefined) {
      return [...nodes, { what: layout.$.name, note: `the table at ${hex(table)} cannot be read`, children: [] }];
    }
    const words = wordsOf(found);
    if (words.every((word) => word === 0)) continue;
    if (budget.nodes-- <= 0) return [...nodes, MORE];
    const first = base + (BigInt(i) << BigInt(indexShift));
    const view = entryView(layout, words, at);
    const next = { table: hasNext ? layout.ADDRESS.address(words) : 0, entries: HPT_TABLE_ENTRIES };
    nodes.push({
      what: layout.$.name,
      index: `[${i}]`,
      // Of its many permissions those that permit something.
      entry: { ...view, fields: view.fields.filter(({ value }) => value !== 0n) },
      range: { first, last: first + (1n << BigInt(indexShift)) - 1n },
      children: hasNext && layout.AV.isSet(words) ? nodesOf(read, budget, next, depth + 1, first) : [],
    });
  }
  return nodes;
}
