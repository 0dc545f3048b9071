/**
 * Translation of requests (VT-d chapters 3 and 4, conditions of 7.1.3) in legacy, scalable and abort-DMA mode.
 *
 * Needs: memory at hand for `quick`, operations answered for `walk`. Offers: `hit` and `quick` for what can be answered
 * at once without a fault, `walk` for every request. What software controls is set by the unit: `enabled` and `root`.
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
  rightsToWrite,
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
import { block, checkTranslated, judge, passThrough, passTranslated } from './judgement.ts';
import { LegacyTables } from './legacy-tables.ts';
import { PasidFormat } from './pasid-format.ts';
import type { PerformanceEvents } from './performance-events.ts';
import { checkMode, type RootPointer, translates } from './root-pointer.ts';
import { ScalableTables } from './scalable-tables.ts';
import { SecondStage } from './second-stage.ts';
import * as spaces from './space.ts';
import { LEGACY, SCALABLE, type Space } from './space.ts';
import * as spec from './spec/index.ts';
import { FAULTS, type Fault } from './spec/index.ts';
import { faultAt } from './walk-end.ts';

// Copied, because V8 folds only constants of the same file into the code that it makes of a hit.
const { exceeds, FLAGS, FRAME_HI, FRAME_LO, inInterruptRange, isExecute, NO_PASID, RIGHTS, SHIFT, Status, Step } =
  iommu;
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
  readonly era = new Era();
  probe: IommuProbe | null = null;
  /** The same IOTLB as the steps use it. */
  readonly #cached: CachedTranslations;
  /** The last `hit` found nothing, and that alone kept it from answering. */
  #missed = false;
  /** GSTS.TES. */
  #enabled = false;
  #root: RootPointer = { mode: TranslationTableMode.LEGACY, table: 0, ioRights: false };
  /** The IOTLB while it can answer by itself: remapping is on, in a mode that translates. */
  #plain: Iotlb | null = null;

  constructor(capabilities: Capabilities, spec: TranslatorSpec) {
    const { era } = this;
    const caches = { contexts: spec.contextCache, pasids: spec.pasidCache ?? null };
    const format = new PasidFormat(capabilities, spec.assumeCoherentWalks ?? false);
    this.capabilities = capabilities;
    this.iotlb = spec.iotlb === null ? null : new Iotlb(spec.iotlb);
    this.#cached = new CachedTranslations(this.iotlb);
    this.secondStage = new SecondStage(capabilities.secondStageRules, era, spec.secondStageCache ?? null);
    this.firstStage = new FirstStage(capabilities, this.secondStage, era, spec.firstStageCache ?? null);
    this.legacy = new LegacyTables(capabilities, spec.contextCache, era);
    this.scalable = new ScalableTables(capabilities, caches, era, format);
    this.hostPermissions = new HostPermissionTable(capabilities, era, spec.hostPermissionCache ?? null);
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  set enabled(enabled: boolean) {
    this.#enabled = enabled;
    this.#plain = enabled && translates(this.#root, this.capabilities) ? this.iotlb : null;
  }

  get root(): RootPointer {
    return this.#root;
  }

  set root(root: RootPointer) {
    this.#root = root;
    this.secondStage.ioRights = root.ioRights;
    this.enabled = this.#enabled;
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
    this.#missed = false;
    if (iotlb === null || !t.effects) return false;
    // Plain: untranslated, without PASID, a read or a write, and no interrupt.
    if (((t.pasid - NO_PASID) | t.addressType | (access & ~RIGHTS)) !== 0) return this.#hitWithPasid(t, iotlb);
    if (inInterruptRange(hi, lo)) return false;
    const i = iotlb.find(t.requester, hi >>> 12, (lo >>> 12) | (hi << 20));
    if (i < 0) {
      this.#missed = true;
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
    if (!isOrdinary || t.pasid === NO_PASID || this.#root.mode !== TranslationTableMode.SCALABLE) return false;
    const i = iotlb.find(ownerOf(t), pageHiOf(t), pageLow(t.hi, t.lo));
    this.#missed = i < 0;
    const wanted = t.access & RIGHTS;
    if (i < 0 || (iotlb.words[i + FLAGS]! & wanted) !== wanted) return false;
    unpack(iotlb, i, t);
    t.succeed();
    t.status = Status.SUCCESS;
    t.fault = null;
    if (this.#cached.isObserved) this.#cached.tellHit(iotlb, t, i);
    return true;
  }

  /**
   * Answers the request that `hit` has just missed from cached context and PASID entries and from tables that lie clean
   * in memory; false when the request needs the whole procedure.
   */
  quick(t: Translation<Fault>, memory: PhysicalMemory): boolean {
    if (this.#missed !== true || this.probe !== null || (t.access & ~RIGHTS) !== 0) return false;
    const isLegacy = this.#root.mode === TranslationTableMode.LEGACY;
    const space = isLegacy ? this.legacy.cached(t.requester) : this.scalable.cached(t);
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
    if (isLegacy) t.faultDisable = space.faultDisable === true;
    this.#cached.fill(t, space, true);
    return true;
  }

  /** Begins the walk of the request that `hit` has just missed, entry by entry; false when only `walk` knows the way. */
  begin(t: Translation<Fault>): boolean {
    if (this.#missed !== true || this.#cached.isObserved || (t.access & ~RIGHTS) !== 0) return false;
    t.begin();
    const isLegacy = this.#root.mode === TranslationTableMode.LEGACY;
    const space = isLegacy ? this.legacy.cached(t.requester) : this.scalable.cached(t);
    const second = space?.second ?? null;
    if (space === null || second === null || space.fault !== null || space.kind !== Kind.SECOND_STAGE) return false;
    if (this.secondStage.ioRights || exceeds(t.hi, second.addressBits)) return false;
    this.era.begin(t);
    if (isLegacy) t.faultDisable = space.faultDisable;
    this.secondStage.steps.begin(t, space, second);
    return true;
  }

  /** Reads the next entry: a value of `Step`. */
  step(t: Translation<Fault>, memory: PhysicalMemory): number {
    const space = t.steps.space as Space;
    const end = this.secondStage.steps.step(memory, t, space.second!);
    if (end !== Step.DONE) return end;
    if (space.pageSnoop) t.leaf.snoop = true;
    t.succeed();
    if (inInterruptRange(t.hpaHi, t.hpaLo)) return Step.ODD;
    if (this.era.mayFill(t)) this.#cached.fill(t, space, false);
    return end;
  }

  /** The whole procedure from where `begin` stood. */
  *resume(t: Translation<Fault>): Walk {
    const fault = yield* this.#inSpace(t, t.steps.space as Space);
    if (fault !== null) block(t, fault);
  }

  /** The whole procedure for one request; the answer is in `t`. */
  *walk(t: Translation<Fault>): Walk {
    t.begin();
    this.era.begin(t);
    const fault = yield* this.#procedure(t);
    if (fault !== null) block(t, fault);
  }

  /** The numbered steps. Ends with the condition that blocks the request, or `null` when `t` holds the answer. */
  *#procedure(t: Translation<Fault>): Walk<Fault | null> {
    // 1. Remapping is off: untranslated requests pass, all others are unsupported.
    if (!this.#enabled) {
      if (t.addressType === AddressType.UNTRANSLATED) t.pass();
      else t.status = Status.UNSUPPORTED_REQUEST;
      return null;
    }
    // 2. A request without PASID into the interrupt range is no DMA (VT-d 3.15). A write that is an interrupt does not
    //    come here; a read of length 0 bypasses; a translation request learns that the device has to write there itself.
    if (t.pasid === NO_PASID && t.addressType !== AddressType.TRANSLATED && inInterruptRange(t.hi, t.lo)) {
      const bypasses = t.addressType === AddressType.TRANSLATION || (t.access & Access.ZERO_LENGTH) !== 0;
      if (!bypasses) return FAULTS.IR_INVALID_REQUEST;
      t.pass();
      if (t.addressType === AddressType.TRANSLATION) t.leaf.rights = 0;
      return null;
    }
    // 3. The translation table mode.
    const modeFault = checkMode(t, this.#root, this.capabilities);
    if (modeFault !== null) return modeFault;
    if (this.capabilities.refusesExecute && isExecute(t)) return FAULTS.RTA_5;
    const reasons = this.#root.mode === TranslationTableMode.LEGACY ? LEGACY : SCALABLE;
    // 4. The IOTLB, looked up by requester, PASID and page.
    const mayHit = t.addressType !== AddressType.TRANSLATED;
    if (mayHit && this.#cached.lookUp(t)) return judge(t, this.capabilities, reasons);
    // 5. to 7. Root, context and PASID tables.
    const space = yield* this.#find(t);
    if (space === null) return passTranslated(t, this.capabilities, reasons);
    if ('code' in space) return space;
    if (t.addressType === AddressType.TRANSLATED) {
      const refused = checkTranslated(t, this.capabilities, reasons);
      if (refused !== null || space.permissions === null)
        return refused ?? passTranslated(t, this.capabilities, reasons);
      return (yield* this.hostPermissions.check(t, space.permissions)) ?? passTranslated(t, this.capabilities, reasons);
    }
    return yield* this.#inSpace(t, space);
  }

  *#inSpace(t: Translation<Fault>, space: Space): Walk<Fault | null> {
    // 8. The tables of the space.
    if (space.kind === Kind.PASS_THROUGH) {
      const fault = passThrough(t, space);
      if (fault === null) this.#cached.tellTranslated(t);
      return fault;
    }
    const fault = yield* this.#translate(t, space);
    if (fault !== null) return fault;
    // 9. The result may be cached, and so may its absence in caching mode; either is judged as if it had been cached.
    const judged = judge(t, this.capabilities, space.reasons);
    const isAbsent = t.leaf.rights === 0;
    const mayCache = isAbsent ? this.capabilities.has('CM') && space.first === null : judged === null;
    if (mayCache && this.era.mayFill(t)) this.#cached.fill(t, space, false);
    if (judged === null) this.#cached.tellTranslated(t);
    return judged;
  }

  #find(t: Translation<Fault>): Walk<Space | Fault | null> {
    const { mode, table } = this.#root;
    return mode === TranslationTableMode.LEGACY ? this.legacy.find(t, table) : this.scalable.find(t, table);
  }

  /** 8. Walks the stages of a space and fills `t.leaf`. */
  *#translate(t: Translation<Fault>, space: Space): Walk<Fault | null> {
    if (space.first !== null) return yield* this.firstStage.walk(t, space, (t.access & Access.WRITE) !== 0);
    const second = space.second!;
    const { reasons } = space;
    if (exceeds(t.hi, second.addressBits)) return reasons.outOfRange;
    const end = yield* this.secondStage.walk(t, t.leaf, second, t, rightsToWrite(t));
    t.leaf.snoop ||= space.pageSnoop;
    return faultAt(end, t.leaf, reasons);
  }
}
