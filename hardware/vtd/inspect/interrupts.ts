/** The interrupt remapping table in memory: the entries that are present. */
import { hex, wordsOf } from '../../bits/index.ts';
import { entryView, type TableNode } from '../../iommu/index.ts';
import { GSTS, IRTA, IRTE_POSTED, IRTE_REMAPPED, IRTE_REMAPPED_XAPIC, IrteMode } from '../spec/index.ts';
import { Budget, MORE, type ReadBytes } from './paging.ts';

const ENTRY_BYTES = 16;

/** `registers` are the words of the register page. */
export function interruptTable(registers: Uint32Array, read: ReadBytes): TableNode {
  const table = IRTA.IRTA.address(registers);
  const entries = 2 ** (IRTA.S.get(registers) + 1);
  const budget = new Budget();
  const head = { what: `interrupt remapping table at ${hex(table)}`, index: `of ${entries} entries` };
  const children: TableNode[] = [];
  for (let i = 0; i < entries; i++) {
    const found = read(table + i * ENTRY_BYTES, ENTRY_BYTES);
    if (found === undefined) break;
    const words = wordsOf(found);
    if (!IRTE_REMAPPED.P.isSet(words)) continue;
    if (budget.nodes-- <= 0) {
      children.push(MORE);
      break;
    }
    const remapped = IRTA.EIME.isSet(registers) ? IRTE_REMAPPED : IRTE_REMAPPED_XAPIC;
    const layout = IRTE_REMAPPED.IM.get(words) === IrteMode.POSTED ? IRTE_POSTED : remapped;
    const entry = entryView(layout, words, table + i * ENTRY_BYTES);
    children.push({ what: layout.$.name, index: `[${i}]`, entry, children: [] });
  }
  const notes = [
    ...(GSTS.IRES.isSet(registers) ? [] : ['interrupt remapping is off']),
    ...(children.length > 0 ? [] : ['no entry is present']),
  ];
  return notes.length === 0 ? { ...head, children } : { ...head, note: notes.join(', '), children };
}
