/** What SRTP takes over from RTADDR, and what the translation table mode in it means for a request (VT-d 7.1.3, RTA). */
import { NO_PASID, type Translation } from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import { FAULTS, type Fault, TranslationTableMode } from './spec/index.ts';

export interface RootPointer {
  readonly mode: number;
  readonly table: number;
  /** SSIRWE. */
  readonly ioRights: boolean;
}

/** The condition that the mode puts in a request's way. */
export function checkMode(
  t: Translation<Fault>,
  { mode, ioRights }: RootPointer,
  capabilities: Capabilities,
): Fault | null {
  switch (mode) {
    case TranslationTableMode.LEGACY:
      if (ioRights) return FAULTS.RTA_1_4;
      return t.pasid === NO_PASID ? null : FAULTS.RTA_2;
    case TranslationTableMode.SCALABLE:
      return modeExists(mode, capabilities) ? null : FAULTS.RTA_1_3;
    case TranslationTableMode.ABORT_DMA:
      return modeExists(mode, capabilities) ? FAULTS.RTA_4 : FAULTS.RTA_1_1;
    default:
      return FAULTS.RTA_1_2;
  }
}

/** The unit has this mode. */
function modeExists(mode: number, capabilities: Capabilities): boolean {
  if (mode === TranslationTableMode.SCALABLE) return capabilities.has('SMTS');
  return mode === TranslationTableMode.LEGACY || capabilities.has('ADMS');
}

/** Requests are translated, and the IOTLB may answer them by itself. */
export function translates({ mode, ioRights }: RootPointer, capabilities: Capabilities): boolean {
  const isTranslating = mode === TranslationTableMode.SCALABLE || (mode === TranslationTableMode.LEGACY && !ioRights);
  return isTranslating && modeExists(mode, capabilities);
}
