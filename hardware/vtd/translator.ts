/**
 * Translation of requests by a VT-d unit, from whom of its parts the answer may come.
 *
 * Needs: memory at hand for `answer` and `step`, operations answered for `walk`. Offers: `hit`, what the IOTLB answers alone;
 * `answer`, what can be answered at once without a fault; the same entry by entry (`begin`, `step`, `resume`); `walk` for
 * every request. What software controls is set by the unit: `enabled` and `root`.
 */
import { pageLow } from '../bits/index.ts';
import * as iommu from '../iommu/index.ts';
import {
  Access,
  AddressType,
  type EntryCacheSpec,
  Era,
  type IommuProbe,
  Iotlb,
  type IotlbSpec,
  stepThrough,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { CachedTranslations } from './cached-translations.ts';
import type { Capabilities } from './capabilities.ts';
import { FirstStage } from './first-stage.ts';
import { HostPermissionTable } from './host-permission.ts';
import * as iotlbEntry from './iotlb-entry.ts';
import { ownerOf, pageHiOf, unpack } from './iotlb-entry.ts';
import { LegacyTables } from './legacy-tables.ts';
import { PasidFormat } from './pasid-format.ts';
import type { PerformanceEvents } from './performance-events.ts';
import { Procedure } from './procedure.ts';
import { type RootPointer, translates } from './root-pointer.ts';
import { ScalableTables } from './scalable-tables.ts';
import { SecondStage } from './second-stage.ts';
import type { Space } from './space.ts';
import * as spaces from './space.ts';
import type { Fault } from './spec/index.ts';
import * as spec from './spec/index.ts';
import { SteppedWalks } from './stepped-walks.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes of a hit.
const { exceeds, FLAGS, FRAME_HI, FRAME_LO, inInterruptRange, NO_PASID, RIGHTS, SHIFT, Status } = iommu;
const { SNOOP } = iotlbEntry;
const { Kind } = spaces;
const { TranslationTableMode } = spec;

/** What an access that the IOTLB can answer alone may ask for. */
const ORDINARY = RIGHTS | Access.PRIVILEGED;

/** Sizes of the caches; a cache that is `null` or not named is switched off. Not architectural. */
export interface TranslatorSpec {
  readonly iotlb: IotlbSpec | null;
  readonly contextCache: EntryCacheSpec | null;
  readonly pasidCache?: EntryCacheSpec | null;
  /** Paging-structure caches, each for all levels of its stage. */
  readonly firstStageCache?: IotlbSpec | null;
  readonly secondStageCache?: IotlbSpec | null;
  /**
   * An invalidation of pages that is not for leaves alone forgets all second-stage structures of its domain, which is more than is
   * asked for and allowed; by default those on the way to these pages.
   */
  readonly forgetsWholeStructures?: boolean;
  readonly hostPermissionCache?: IotlbSpec | null;
  /** The platform's promise that walks are coherent, whatever the entries say. */
  readonly assumeCoherentWalks?: boolean;
}

export class Translator {
  readonly capabilities: Capabilities;
  readonly iotlb: Iotlb | null;
  readonly legacy: LegacyTables;
  readonly scalable: ScalableTables;
  readonly firstStage: FirstStage;
  readonly secondStage: SecondStage;
  readonly hostPermissions: HostPermissionTable;
  readonly forgetsWholeStructures: boolean;
  readonly era = new Era();
  probe: IommuProbe | null = null;
  /** The same IOTLB as the steps use it. */
  readonly #cached: CachedTranslations;
  readonly #stepped: SteppedWalks;
  readonly #procedure: Procedure;
  #isLegacy = true;
  /** The IOTLB while it can answer by itself: remapping is on, in a mode that translates. */
  #plain: Iotlb | null = null;

  constructor(capabilities: Capabilities, spec: TranslatorSpec) {
    const { era } = this;
    const caches = { contexts: spec.contextCache, pasids: spec.pasidCache ?? null };
    const format = new PasidFormat(capabilities, spec.assumeCoherentWalks ?? false);
    this.capabilities = capabilities;
    this.forgetsWholeStructures = spec.forgetsWholeStructures ?? false;
    this.iotlb = spec.iotlb === null ? null : new Iotlb(spec.iotlb);
    this.#cached = new CachedTranslations(this.iotlb);
    this.secondStage = new SecondStage(capabilities.secondStageRules, era, spec.secondStageCache ?? null);
    this.firstStage = new FirstStage(capabilities, this.secondStage, era, spec.firstStageCache ?? null);
    this.legacy = new LegacyTables(capabilities, spec.contextCache, era);
    this.scalable = new ScalableTables(capabilities, caches, era, format);
    this.hostPermissions = new HostPermissionTable(capabilities, era, spec.hostPermissionCache ?? null);
    const { legacy, scalable, firstStage, secondStage, hostPermissions } = this;
    const cached = this.#cached;
    this.#stepped = new SteppedWalks({ era, secondStage, cached });
    const stages = { firstStage, secondStage, hostPermissions };
    this.#procedure = new Procedure({ capabilities, era, cached, legacy, scalable, ...stages });
  }

  /** GSTS.TES. */
  get enabled(): boolean {
    return this.#procedure.enabled;
  }

  set enabled(enabled: boolean) {
    this.#procedure.enabled = enabled;
    this.#plain = enabled && translates(this.root, this.capabilities) ? this.iotlb : null;
  }

  get root(): RootPointer {
    return this.#procedure.root;
  }

  set root(root: RootPointer) {
    this.#procedure.root = root;
    this.#isLegacy = root.mode === TranslationTableMode.LEGACY;
    this.secondStage.ioRights = root.ioRights;
    this.enabled = this.#procedure.enabled;
  }

  /** Table entries as they are fetched are reported only while somebody observes. */
  observe(probe: IommuProbe | null): void {
    const { legacy, scalable, firstStage, secondStage } = this;
    for (const part of [legacy, scalable, firstStage, secondStage, this.hostPermissions]) part.probe = probe;
    for (const { paging } of [firstStage, secondStage]) paging.probe = probe;
    this.#cached.probe = probe;
    this.probe = probe;
  }

  /** Whom to tell of performance events; `null` while nobody counts. */
  set counters(counters: PerformanceEvents | null) {
    const { legacy, scalable, firstStage, secondStage } = this;
    for (const part of [legacy, scalable, firstStage.paging, secondStage.paging, this.#cached])
      part.counters = counters;
  }

  /**
   * Answers an ordinary request from the IOTLB; false when that needs more. What is rare stands in functions of its own,
   * so that V8's budget for inlining is enough for what is not.
   */
  hit(t: Translation<Fault>): boolean {
    const { access, hi, lo } = t;
    const iotlb = this.#plain;
    t.missed = false;
    if (iotlb === null || !t.effects) return false;
    // Plain: untranslated, without PASID, a read or a write, and no interrupt.
    if (((t.pasid - NO_PASID) | t.addressType | (access & ~RIGHTS)) !== 0) return this.#hitWithPasid(t, iotlb);
    if (inInterruptRange(hi, lo)) return false;
    const i = iotlb.find(t.requester, hi >>> 12, (lo >>> 12) | (hi << 20));
    if (i < 0) {
      t.missed = true;
      return false;
    }
    const { words } = iotlb;
    const flags = words[i + FLAGS]!;
    if ((flags & access) !== access) return false;
    t.status = Status.SUCCESS;
    t.fault = null;
    t.hpaHi = words[i + FRAME_HI]!;
    t.hpaLo = words[i + FRAME_LO]! | (lo & ((1 << words[i + SHIFT]!) - 1));
    t.snoop = (flags & SNOOP) !== 0;
    if (this.#cached.isObserved) this.#cached.tellHit(iotlb, t, i);
    return true;
  }

  /** As `hit`, for a read or write with PASID; the page is looked up under requester, PASID and privilege. */
  #hitWithPasid(t: Translation<Fault>, iotlb: Iotlb): boolean {
    const isOrdinary = t.addressType === AddressType.UNTRANSLATED && (t.access & ~ORDINARY) === 0;
    if (!isOrdinary || t.pasid === NO_PASID || this.root.mode !== TranslationTableMode.SCALABLE) return false;
    const i = iotlb.find(ownerOf(t), pageHiOf(t), pageLow(t.hi, t.lo));
    t.missed = i < 0;
    const wanted = t.access & RIGHTS;
    if (i < 0 || (iotlb.words[i + FLAGS]! & wanted) !== wanted) return false;
    unpack(iotlb, i, t);
    t.succeed();
    t.status = Status.SUCCESS;
    t.fault = null;
    if (this.#cached.isObserved) this.#cached.tellHit(iotlb, t, i);
    return true;
  }

  /** Answers it from cached context and PASID entries and from tables that lie clean in memory. */
  #quick(t: Translation<Fault>, memory: PhysicalMemory): boolean {
    if (t.missed !== true || this.probe !== null || (t.access & ~RIGHTS) !== 0) return false;
    const space = this.#cachedSpace(t);
    if (space === null || space.fault !== null || space.kind === Kind.PASS_THROUGH) return false;
    const { access, hi, lo, leaf } = t;
    if (space.first === null) {
      const second = space.second!;
      if (exceeds(hi, second.addressBits)) return false;
      if (this.secondStage.quick(memory, leaf, second, access, hi, lo) !== true) return false;
    } else if (
      this.firstStage.structures !== null ||
      this.firstStage.quick.walk(memory, leaf, space, access, hi, lo) !== true
    ) {
      return false;
    }
    if (space.pageSnoop === true) leaf.snoop = true;
    const hpaLo = leaf.frameLo | (lo & ((1 << leaf.shift) - 1));
    if (inInterruptRange(leaf.frameHi, hpaLo)) return false;
    t.hpaHi = leaf.frameHi;
    t.hpaLo = hpaLo;
    t.snoop = leaf.snoop === true;
    t.passed = false;
    t.status = Status.SUCCESS;
    t.fault = null;
    this.#cached.fill(t, space, true);
    return true;
  }

  /** Answers the request that `hit` has just missed now; false when it needs the whole procedure. */
  answer(t: Translation<Fault>, memory: PhysicalMemory): boolean {
    return this.#quick(t, memory) || stepThrough(this, t, memory);
  }

  /**
   * Begins the walk of a request that `hit` has missed, entry by entry; false when only `walk` knows the way. Time may have
   * passed since.
   */
  begin(t: Translation<Fault>): boolean {
    if (t.missed !== true || this.#plain === null || this.#cached.isObserved || (t.access & ~RIGHTS) !== 0)
      return false;
    t.begin();
    const space = this.#cachedSpace(t);
    return space !== null && this.#stepped.begin(t, space);
  }

  /** Reads the next entry: a value of `Step`. */
  step(t: Translation<Fault>, memory: PhysicalMemory): number {
    return this.#stepped.step(t, memory);
  }

  /** The whole procedure from where `begin` stood. */
  resume(t: Translation<Fault>): Walk {
    return this.#procedure.resume(t);
  }

  /** The whole procedure for one request; the answer is in `t`. */
  walk(t: Translation<Fault>): Walk {
    return this.#procedure.walk(t);
  }

  /** What translates the request, where caches know it. */
  #cachedSpace(t: Translation<Fault>): Space | null {
    return this.#isLegacy ? this.legacy.cached(t) : this.scalable.cached(t);
  }
}
