/** The register page of a unit, decoded. */
import type { RegisterFile } from '../../bits/index.ts';
import { type EntryView, entryView } from '../../iommu/index.ts';
import type { Capabilities } from '../capabilities.ts';
import type { PerformanceSpec } from '../performance-registers.ts';
import { registersOf } from '../register-page.ts';
import { FRCD, faultsWithCode } from '../spec/index.ts';

/** Every register that the unit has, by offset. Records of an array carry their number. */
export function registerViews(
  file: RegisterFile,
  capabilities: Capabilities,
  performance?: PerformanceSpec,
): EntryView[] {
  return registersOf(capabilities, performance)
    .sort((a, b) => a.offset - b.offset)
    .map(({ layout, offset }) => {
      if (layout !== FRCD) return entryView(layout, file.words, offset, offset / 4);
      const number = (offset - capabilities.faultRecordOffset) / (FRCD.$.words * 4);
      const view = entryView(layout, file.words, offset, offset / 4, `${FRCD.$.name}[${number}]`);
      return withReason(view);
    });
}

/** The fault reason of a record under its names. */
function withReason(view: EntryView): EntryView {
  const fields = view.fields.map((field) => {
    if (field.name !== FRCD.FR.name || field.value === 0n) return field;
    const names = faultsWithCode(Number(field.value)).map(({ name }) => name);
    return names.length === 0 ? field : { ...field, text: `${field.text} (${names.join(' or ')})` };
  });
  return { ...view, fields };
}
