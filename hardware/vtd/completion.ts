/** What a translation request that succeeded tells the device (VT-d 4.2.3). */
import { belowHigh, belowLow, SMALLEST_SHIFT, type TranslationEntry } from '../ats/index.ts';
import { Access, inInterruptRange, isExecute, NO_PASID, type Translation } from '../iommu/index.ts';
import type { Fault } from './spec/index.ts';

export function completion(t: Translation<Fault>): TranslationEntry {
  const { access, leaf, pasid } = t;
  // A fault has left no rights; nothing else is known of the page then.
  const isFound = t.fault === null;
  const shift = isFound ? leaf.shift : SMALLEST_SHIFT;
  // NW of a unit that heeds it has left no interest in writing.
  const mayWrite = (access & Access.WRITE) !== 0;
  // The interrupt range is no memory: the device has to write there itself (S.1 and S.2).
  const isInterrupts = pasid === NO_PASID && inInterruptRange(t.hi, t.lo);
  const read = !isInterrupts && (leaf.rights & Access.READ) !== 0;
  return {
    hi: isFound ? t.hpaHi & ~belowHigh(shift) : 0,
    lo: isFound ? t.hpaLo & ~belowLow(shift) : 0,
    shift,
    read,
    write: mayWrite && (isInterrupts || (leaf.rights & Access.WRITE) !== 0),
    execute: isExecute(t) && read && leaf.executable,
    privileged: pasid !== NO_PASID && (access & Access.PRIVILEGED) !== 0,
    global: false,
    untranslatedOnly: isInterrupts && mayWrite,
    snooped: isFound && t.snoop,
  };
}
