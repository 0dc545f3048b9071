/**
 * Translation of requests by an AMD-Vi unit.
 *
 * Needs: memory at hand for `quick`, operations answered for `walk`. Offers: `hit` and `quick` for what can be answered at
 * once without an event, `walk` for every request. What software controls is read from the register file when a request needs it.
 */
import { pageLow, type RegisterFile } from '../bits/index.ts';
import { v1Exceeds } from '../formats/index.ts';
import * as iommu from '../iommu/index.ts';
import {
  Access,
  AddressType,
  type EntryCache,
  Era,
  type IommuProbe,
  Iotlb,
  type PerformanceEvents,
  rightsToWrite,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { CachedTranslations } from './cached-translations.ts';
import { Contexts } from './contexts.ts';
import * as deviceTable from './device-table.ts';
import { type DeviceEntry, DeviceTable } from './device-table.ts';
import { ExclusionRange } from './exclusion-range.ts';
import type { Features } from './features.ts';
import { GuestTables } from './guest-tables.ts';
import { HostTables } from './host-tables.ts';
import * as iotlbEntry from './iotlb-entry.ts';
import { ANY_PAGE, ownerOf, type PageQualities, pageHiOf, unpack } from './iotlb-entry.ts';
import { block, checkInterruptRange, judge, suppress } from './judgement.ts';
import { type AmdFault, CONTROL, CounterSource, EventCode, FAULTS } from './spec/index.ts';
import type { TranslatorSpec } from './translator-spec.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes of a hit.
const { FLAGS, FRAME_HI, FRAME_LO, inInterruptRange, NO_PASID, RIGHTS, SHIFT, Status, Step } = iommu;
const { HOST_ONLY, SNOOP } = iotlbEntry;
const { PLAIN } = deviceTable;
const { SUCCESS } = Status;

export class Translator {
  readonly features: Features;
  readonly iotlb: Iotlb | null;
  readonly devices: DeviceTable;
  readonly hosts: HostTables;
  readonly guests: GuestTables;
  readonly exclusion: ExclusionRange;
  readonly era = new Era();
  /** Of the page that the last walk or look-up found. */
  readonly page: PageQualities = { ...ANY_PAGE };
  probe: IommuProbe | null = null;
  readonly #file: RegisterFile;
  /** The same IOTLB as the steps use it. */
  readonly #cached: CachedTranslations;
  /** Control.IommuEn. */
  #enabled = false;
  /** The IOTLB while it can answer with cached entries of devices: the unit is on, no range is excepted, and nobody counts. */
  #plain: Iotlb | null = null;
  readonly #entries: EntryCache<DeviceEntry> | null;
  /** The device's entry where the last `hit` found nothing in the IOTLB, and that alone kept it from answering. */
  #missed: DeviceEntry | null = null;
  /** Whose page it was, where guest tables might have served it. */
  #missedPasid = HOST_ONLY;

  constructor(features: Features, file: RegisterFile, spec: TranslatorSpec) {
    const { era } = this;
    this.features = features;
    this.#file = file;
    this.iotlb = spec.iotlb === null ? null : new Iotlb(spec.iotlb);
    this.#cached = new CachedTranslations(this.iotlb, this.page);
    this.exclusion = new ExclusionRange(features, file);
    const contexts = new Contexts(() => this.clear());
    this.devices = new DeviceTable(features, file, { cache: spec.deviceTableCache, era, contexts });
    this.#entries = this.devices.cache;
    this.hosts = new HostTables(era, spec.hostDirectoryCache ?? null);
    const caches = { directory: spec.guestDirectoryCache ?? null, roots: spec.gcr3Cache ?? null };
    this.guests = new GuestTables(this.hosts, features, { era, ...caches });
  }

  /** Software wrote a control or exclusion register. */
  settingsChanged(): void {
    const { words } = this.#file;
    this.#enabled = CONTROL.IommuEn.isSet(words);
    this.guests.controlChanged(words);
    this.exclusion.changed();
    this.#choosePlain();
  }

  /** Table entries as they are fetched are reported only while somebody observes. */
  observe(probe: IommuProbe | null): void {
    const { devices, hosts, guests } = this;
    const parts = [devices, hosts, hosts.directory, guests, guests.gcr3, guests.directory, this.#cached];
    for (const part of parts) part.probe = probe;
    this.probe = probe;
  }

  /** Whom to tell of performance events; `null` while nobody counts. */
  set counters(counters: PerformanceEvents | null) {
    const { devices, hosts, guests } = this;
    for (const part of [devices, hosts.directory, guests.directory, this.#cached]) part.counters = counters;
    this.#choosePlain();
  }

  #choosePlain(): void {
    const mayHit = this.#enabled && !this.exclusion.enabled && this.#cached.counters === null;
    this.#plain = mayHit && this.#entries !== null ? this.iotlb : null;
  }

  /** Empties every cache of translations. */
  clear(): void {
    const { iotlb, devices, hosts, guests } = this;
    for (const cache of [devices.cache, guests.gcr3.cache]) cache?.clear();
    for (const cache of [iotlb, hosts.directory.cache, guests.directory.cache]) cache?.clear();
    this.era.end();
  }

  /**
   * Answers an ordinary request from the caches; false when that needs more, and nothing has changed. What is rare stands
   * in a function of its own, so that V8's budget for inlining is enough for what is not.
   */
  hit(t: Translation<AmdFault>): boolean {
    const { access, hi, lo } = t;
    const iotlb = this.#plain;
    this.#missed = null;
    if (iotlb === null || t.effects !== true) return false;
    // Plain: untranslated, a read or a write, no interrupt.
    if ((t.addressType | (access & ~RIGHTS)) !== 0 || inInterruptRange(hi, lo)) return false;
    const device = this.#entries!.find(t.requester);
    if (device === null || ((access | PLAIN) & ~device.grants) !== 0) return false;
    if (t.pasid !== NO_PASID || device.guest !== null) return this.#hitInGuest(t, device);
    const i = iotlb.find(device.context, hi >>> 12, (lo >>> 12) | (hi << 20));
    if (i < 0) {
      this.#missed = device;
      return false;
    }
    const { words } = iotlb;
    const flags = words[i + FLAGS]!;
    if ((flags & access) !== access) return false;
    t.status = SUCCESS;
    t.fault = null;
    t.hpaHi = words[i + FRAME_HI]!;
    t.hpaLo = words[i + FRAME_LO]! | (lo & ((1 << words[i + SHIFT]!) - 1));
    t.snoop = (flags & SNOOP) !== 0;
    if (this.probe !== null) this.#cached.tellHit(t);
    return true;
  }

  /** As `hit`, for a request that guest tables may serve. */
  #hitInGuest(t: Translation<AmdFault>, device: DeviceEntry): boolean {
    const iotlb = this.#plain!;
    const pasid = this.guests.pasidOf(t, device);
    if (typeof pasid !== 'number') return false;
    const i = iotlb.find(ownerOf(device.context, pasid), pageHiOf(t.hi, pasid), pageLow(t.hi, t.lo));
    if (i < 0) {
      this.#missed = device;
      this.#missedPasid = pasid;
    }
    if (i < 0 || (iotlb.words[i + FLAGS]! & t.access) !== t.access) return false;
    unpack(iotlb, i, t, this.page);
    t.succeed();
    t.status = SUCCESS;
    t.fault = null;
    if (this.probe !== null) this.#cached.tellHit(t);
    return true;
  }

  /**
   * Answers the request that `hit` has just missed from tables that lie clean in memory; false when the request needs the
   * whole procedure.
   */
  quick(t: Translation<AmdFault>, memory: PhysicalMemory): boolean {
    const device = this.#missed;
    if (device === null || this.probe !== null) return false;
    const { hosts, guests, page } = this;
    const { host, guest } = device;
    const pasid = t.pasid === NO_PASID && guest === null ? HOST_ONLY : this.#missedPasid;
    const { leaf } = t;
    page.user = true;
    page.execute = true;
    if (pasid !== HOST_ONLY) {
      if (guests.quick(memory, t, device, pasid) !== true) return false;
      page.execute = guests.page.execute;
    } else if (host === null || hosts.quick(memory, leaf, host, t.access, t.hi, t.lo) !== true) return false;
    page.nested = pasid !== HOST_ONLY && host !== null;
    page.untranslatedOnly = host !== null && hosts.untranslatedOnly;
    t.begin();
    t.domain = device.domain;
    this.#cached.fill(t, device, pasid, true);
    leaf.rights &= device.rights;
    t.hpaHi = leaf.frameHi;
    t.hpaLo = leaf.frameLo | (t.lo & ((1 << leaf.shift) - 1));
    t.snoop = leaf.snoop === true;
    t.passed = false;
    return true;
  }

  /** Begins the walk of the request that `hit` has just missed, entry by entry; false when only `walk` knows the way. */
  begin(t: Translation<AmdFault>): boolean {
    const device = this.#missed;
    if (device === null || this.probe !== null) return false;
    const { host, guest } = device;
    if (host === null || guest !== null || t.pasid !== NO_PASID || v1Exceeds(host.level, t.hi, t.lo)) return false;
    t.begin();
    t.domain = device.domain;
    this.era.begin(t);
    this.hosts.steps.begin(t, device, host);
    return true;
  }

  /** Reads the next entry: a value of `Step`. */
  step(t: Translation<AmdFault>, memory: PhysicalMemory): number {
    const device = t.steps.space as DeviceEntry;
    const end = this.hosts.steps.step(memory, t, device.host!);
    if (end !== Step.DONE) return end;
    const { page } = this;
    Object.assign(page, ANY_PAGE);
    page.untranslatedOnly = this.hosts.steps.untranslatedOnly;
    if (this.era.mayFill(t)) this.#cached.fill(t, device, HOST_ONLY, false);
    t.leaf.rights &= device.rights;
    t.succeed();
    return end;
  }

  /** The whole procedure for one request; the answer is in `t`. */
  *walk(t: Translation<AmdFault>): Walk {
    t.begin();
    t.domain = 0;
    t.privileged = (t.access & Access.PRIVILEGED) !== 0;
    this.era.begin(t);
    Object.assign(this.page, ANY_PAGE);
    this.#end(t, yield* this.#procedure(t));
  }

  /** The whole procedure from where `begin` stood. */
  *resume(t: Translation<AmdFault>): Walk {
    const device = t.steps.space as DeviceEntry;
    this.#end(t, this.#suppressed(t, device, yield* this.#inTables(t, device, HOST_ONLY)));
  }

  #end(t: Translation<AmdFault>, fault: AmdFault | null): void {
    if (fault === null) return;
    block(t, fault);
    if (t.status === Status.COMPLETER_ABORT) this.#cached.count(t, CounterSource.MEM_TARGET_ABORT);
  }

  *#procedure(t: Translation<AmdFault>): Walk<AmdFault | null> {
    // 1. The unit is off: everything passes, but there is nobody to answer a translation request.
    if (!this.#enabled) {
      if (t.addressType !== AddressType.TRANSLATION) t.pass();
      else t.status = Status.UNSUPPORTED_REQUEST;
      return null;
    }
    // 2. The device table entry.
    const device = yield* this.devices.find(t);
    if ('code' in device) return device;
    t.domain = device.domain;
    return this.#suppressed(t, device, yield* this.#withEntry(t, device));
  }

  #suppressed(t: Translation<AmdFault>, device: DeviceEntry, fault: AmdFault | null): AmdFault | null {
    if (fault !== null && fault.code === EventCode.IO_PAGE_FAULT) suppress(t, device, fault);
    return fault;
  }

  *#withEntry(t: Translation<AmdFault>, device: DeviceEntry): Walk<AmdFault | null> {
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
    if (this.exclusion.covers(t, device)) return this.#pass(t, CounterSource.MEM_PASS_EXCL);
    // 8. Permissions of the entry.
    const wanted = t.access & RIGHTS;
    if (isTranslation ? device.rights === 0 : (wanted & ~device.rights) !== 0) return FAULTS.DTE_DENIED;
    // 9. Which tables: those of a PASID, those of the host, or none.
    const pasid = this.guests.pasidOf(t, device);
    if (typeof pasid !== 'number') return pasid;
    if (pasid === HOST_ONLY && device.host === null) {
      this.#pass(t, CounterSource.MEM_TRANS_TOTAL);
      t.leaf.rights = device.rights;
      t.snoop = device.snoop;
      this.#cached.tellTranslated(t);
      return null;
    }
    return yield* this.#translate(t, device, pasid);
  }

  /** The address is used as it is, which is counted. */
  #pass(t: Translation<AmdFault>, event: number): null {
    t.pass();
    this.#cached.count(t, event);
    return null;
  }

  /** The IOTLB, then the tables. */
  *#translate(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    if (!this.#cached.lookUp(t, device, pasid)) return yield* this.#inTables(t, device, pasid);
    return this.#judged(t, device, pasid);
  }

  *#inTables(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    const fault = yield* this.#walkTables(t, device, pasid);
    if (fault !== null) return fault;
    if (this.era.mayFill(t)) this.#cached.fill(t, device, pasid, false);
    const judged = this.#judged(t, device, pasid);
    if (judged === null) this.#cached.tellTranslated(t);
    return judged;
  }

  #judged(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): AmdFault | null {
    const judged = judge(t, device, this.page, pasid !== HOST_ONLY);
    if (judged === null) this.#cached.count(t, CounterSource.MEM_TRANS_TOTAL);
    return judged;
  }

  *#walkTables(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    const { page } = this;
    if (pasid === HOST_ONLY) {
      const fault = yield* this.hosts.walk(t, t.leaf, device.host!, t, rightsToWrite(t));
      // Other walks may have been under way meanwhile.
      Object.assign(page, ANY_PAGE);
      page.untranslatedOnly = this.hosts.untranslatedOnly;
      return fault;
    }
    const fault = yield* this.guests.walk(t, device, pasid);
    Object.assign(page, this.guests.page);
    page.nested = device.host !== null;
    return fault;
  }
}
