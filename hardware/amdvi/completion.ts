/** What a translation request that succeeded tells the device (fact sheet 6.2). */
import type { TranslationEntry } from '../ats/index.ts';
import { Access, type Translation, translationEntry } from '../iommu/index.ts';
import type { PageQualities } from './iotlb-entry.ts';
import type { AmdFault } from './spec/index.ts';

/** `page` goes with `t.leaf`. */
export function completion(
  t: Translation<AmdFault>,
  page: Pick<PageQualities, 'execute' | 'untranslatedOnly'>,
): TranslationEntry {
  const { rights } = t.leaf;
  return translationEntry(t, {
    read: (rights & Access.READ) !== 0,
    // NW has left no interest in writing.
    write: (t.access & rights & Access.WRITE) !== 0,
    executable: page.execute,
    // What came through without tables has none of a page's bits.
    untranslatedOnly: t.fault === null && !t.passed && page.untranslatedOnly,
  });
}
