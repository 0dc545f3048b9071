/** What a translation request that succeeded tells the device (fact sheet 6.2). */
import { belowHigh, belowLow, SMALLEST_SHIFT, type TranslationEntry } from '../ats/index.ts';
import { Access, isExecute, NO_PASID, type Translation } from '../iommu/index.ts';
import type { AmdFault } from './spec/index.ts';

/** What the translator knows of the page beside `t.leaf`. */
interface Page {
  readonly execute: boolean;
  readonly untranslatedOnly: boolean;
}

export function completion(t: Translation<AmdFault>, page: Page): TranslationEntry {
  const { access, leaf, pasid } = t;
  // A fault has left no rights; nothing else is known of the page then.
  const isFound = t.fault === null;
  const shift = isFound ? leaf.shift : SMALLEST_SHIFT;
  const read = (leaf.rights & Access.READ) !== 0;
  return {
    hi: isFound ? t.hpaHi & ~belowHigh(shift) : 0,
    lo: isFound ? t.hpaLo & ~belowLow(shift) : 0,
    shift,
    read,
    // NW has left no interest in writing.
    write: (access & leaf.rights & Access.WRITE) !== 0,
    execute: isExecute(t) && read && page.execute,
    privileged: pasid !== NO_PASID && (access & Access.PRIVILEGED) !== 0,
    global: false,
    // What came through without tables has none of a page's bits.
    untranslatedOnly: isFound && !t.passed && page.untranslatedOnly,
    snooped: isFound && t.snoop,
  };
}
