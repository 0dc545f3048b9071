/** What a translation request that succeeded tells the device (VT-d 4.2.3). */
import type { TranslationEntry } from '../ats/index.ts';
import { Access, inInterruptRange, NO_PASID, type Translation, translationEntry } from '../iommu/index.ts';
import type { Fault } from './spec/index.ts';

export function completion(t: Translation<Fault>): TranslationEntry {
  const { rights, executable } = t.leaf;
  // NW of a unit that heeds it has left no interest in writing.
  const mayWrite = (t.access & Access.WRITE) !== 0;
  // The interrupt range is no memory: the device has to write there itself (S.1 and S.2).
  const isInterrupts = t.pasid === NO_PASID && inInterruptRange(t.hi, t.lo);
  return translationEntry(t, {
    read: !isInterrupts && (rights & Access.READ) !== 0,
    write: mayWrite && (isInterrupts || (rights & Access.WRITE) !== 0),
    executable,
    untranslatedOnly: isInterrupts && mayWrite,
  });
}
