/**
 * The whole procedure for a request, in numbered steps. What software controls is set by the translator (`enabled`) or read
 * from the register file when a request needs it.
 */
import {
  Access,
  AddressType,
  type Era,
  RIGHTS,
  rightsToWrite,
  Status,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { CachedTranslations } from './cached-translations.ts';
import type { DeviceEntry, DeviceTable } from './device-table.ts';
import type { ExclusionRange } from './exclusion-range.ts';
import type { GuestTables } from './guest-tables.ts';
import type { HostTables } from './host-tables.ts';
import { ANY_PAGE, HOST_ONLY, type PageQualities } from './iotlb-entry.ts';
import { block, checkInterruptRange, judge, suppressed } from './judgement.ts';
import { type AmdFault, CounterSource, FAULTS } from './spec/index.ts';

/** What a request may come to on its way. */
interface Parts {
  readonly era: Era;
  readonly cached: CachedTranslations;
  readonly devices: DeviceTable;
  readonly exclusion: ExclusionRange;
  readonly hosts: HostTables;
  readonly guests: GuestTables;
  /** Of the page that the last walk or look-up found. */
  readonly page: PageQualities;
}

export class Procedure {
  /** Control.IommuEn. */
  enabled = false;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The whole procedure; the answer is in `t`. */
  *walk(t: Translation<AmdFault>): Walk {
    t.begin();
    t.domain = 0;
    t.privileged = (t.access & Access.PRIVILEGED) !== 0;
    this.#parts.era.begin(t);
    Object.assign(this.#parts.page, ANY_PAGE);
    this.#end(t, yield* this.#steps(t));
  }

  /** From where a walk in steps began. */
  *resume(t: Translation<AmdFault>): Walk {
    const device = t.steps.space as DeviceEntry;
    this.#end(t, suppressed(t, device, yield* this.#inTables(t, device, HOST_ONLY)));
  }

  #end(t: Translation<AmdFault>, fault: AmdFault | null): void {
    if (fault === null) return;
    block(t, fault);
    if (t.status === Status.COMPLETER_ABORT) this.#parts.cached.count(t, CounterSource.MEM_TARGET_ABORT);
  }

  *#steps(t: Translation<AmdFault>): Walk<AmdFault | null> {
    // 1. The unit is off: everything passes, but there is nobody to answer a translation request.
    if (!this.enabled) {
      if (t.addressType !== AddressType.TRANSLATION) t.pass();
      else t.status = Status.UNSUPPORTED_REQUEST;
      return null;
    }
    // 2. The device table entry.
    const device = yield* this.#parts.devices.find(t);
    if ('code' in device) return device;
    t.domain = device.domain;
    return suppressed(t, device, yield* this.#withEntry(t, device));
  }

  *#withEntry(t: Translation<AmdFault>, device: DeviceEntry): Walk<AmdFault | null> {
    const { exclusion, guests, cached } = this.#parts;
    const isTranslation = t.addressType === AddressType.TRANSLATION;
    // 3. Without V untranslated accesses pass; there is no device-TLB to serve.
    if (!device.valid) {
      if (isTranslation) return FAULTS.TRANSLATION_DISABLED;
      return this.#pass(t, CounterSource.MEM_PASS_UNTRANS);
    }
    if (device.fault !== null) return device.fault;
    // 4. Translated and translation requests need I.
    if (t.addressType === AddressType.TRANSLATED && !device.deviceTlb) return FAULTS.PRETRANSLATED;
    if (isTranslation && !device.deviceTlb) return FAULTS.TRANSLATION_DISABLED;
    // 5. What reaches here of the interrupt range is no interrupt.
    const special = checkInterruptRange(t);
    if (special !== null) return special;
    if (t.addressType === AddressType.TRANSLATED) return this.#pass(t, CounterSource.MEM_PASS_PRETRANS);
    // 6. Without TV nothing may be translated.
    if (!device.translates) return FAULTS.TV;
    // 7. The exclusion range is not translated, and nobody asks for permission.
    if (exclusion.covers(t, device)) return this.#pass(t, CounterSource.MEM_PASS_EXCL);
    // 8. Permissions of the entry.
    const wanted = t.access & RIGHTS;
    if (isTranslation ? device.rights === 0 : (wanted & ~device.rights) !== 0) return FAULTS.DTE_DENIED;
    // 9. Which tables: those of a PASID, those of the host, or none.
    const pasid = guests.pasidOf(t, device);
    if (typeof pasid !== 'number') return pasid;
    if (pasid === HOST_ONLY && device.host === null) {
      this.#pass(t, CounterSource.MEM_TRANS_TOTAL);
      t.leaf.rights = device.rights;
      t.snoop = device.snoop;
      cached.tellTranslated(t);
      return null;
    }
    return yield* this.#translate(t, device, pasid);
  }

  /** The address is used as it is, which is counted. */
  #pass(t: Translation<AmdFault>, event: number): null {
    t.pass();
    this.#parts.cached.count(t, event);
    return null;
  }

  /** The IOTLB, then the tables. */
  *#translate(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    if (!this.#parts.cached.lookUp(t, device, pasid)) return yield* this.#inTables(t, device, pasid);
    return this.#judged(t, device, pasid);
  }

  *#inTables(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    const { era, cached } = this.#parts;
    const fault = yield* this.#walkTables(t, device, pasid);
    if (fault !== null) return fault;
    if (era.mayFill(t)) cached.fill(t, device, pasid, false);
    const judged = this.#judged(t, device, pasid);
    if (judged === null) cached.tellTranslated(t);
    return judged;
  }

  #judged(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): AmdFault | null {
    const { page, cached } = this.#parts;
    const judged = judge(t, device, page, pasid !== HOST_ONLY);
    if (judged === null) cached.count(t, CounterSource.MEM_TRANS_TOTAL);
    return judged;
  }

  *#walkTables(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    const { hosts, guests, page } = this.#parts;
    if (pasid === HOST_ONLY) {
      const fault = yield* hosts.walk(t, t.leaf, device.host!, t, rightsToWrite(t));
      // Other walks may have been under way meanwhile.
      Object.assign(page, ANY_PAGE);
      page.untranslatedOnly = hosts.untranslatedOnly;
      return fault;
    }
    const fault = yield* guests.walk(t, device, pasid);
    Object.assign(page, guests.page);
    page.nested = device.host !== null;
    return fault;
  }
}
