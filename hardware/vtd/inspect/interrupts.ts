/** The interrupt remapping table in memory: the entries that are present, and where posted ones lead. */
import { hex, wordsOf } from '../../bits/index.ts';
import { Budget, entryView, MORE, type ReadBytes, type TableNode } from '../../iommu/index.ts';
import { postedDescriptorOf } from '../interrupt-poster.ts';
import {
  GSTS,
  IRTE_POSTED,
  IRTE_REMAPPED,
  IRTE_REMAPPED_XAPIC,
  POSTED_INTERRUPT_DESCRIPTOR,
  POSTED_INTERRUPT_DESCRIPTOR_XAPIC,
} from '../spec/index.ts';
import type { VtdUnit } from '../unit.ts';

const ENTRY_BYTES = IRTE_REMAPPED.$.words * 4;
const PID_BYTES = POSTED_INTERRUPT_DESCRIPTOR.$.words * 4;

type Unit = Pick<VtdUnit, 'registers' | 'capabilities' | 'interrupts'>;

export function interruptTable({ registers, capabilities, interrupts }: Unit, read: ReadBytes): TableNode {
  const { address, entries, extended } = interrupts.table;
  const budget = new Budget();
  const head = { what: `interrupt remapping table at ${hex(address)}`, index: `of ${entries} entries` };
  const children: TableNode[] = [];
  for (let i = 0; i < entries; i++) {
    const at = address + i * ENTRY_BYTES;
    const found = read(at, ENTRY_BYTES);
    if (found === undefined) break;
    const words = wordsOf(found);
    if (!IRTE_REMAPPED.P.isSet(words)) continue;
    if (budget.nodes-- <= 0) {
      children.push(MORE);
      break;
    }
    const isPosted = capabilities.has('PI') && IRTE_POSTED.IM.isSet(words);
    const layout = isPosted ? IRTE_POSTED : extended ? IRTE_REMAPPED : IRTE_REMAPPED_XAPIC;
    const below = isPosted ? [descriptor(words, extended, read)] : [];
    children.push({ what: layout.$.name, index: `[${i}]`, entry: entryView(layout, words, at), children: below });
  }
  const notes = [
    ...(GSTS.IRES.isSet(registers.words) ? [] : ['interrupt remapping is off']),
    ...(children.length > 0 ? [] : ['no entry is present']),
  ];
  return notes.length === 0 ? { ...head, children } : { ...head, note: notes.join(', '), children };
}

function descriptor(irte: Uint32Array, extended: boolean, read: ReadBytes): TableNode {
  const address = postedDescriptorOf(irte);
  const layout = extended ? POSTED_INTERRUPT_DESCRIPTOR : POSTED_INTERRUPT_DESCRIPTOR_XAPIC;
  const found = read(address, PID_BYTES);
  if (found === undefined) return { what: layout.$.name, note: `${hex(address)} cannot be read`, children: [] };
  return { what: layout.$.name, entry: entryView(layout, wordsOf(found), address), children: [] };
}
