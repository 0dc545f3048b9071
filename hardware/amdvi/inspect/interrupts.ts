/** The interrupt tables in memory, one per device: the entries that are in use. */
import { hex } from '../../bits/index.ts';
import { Budget, eachOf, type ReadBytes, type ReadEntry, range, readEntry, type TableNode } from '../../iommu/index.ts';
import { CONTROL, DTE, InterruptControl, IRTE_32, IRTE_128, LARGEST_TABLE } from '../spec/index.ts';
import { interruptLayout } from './entries.ts';
import { deviceEntry, devicesWith, type Unit } from './tables.ts';

export function interruptTables(unit: Unit, read: ReadBytes): TableNode {
  const { words } = unit.registers;
  const budget = new Budget();
  const ids = devicesWith([DTE.IV], unit, read);
  const children = eachOf(budget, ids, (id) => {
    const entry = deviceEntry(unit, read, id);
    return entry === null ? [] : [tableOf(unit, entry, read, budget)];
  });
  const notes = [
    ...(CONTROL.IommuEn.isSet(words) ? [] : ['the unit is off']),
    ...(children.length > 0 ? [] : ['no device table entry has IV']),
  ];
  const head = { what: 'interrupt tables', index: 'by device' };
  return notes.length === 0 ? { ...head, children } : { ...head, note: notes.join(', '), children };
}

function tableOf({ registers, translator }: Unit, device: ReadEntry, read: ReadBytes, budget: Budget): TableNode {
  const { words } = registers;
  const { interruptFault } = translator.devices.decode(device.words, true);
  if (interruptFault !== null) return { ...device.node, note: interruptFault.meaning, children: [] };
  const control = DTE.IntCtl.get(device.words);
  if (control !== InterruptControl.REMAP) {
    const note = control === InterruptControl.FORWARD ? 'interrupts pass' : 'interrupts are aborted';
    return { ...device.node, note, children: [] };
  }
  const isLong = CONTROL.GAEn.isSet(words);
  const hasLongIds = CONTROL.XTEn.isSet(words);
  const table = DTE.IntTabRoot.address(device.words);
  const length = lengthOf(words, device.words);
  const children = eachOf(budget, range(length), (index) => {
    const entry = readEntry(read, isLong ? IRTE_128 : IRTE_32, table, index, `[${index}]`);
    if (entry === null || !IRTE_32.RemapEn.isSet(entry.words)) return [];
    return [
      { ...readEntry(read, interruptLayout(entry.words, hasLongIds), table, index, `[${index}]`)!.node, children: [] },
    ];
  });
  const note = `table at ${hex(table)} of ${length} entries${children.length > 0 ? '' : ', none is in use'}`;
  return { ...device.node, note, children };
}

/** IntTabLen, as far as Control lets one function have interrupts. */
function lengthOf(control: Uint32Array, dte: Uint32Array): number {
  return Math.min(2 ** DTE.IntTabLen.get(dte), LARGEST_TABLE[CONTROL.NumIntRemapMode.get(control)] ?? 0);
}
