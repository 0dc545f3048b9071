/**
 * The exclusion range: addresses that are not translated, for all devices or for those whose entry says so. With SNPSup
 * its registers bound where COMPLETION_WAIT may store, and there is no such range.
 */
import { numberOf, pageLow, type RegisterFile } from '../bits/index.ts';
import { NO_PASID, type Translation } from '../iommu/index.ts';
import type { DeviceEntry } from './device-table.ts';
import type { Features } from './features.ts';
import { EXCLUSION_BASE, EXCLUSION_LIMIT } from './spec/index.ts';

export class ExclusionRange {
  /** ExEn, a step nearer. */
  enabled = false;
  readonly #file: RegisterFile;
  readonly #exists: boolean;

  constructor(features: Features, file: RegisterFile) {
    this.#file = file;
    this.#exists = !features.has('SNPSup');
  }

  /** Software wrote the register. */
  changed(): void {
    this.enabled = this.#exists && EXCLUSION_BASE.ExEn.isSet(this.#file.words);
  }

  /** A request of a device whose entry is this lies in the range. With a PASID its address is a guest's. */
  covers({ hi, lo, pasid }: Translation, device: DeviceEntry): boolean {
    if (!this.enabled || pasid !== NO_PASID) return false;
    const { words } = this.#file;
    if (!EXCLUSION_BASE.Allow.isSet(words) && !device.usesExclusion) return false;
    const page = numberOf(hi >>> 12, pageLow(hi, lo));
    return page >= EXCLUSION_BASE.ExclusionBase.get(words) && page <= EXCLUSION_LIMIT.ExclusionLimit.get(words);
  }
}
