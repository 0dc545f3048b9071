/**
 * Translation of requests by an AMD-Vi unit, from whom of its parts the answer may come.
 *
 * Needs: memory at hand for `answer` and `step`, operations answered for `walk`. Offers: `hit`, what the caches answer alone;
 * `answer`, what can be answered at once without an event; the same entry by entry (`begin`, `step`, `resume`); `walk` for
 * every request. What software controls is read from the register file when a request needs it.
 */
import { pageLow, type RegisterFile } from '../bits/index.ts';
import * as iommu from '../iommu/index.ts';
import {
  type EntryCache,
  Era,
  type IommuProbe,
  Iotlb,
  type PerformanceEvents,
  stepThrough,
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
import { Procedure } from './procedure.ts';
import { type AmdFault, CONTROL } from './spec/index.ts';
import { SteppedWalks } from './stepped-walks.ts';
import type { TranslatorSpec } from './translator-spec.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes of a hit.
const { FLAGS, FRAME_HI, FRAME_LO, inInterruptRange, NO_PASID, RIGHTS, SHIFT, Status } = iommu;
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
  readonly #stepped: SteppedWalks;
  readonly #procedure: Procedure;
  /** The IOTLB while it can answer with cached entries of devices: the unit is on, no range is excepted, and nobody counts. */
  #plain: Iotlb | null = null;
  /** The probe, or else who counts: public and null as the probe was, because a hit has no byte to spare (bench/README.md). */
  observer: IommuProbe | PerformanceEvents | null = null;
  readonly #entries: EntryCache<DeviceEntry> | null;
  /** Whose page the last `hit` has missed, where guest tables might have served it. */
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
    this.#cached.devices = this.#entries;
    this.hosts = new HostTables(era, spec.hostDirectoryCache ?? null);
    const caches = { directory: spec.guestDirectoryCache ?? null, roots: spec.gcr3Cache ?? null };
    this.guests = new GuestTables(this.hosts, features, { era, ...caches });
    const { devices, exclusion, hosts, guests, page } = this;
    const cached = this.#cached;
    this.#stepped = new SteppedWalks({ era, hosts, cached, page });
    this.#procedure = new Procedure({ era, cached, devices, exclusion, hosts, guests, page });
  }

  /** Software wrote a control or exclusion register. */
  settingsChanged(): void {
    const { words } = this.#file;
    this.#procedure.enabled = CONTROL.IommuEn.isSet(words);
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
    this.observer = probe ?? this.#cached.counters;
  }

  /** Whom to tell of performance events; `null` while nobody counts. */
  set counters(counters: PerformanceEvents | null) {
    const { devices, hosts, guests } = this;
    const parts = [devices, hosts, hosts.directory, guests, guests.directory, this.#cached];
    for (const part of parts) part.counters = counters;
    this.observer = this.probe ?? counters;
  }

  #choosePlain(): void {
    const mayHit = this.#procedure.enabled && !this.exclusion.enabled;
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
    t.missed = false;
    if (iotlb === null || t.effects !== true) return false;
    // Plain: untranslated, a read or a write, no interrupt.
    if ((t.addressType | (access & ~RIGHTS)) !== 0 || inInterruptRange(hi, lo)) return false;
    const device = this.#entries!.find(t.requester);
    if (device === null || ((access | PLAIN) & ~device.grants) !== 0) return false;
    if (t.pasid !== NO_PASID || device.guest !== null) return this.#hitInGuest(t, device);
    const i = iotlb.find(device.context, hi >>> 12, (lo >>> 12) | (hi << 20));
    if (i < 0) {
      t.missed = true;
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
    if (this.observer !== null) this.#cached.tellHit(t);
    return true;
  }

  /** As `hit`, for a request that guest tables may serve. */
  #hitInGuest(t: Translation<AmdFault>, device: DeviceEntry): boolean {
    const iotlb = this.#plain!;
    const pasid = this.guests.pasidOf(t, device);
    if (typeof pasid !== 'number') return false;
    const i = iotlb.find(ownerOf(device.context, pasid), pageHiOf(t.hi, pasid), pageLow(t.hi, t.lo));
    if (i < 0) {
      t.missed = true;
      this.#missedPasid = pasid;
    }
    if (i < 0 || (iotlb.words[i + FLAGS]! & t.access) !== t.access) return false;
    unpack(iotlb, i, t, this.page);
    t.succeed();
    t.status = SUCCESS;
    t.fault = null;
    if (this.observer !== null) this.#cached.tellHit(t);
    return true;
  }

  /** Answers it from tables that lie clean in memory. */
  #quick(t: Translation<AmdFault>, memory: PhysicalMemory): boolean {
    if (t.missed !== true || this.observer !== null) return false;
    const device = this.#entries!.find(t.requester)!;
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

  /** Answers the request that `hit` has just missed now; false when it needs the whole procedure. */
  answer(t: Translation<AmdFault>, memory: PhysicalMemory): boolean {
    return this.#quick(t, memory) || stepThrough(this, t, memory);
  }

  /**
   * Begins the walk of a request that `hit` has missed, entry by entry; false when only `walk` knows the way. Time may have
   * passed since.
   */
  begin(t: Translation<AmdFault>): boolean {
    if (t.missed !== true || this.#plain === null || this.observer !== null) return false;
    const device = this.#entries!.find(t.requester);
    if (device === null || ((t.access | PLAIN) & ~device.grants) !== 0) return false;
    t.begin();
    return this.#stepped.begin(t, device);
  }

  /** Reads the next entry: a value of `Step`. */
  step(t: Translation<AmdFault>, memory: PhysicalMemory): number {
    return this.#stepped.step(t, memory);
  }

  /** The whole procedure from where `begin` stood. */
  resume(t: Translation<AmdFault>): Walk {
    return this.#procedure.resume(t);
  }

  /** The whole procedure for one request; the answer is in `t`. */
  walk(t: Translation<AmdFault>): Walk {
    return this.#procedure.walk(t);
  }
}
