/** The register page of a unit, decoded. */
import type { RegisterFile } from '../../bits/index.ts';
import { type EntryView, entryView } from '../../iommu/index.ts';
import { COUNTERS, type CountersSpec, counterAt } from '../counters.ts';
import type { Features } from '../features.ts';
import { placementsOf } from '../register-page.ts';

/** Every register that the unit has, by offset. Those of a counter carry its bank and its number. */
export function registerViews(file: RegisterFile, features: Features, counters: CountersSpec = COUNTERS): EntryView[] {
  return placementsOf(features, counters)
    .sort((a, b) => a.offset - b.offset)
    .map(({ layout, offset }) => {
      const of = layout.$.offset === undefined ? counterAt(offset) : null;
      const what = of === null ? layout.$.name : `${layout.$.name}[${of.bank}.${of.counter}]`;
      return entryView(layout, file.words, offset, offset / 4, what);
    });
}
