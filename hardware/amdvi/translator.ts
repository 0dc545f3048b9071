/**
 * Translation of requests by an AMD-Vi unit.
 *
 * Needs: memory operations answered for `walk`. Offers: `hit` for what the caches can answer at once without an event,
 * `walk` for every request. What software controls is read from the register file when a request needs it.
 */
import { joinHalves, numberOf, pageLow, type RegisterFile } from '../bits/index.ts';
import {
  Access,
  AddressType,
  type EntryCacheSpec,
  Era,
  FLAGS,
  FRAME_HI,
  FRAME_LO,
  type IommuProbe,
  Iotlb,
  type IotlbSpec,
  inInterruptRange,
  NO_PASID,
  type PerformanceEvents,
  RIGHTS,
  SHIFT,
  Status,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import { Contexts } from './contexts.ts';
import { type DeviceEntry, DeviceTable } from './device-table.ts';
import type { Features } from './features.ts';
import { type GuestControl, GuestTables } from './guest-tables.ts';
import { HostTables } from './host-tables.ts';
import { entryFlags, HOST_ONLY, ownerOf, pageHiOf, SNOOP, unpack } from './iotlb-entry.ts';
import {
  type AmdFault,
  CONTROL,
  CounterSource,
  DTE,
  EventCode,
  EXCLUSION_BASE,
  EXCLUSION_LIMIT,
  FAULTS,
} from './spec/index.ts';

/** Sizes of the caches; a cache that is `null` or not named is switched off. Not architectural. */
export interface TranslatorSpec {
  readonly iotlb: IotlbSpec | null;
  readonly deviceTableCache: EntryCacheSpec | null;
  readonly gcr3Cache?: EntryCacheSpec | null;
  /** Page-directory caches, each for all levels of its tables. */
  readonly hostDirectoryCache?: IotlbSpec | null;
  readonly guestDirectoryCache?: IotlbSpec | null;
}

/** What a completed walk says of the page beside `t.leaf`. */
interface Page {
  user: boolean;
  execute: boolean;
  untranslatedOnly: boolean;
  nested: boolean;
}

const ANY_PAGE: Readonly<Page> = { user: true, execute: true, untranslatedOnly: false, nested: false };

export class Translator {
  readonly features: Features;
  readonly iotlb: Iotlb | null;
  readonly devices: DeviceTable;
  readonly hosts: HostTables;
  readonly guests: GuestTables;
  readonly era = new Era();
  /** Of the page that the last walk or look-up found. */
  readonly page: Page = { ...ANY_PAGE };
  probe: IommuProbe | null = null;
  #counters: PerformanceEvents | null = null;
  readonly #file: RegisterFile;
  /** Control.IommuEn and Control.GTEn, a step nearer for `hit`. */
  #enabled = false;
  #guest = false;
  #hasExclusion = false;

  constructor(features: Features, file: RegisterFile, spec: TranslatorSpec) {
    const { era } = this;
    this.features = features;
    this.#file = file;
    this.iotlb = spec.iotlb === null ? null : new Iotlb(spec.iotlb);
    const contexts = new Contexts(() => this.clear());
    this.devices = new DeviceTable(features, file, { cache: spec.deviceTableCache, era, contexts });
    this.hosts = new HostTables(era, spec.hostDirectoryCache ?? null);
    const caches = { directory: spec.guestDirectoryCache ?? null, roots: spec.gcr3Cache ?? null };
    this.guests = new GuestTables(this.hosts, era, caches);
  }

  /** Software wrote a control or exclusion register. */
  settingsChanged(): void {
    const { words } = this.#file;
    this.#enabled = CONTROL.IommuEn.isSet(words);
    this.#guest = CONTROL.GTEn.isSet(words) && this.features.has('GTSup');
    this.#hasExclusion = EXCLUSION_BASE.ExEn.isSet(words) && !this.features.has('SNPSup');
  }

  /** Table entries as they are fetched are reported only while somebody observes. */
  observe(probe: IommuProbe | null): void {
    const { devices, hosts, guests } = this;
    for (const part of [devices, hosts, guests, hosts.directory, guests.directory]) part.probe = probe;
    this.probe = probe;
  }

  /** Whom to tell of performance events; `null` while nobody counts. */
  set counters(counters: PerformanceEvents | null) {
    this.#counters = counters;
    for (const part of [this.devices, this.hosts.directory, this.guests.directory]) part.counters = counters;
  }

  /** Empties every cache of translations. */
  clear(): void {
    const { iotlb, devices, hosts, guests } = this;
    for (const cache of [devices.cache, guests.roots]) cache?.clear();
    for (const cache of [iotlb, hosts.directory.cache, guests.directory.cache]) cache?.clear();
    this.era.end();
  }

  /** Answers an ordinary request from the caches; false when that needs more, and nothing has changed. */
  hit(t: Translation<AmdFault>): boolean {
    const { access, hi, lo } = t;
    const { iotlb } = this;
    if (iotlb === null || !this.#enabled || !t.effects || this.#counters !== null) return false;
    // Plain: untranslated, without PASID, a read or a write, no interrupt, in no range that is excepted.
    if (((t.pasid - NO_PASID) | t.addressType | (access & ~RIGHTS)) !== 0 || this.#hasExclusion) return false;
    if (inInterruptRange(hi, lo)) return false;
    const device = this.devices.cached(t.requester);
    if (device === null || !isPlain(device, access)) return false;
    const pasid = this.#guest && device.guest?.forRequestsWithoutPasid === true ? 0 : HOST_ONLY;
    const i = iotlb.find(ownerOf(device.context, pasid), pageHiOf(hi, pasid), pageLow(hi, lo));
    if (i < 0) return false;
    const { words } = iotlb;
    const flags = words[i + FLAGS]!;
    const shift = words[i + SHIFT]!;
    if ((flags & access) !== access || shift > 31) return false;
    t.status = Status.SUCCESS;
    t.fault = null;
    t.hpaHi = words[i + FRAME_HI]!;
    t.hpaLo = words[i + FRAME_LO]! | (lo & ((1 << shift) - 1));
    t.snoop = (flags & SNOOP) !== 0;
    this.probe?.hit(t.requester, joinHalves(hi, lo), numberOf(t.hpaHi, t.hpaLo));
    return true;
  }

  /** The whole procedure for one request; the answer is in `t`. */
  *walk(t: Translation<AmdFault>): Walk {
    t.begin();
    t.domain = 0;
    t.privileged = (t.access & Access.PRIVILEGED) !== 0;
    this.era.begin(t);
    Object.assign(this.page, ANY_PAGE);
    const fault = yield* this.#procedure(t);
    if (fault !== null) this.#block(t, fault);
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
    const fault = yield* this.#withEntry(t, device);
    if (fault !== null && fault.code === EventCode.IO_PAGE_FAULT) this.#suppress(t, device, fault);
    return fault;
  }

  /** SA and SE are about accesses to memory, IG about interrupts. */
  #suppress(t: Translation<AmdFault>, device: DeviceEntry, fault: AmdFault): void {
    if (fault.flags.I === 1) {
      t.faultDisable = device.interruptsValid && DTE.IG.isSet(device.words);
      return;
    }
    t.faultDisable = device.logsNone || (device.logsOnce && device.muted);
    const isLogged = answerTo(t, fault) !== 'no rights';
    if (device.logsOnce && isLogged && t.effects) device.muted = true;
  }

  *#withEntry(t: Translation<AmdFault>, device: DeviceEntry): Walk<AmdFault | null> {
    const isTranslation = t.addressType === AddressType.TRANSLATION;
    // 3. Without V untranslated accesses pass; there is no device-TLB to serve.
    if (!device.valid) {
      if (isTranslation) return FAULTS.TRANSLATION_DISABLED;
      t.pass();
      this.#count(t, CounterSource.MEM_PASS_UNTRANS);
      return null;
    }
    if (device.fault !== null) return device.fault;
    // 4. Translated and translation requests need I.
    if (t.addressType === AddressType.TRANSLATED && !device.deviceTlb) return FAULTS.PRETRANSLATED;
    if (isTranslation && !device.deviceTlb) return FAULTS.TRANSLATION_DISABLED;
    // 5. What reaches here of the interrupt range is no interrupt.
    const special = this.#checkInterruptRange(t);
    if (special !== null) return special;
    if (t.addressType === AddressType.TRANSLATED) {
      t.pass();
      this.#count(t, CounterSource.MEM_PASS_PRETRANS);
      return null;
    }
    // 6. Without TV nothing may be translated.
    if (!device.translates) return FAULTS.TV;
    // 7. The exclusion range is not translated, and nobody asks for permission.
    if (this.isExcluded(t, device)) {
      t.pass();
      this.#count(t, CounterSource.MEM_PASS_EXCL);
      return null;
    }
    // 8. Permissions of the entry.
    const wanted = t.access & RIGHTS;
    if (isTranslation ? device.rights === 0 : (wanted & ~device.rights) !== 0) return FAULTS.DTE_DENIED;
    // 9. Which tables: those of a PASID, those of the host, or none.
    const pasid = this.#pasidOf(t, device);
    if (typeof pasid !== 'number') return pasid;
    if (pasid === HOST_ONLY && device.host === null) {
      t.pass();
      t.leaf.rights = device.rights;
      t.snoop = device.snoop;
      this.#tellTranslated(t);
      return null;
    }
    return yield* this.#translate(t, device, pasid);
  }

  /** The IOTLB, then the tables. */
  *#translate(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    if (!this.#lookUp(t, device, pasid)) {
      const fault = yield* this.#walkTables(t, device, pasid);
      if (fault !== null) return fault;
      if (this.era.mayFill(t)) this.#fill(t, device, pasid);
    }
    const isGuest = pasid !== HOST_ONLY;
    const judged = this.#judge(t, device, isGuest);
    if (judged === null) this.#tellTranslated(t);
    return judged;
  }

  *#walkTables(t: Translation<AmdFault>, device: DeviceEntry, pasid: number): Walk<AmdFault | null> {
    const { page } = this;
    if (pasid === HOST_ONLY) {
      const write = (t.access & Access.WRITE) !== 0;
      const fault = yield* this.hosts.walk(t, t.leaf, device.host!, t, write);
      // Other walks may have been under way meanwhile.
      Object.assign(page, ANY_PAGE);
      page.untranslatedOnly = this.hosts.untranslatedOnly;
      return fault;
    }
    const fault = yield* this.guests.walk(t, device, pasid, this.#guestControl());
    Object.assign(page, this.guests.page);
    page.nested = device.host !== null;
    return fault;
  }

  /** Answers from `t.leaf`, unless its rights stand in the way. A translation request gets what is left of them. */
  #judge(t: Translation<AmdFault>, device: DeviceEntry, isGuest: boolean): AmdFault | null {
    const { access, leaf } = t;
    const { user, execute } = this.page;
    leaf.rights &= device.rights;
    t.succeed();
    const denied = access & RIGHTS & ~leaf.rights;
    if (t.addressType === AddressType.TRANSLATION) {
      if (isGuest && !t.privileged && !user) leaf.rights = 0;
      return null;
    }
    if (isGuest && !t.privileged && !user) return FAULTS.GUEST_USER;
    if (isGuest && (access & Access.EXECUTE) !== 0 && !execute) return FAULTS.GUEST_EXECUTE;
    if (denied === 0) return null;
    return isGuest ? FAULTS.GUEST_DENIED : FAULTS.DENIED;
  }

  /** The PASID whose guest table serves the request, HOST_ONLY, or why there is none. */
  #pasidOf(t: Translation<AmdFault>, { guest }: DeviceEntry): number | AmdFault {
    const active = this.#guest ? guest : null;
    if (t.pasid === NO_PASID) return active?.forRequestsWithoutPasid === true ? 0 : HOST_ONLY;
    if (active === null) return FAULTS.NO_GUEST_TABLE;
    return t.pasid > this.features.lastPasid ? FAULTS.PASID : t.pasid;
  }

  #checkInterruptRange(t: Translation<AmdFault>): AmdFault | null {
    if (!inInterruptRange(t.hi, t.lo)) return null;
    if (t.addressType === AddressType.TRANSLATION) return t.pasid === NO_PASID ? FAULTS.TRANSLATION_SPECIAL : null;
    const isWrite = (t.access & Access.WRITE) !== 0;
    if (t.pasid !== NO_PASID) return isWrite ? FAULTS.INTERRUPT_PASID : null;
    return isWrite ? FAULTS.INTERRUPT_RANGE_WRITE : FAULTS.INTERRUPT_RANGE_READ;
  }

  isExcluded({ hi, lo, pasid }: Translation<AmdFault>, device: DeviceEntry): boolean {
    if (!this.#hasExclusion || pasid !== NO_PASID) return false;
    const { words } = this.#file;
    if (!EXCLUSION_BASE.Allow.isSet(words) && !device.usesExclusion) return false;
    const page = numberOf(hi >>> 12, pageLow(hi, lo));
    return page >= EXCLUSION_BASE.ExclusionBase.get(words) && page <= EXCLUSION_LIMIT.ExclusionLimit.get(words);
  }

  #guestControl(): GuestControl {
    const { words } = this.#file;
    return {
      rootIsGuest: CONTROL.GCR3TRPMode.isSet(words) && this.features.has('GCR3TRPModeSup'),
      accessed: !CONTROL.GAUpdateDis.isSet(words),
      dirty: !CONTROL.GDUpdateDis.isSet(words),
    };
  }

  /** Fills `t.leaf` and `page` from the IOTLB; false when it does not have the page, or a write has to set a flag first. */
  #lookUp(t: Translation<AmdFault>, { domain, context }: DeviceEntry, pasid: number): boolean {
    const { iotlb } = this;
    if (iotlb === null) return false;
    const owner = ownerOf(context, pasid);
    const pageHi = pageHiOf(t.hi, pasid);
    const pageLo = pageLow(t.hi, t.lo);
    const i = t.effects ? iotlb.find(owner, pageHi, pageLo) : iotlb.peek(owner, pageHi, pageLo);
    if (i >= 0) unpack(iotlb, i, t, this.page);
    const found = i >= 0 && (t.leaf.dirty || (t.access & Access.WRITE) === 0);
    this.#count(t, found ? CounterSource.MEM_IOMMU_TLB_PTE_HIT : CounterSource.MEM_IOMMU_TLB_PTE_MISS);
    if (this.probe !== null) this.#tellLookUp(t, found, domain);
    return found;
  }

  #fill(t: Translation<AmdFault>, { domain, context }: DeviceEntry, pasid: number): void {
    const { iotlb } = this;
    if (iotlb === null) return;
    const { leaf } = t;
    const i = iotlb.insert(ownerOf(context, pasid), pageHiOf(t.hi, pasid), pageLow(t.hi, t.lo), leaf.shift);
    iotlb.fill(i, leaf.frameHi, leaf.frameLo, entryFlags(t, this.page), domain, pasid);
  }

  /** Ends the request with the answer that its kind gets for a condition. */
  #block(t: Translation<AmdFault>, fault: AmdFault): void {
    const answer = answerTo(t, fault);
    t.fault = fault;
    t.leaf.rights = 0;
    t.status = STATUS[answer];
    t.recorded = answer !== 'no rights' && !(fault.code === EventCode.IO_PAGE_FAULT && t.faultDisable);
    if (t.status === Status.COMPLETER_ABORT) this.#count(t, CounterSource.MEM_TARGET_ABORT);
  }

  #count(t: Translation<AmdFault>, event: number): void {
    if (this.#counters !== null && t.effects) this.#counters.count(event, t.requester, t.domain, t.pasid, 0);
  }

  #tellLookUp(t: Translation<AmdFault>, found: boolean, domain: number): void {
    const address = joinHalves(t.hi, t.lo);
    this.probe?.cache('IOTLB', found, `domain ${domain}, ${address}`);
    if (!t.effects) return;
    if (found) this.probe?.hit(t.requester, address, numberOf(t.leaf.frameHi, t.leaf.frameLo));
    else this.probe?.miss(t.requester, address);
  }

  #tellTranslated(t: Translation<AmdFault>): void {
    this.#count(t, CounterSource.MEM_TRANS_TOTAL);
    if (this.probe === null || !t.effects) return;
    this.probe.translated(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo), t.leaf.shift);
  }
}

const STATUS = {
  'target abort': Status.COMPLETER_ABORT,
  blocked: Status.UNSUPPORTED_REQUEST,
  'no rights': Status.SUCCESS,
  UR: Status.UNSUPPORTED_REQUEST,
  CA: Status.COMPLETER_ABORT,
} as const;

function answerTo(t: Translation<AmdFault>, fault: AmdFault): keyof typeof STATUS {
  return t.addressType === AddressType.TRANSLATION ? fault.translation : fault.answer;
}

/** The entry lets the IOTLB answer by itself. */
function isPlain({ valid, fault, translates, rights }: DeviceEntry, access: number): boolean {
  return valid && fault === null && translates && (access & ~rights) === 0;
}
