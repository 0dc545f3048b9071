/**
 * Translation of requests (VT-d chapters 3 and 4, conditions of 7.1.3) in legacy, scalable and abort-DMA mode.
 *
 * Needs: memory at hand for `quick`, operations answered for `walk`. Offers: `hit` and `quick` for what can be answered
 * at once without a fault, `walk` for every request. What software controls is set by the unit: `enabled` and `root`.
 */
import { joinHalves, numberOf } from '../bits/index.ts';
import {
  Access,
  AddressType,
  type EntryCacheSpec,
  exceeds,
  FLAGS,
  FRAME_HI,
  FRAME_LO,
  type IommuProbe,
  Iotlb,
  type IotlbSpec,
  inInterruptRange,
  NO_PASID,
  RIGHTS,
  SHIFT,
  Status,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import { Era } from './era.ts';
import { FirstStage } from './first-stage.ts';
import { HostPermissionTable } from './host-permission.ts';
import { entryFlags, NEEDS_NO_FLAG, ownerOf, pageHiOf, SNOOP, unpack } from './iotlb-entry.ts';
import { LegacyTables } from './legacy-tables.ts';
import { PasidFormat } from './pasid-format.ts';
import { ScalableTables } from './scalable-tables.ts';
import { SecondStage, WalkEnd } from './second-stage.ts';
import { Kind, LEGACY, type Reasons, SCALABLE, type Space } from './space.ts';
import { type Answer, FAULTS, type Fault, TranslationTableMode } from './spec/index.ts';

/** Sizes of the caches; a cache that is `null` or not named is switched off. Not architectural. */
export interface TranslatorSpec {
  readonly iotlb: IotlbSpec | null;
  readonly contextCache: EntryCacheSpec | null;
  readonly pasidCache?: EntryCacheSpec | null;
  /** Paging-structure caches, each for all levels of its stage. */
  readonly firstStageCache?: IotlbSpec | null;
  readonly secondStageCache?: IotlbSpec | null;
  /** The platform's promise that walks are coherent, whatever the entries say. */
  readonly assumeCoherentWalks?: boolean;
}

/** What SRTP takes over from RTADDR. */
export interface RootPointer {
  readonly mode: number;
  readonly table: number;
  /** SSIRWE. */
  readonly ioRights: boolean;
}

export class Translator {
  readonly capabilities: Capabilities;
  readonly iotlb: Iotlb | null;
  readonly legacy: LegacyTables;
  readonly scalable: ScalableTables;
  readonly firstStage: FirstStage;
  readonly secondStage: SecondStage;
  readonly era = new Era();
  probe: IommuProbe | null = null;
  readonly #permissions: HostPermissionTable;
  /** The last `hit` found nothing, and that alone kept it from answering. */
  #missed = false;
  /** GSTS.TES. */
  #enabled = false;
  #root: RootPointer = { mode: TranslationTableMode.LEGACY, table: 0, ioRights: false };
  /** The IOTLB while it can answer by itself: remapping is on, in a mode that translates. */
  #plain: Iotlb | null = null;

  constructor(capabilities: Capabilities, spec: TranslatorSpec) {
    const { era } = this;
    const rules = {
      hostAddressWidth: capabilities.hostAddressWidth,
      largePages: capabilities.largePages,
      snoopControl: capabilities.has('SC'),
    };
    const caches = { contexts: spec.contextCache, pasids: spec.pasidCache ?? null };
    const format = new PasidFormat(capabilities, spec.assumeCoherentWalks ?? false);
    this.capabilities = capabilities;
    this.iotlb = spec.iotlb === null ? null : new Iotlb(spec.iotlb);
    this.secondStage = new SecondStage(rules, era, spec.secondStageCache ?? null);
    this.firstStage = new FirstStage(capabilities, this.secondStage, era, spec.firstStageCache ?? null);
    this.legacy = new LegacyTables(capabilities, spec.contextCache, era);
    this.scalable = new ScalableTables(capabilities, caches, era, format);
    this.#permissions = new HostPermissionTable(capabilities);
  }

  set enabled(enabled: boolean) {
    this.#enabled = enabled;
    const { mode, ioRights } = this.#root;
    const translates = mode === TranslationTableMode.SCALABLE || (mode === TranslationTableMode.LEGACY && !ioRights);
    this.#plain = enabled && translates && this.#modeExists() ? this.iotlb : null;
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
    for (const part of [this.legacy, this.scalable, this.firstStage, this.secondStage, this.#permissions]) {
      part.probe = probe;
    }
    this.probe = probe;
  }

  /** Answers a plain request from the IOTLB; false when that needs more. */
  hit(t: Translation<Fault>): boolean {
    const { access, hi, lo } = t;
    const iotlb = this.#plain;
    this.#missed = false;
    // Plain: untranslated, without PASID, a read or a write, and no interrupt.
    if (iotlb === null || ((t.pasid - NO_PASID) | t.addressType | (access & ~RIGHTS)) !== 0) return false;
    if (!t.effects || inInterruptRange(hi, lo)) return false;
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
    if (this.probe !== null) this.#tellHit(t);
    return true;
  }

  /**
   * Answers the request that `hit` has just missed from a cached context entry and second-stage tables that lie clean in
   * memory; false when the request needs the whole procedure.
   */
  quick(t: Translation<Fault>, memory: PhysicalMemory): boolean {
    if (!this.#missed || this.probe !== null || this.#root.mode !== TranslationTableMode.LEGACY) return false;
    const context = this.legacy.cache?.find(t.requester) ?? null;
    if (context === null || context.fault !== null || context.kind !== Kind.SECOND_STAGE) return false;
    const { access, hi, lo, leaf } = t;
    const second = context.second!;
    if (exceeds(hi, second.addressBits)) return false;
    if (!this.secondStage.quick(memory, leaf, second, access, hi, lo)) return false;
    t.succeed();
    if (inInterruptRange(t.hpaHi, t.hpaLo)) return false;
    t.status = Status.SUCCESS;
    t.fault = null;
    t.faultDisable = context.faultDisable;
    this.#fill(t, context, true);
    return true;
  }

  /** The whole procedure for one request; the answer is in `t`. */
  *walk(t: Translation<Fault>): Walk {
    t.begin();
    this.era.begin(t);
    const fault = yield* this.#procedure(t);
    if (fault !== null) this.#block(t, fault);
  }

  /** What a fault that another part of the unit has found makes of a request. */
  block(t: Translation<Fault>, fault: Fault): void {
    this.#block(t, fault);
  }

  /** The condition that the translation table mode puts in a request's way (VT-d 7.1.3, RTA). */
  checkMode(t: Translation<Fault>): Fault | null {
    const { mode, ioRights } = this.#root;
    switch (mode) {
      case TranslationTableMode.LEGACY:
        if (ioRights) return FAULTS.RTA_1_4;
        return t.pasid === NO_PASID ? null : FAULTS.RTA_2;
      case TranslationTableMode.SCALABLE:
        return this.#modeExists() ? null : FAULTS.RTA_1_3;
      case TranslationTableMode.ABORT_DMA:
        return this.#modeExists() ? FAULTS.RTA_4 : FAULTS.RTA_1_1;
      default:
        return FAULTS.RTA_1_2;
    }
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
    const modeFault = this.checkMode(t);
    if (modeFault !== null) return modeFault;
    if (this.capabilities.refusesExecute && t.pasid !== NO_PASID && (t.access & Access.EXECUTE) !== 0) {
      return FAULTS.RTA_5;
    }
    const reasons = this.#root.mode === TranslationTableMode.LEGACY ? LEGACY : SCALABLE;
    // 4. The IOTLB, looked up by requester, PASID and page.
    if (t.addressType !== AddressType.TRANSLATED && this.#lookUp(t)) return this.#judge(t, reasons);
    // 5. to 7. Root, context and PASID tables.
    const space = yield* this.#find(t);
    if (space === null) return this.#passTranslated(t, reasons);
    if ('code' in space) return space;
    if (t.addressType === AddressType.TRANSLATED) {
      const refused = this.#checkTranslated(t, reasons);
      if (refused !== null || space.permissions === null) return refused ?? this.#passTranslated(t, reasons);
      return (yield* this.#permissions.check(t, space.permissions)) ?? this.#passTranslated(t, reasons);
    }
    // 8. The tables of the space.
    if (space.kind === Kind.PASS_THROUGH) return this.#passThrough(t, space);
    const fault = yield* this.#translate(t, space);
    if (fault !== null) return fault;
    // 9. The result may be cached, and so may its absence in caching mode; either is judged as if it had been cached.
    const judged = this.#judge(t, space.reasons);
    const isAbsent = t.leaf.rights === 0;
    const mayCache = isAbsent ? this.capabilities.has('CM') && space.first === null : judged === null;
    if (mayCache && this.era.mayFill(t)) this.#fill(t, space, false);
    if (judged === null) this.#tellTranslated(t);
    return judged;
  }

  #find(t: Translation<Fault>): Walk<Space | Fault | null> {
    const { mode, table } = this.#root;
    return mode === TranslationTableMode.LEGACY ? this.legacy.find(t, table) : this.scalable.find(t, table);
  }

  /** 8. Walks the stages of a space and fills `t.leaf`. */
  *#translate(t: Translation<Fault>, space: Space): Walk<Fault | null> {
    const write = (t.access & Access.WRITE) !== 0;
    if (space.first !== null) return yield* this.firstStage.walk(t, space, write);
    const second = space.second!;
    const { reasons } = space;
    if (exceeds(t.hi, second.addressBits)) return reasons.outOfRange;
    const end = yield* this.secondStage.walk(t, t.leaf, second, t, write);
    t.leaf.snoop ||= space.pageSnoop;
    switch (end) {
      case WalkEnd.LEAF:
        return t.leaf.rights === 0 ? reasons.notPresent : null;
      case WalkEnd.NOT_PRESENT:
        if (reasons.notPresent !== null) return reasons.notPresent;
        t.leaf.clear();
        return null;
      case WalkEnd.RESERVED_BITS:
        return reasons.reserved;
      case WalkEnd.TOP_READ_ERROR:
        return reasons.topReadError;
      case WalkEnd.READ_ERROR:
        return reasons.readError;
      case WalkEnd.NOT_SNOOPED:
        return FAULTS.SSS_5;
      default:
        return FAULTS.SSS_6;
    }
  }

  /** Fills `t.leaf` from the IOTLB; false when it does not have the page, or a write has to set a flag first. */
  #lookUp(t: Translation<Fault>): boolean {
    const { iotlb } = this;
    if (iotlb === null) return false;
    const [owner, pageHi] = [ownerOf(t), pageHiOf(t)];
    const pageLo = (t.lo >>> 12) | (t.hi << 20);
    const i = t.effects ? iotlb.find(owner, pageHi, pageLo) : iotlb.peek(owner, pageHi, pageLo);
    const found = i >= 0 && ((t.access & Access.WRITE) === 0 || (iotlb.words[i + FLAGS]! & NEEDS_NO_FLAG) !== 0);
    if (this.probe !== null) this.#tellLookUp(t, found);
    if (found) unpack(iotlb, i, t);
    return found;
  }

  /** Enters a translation into the IOTLB; `isNew` if a look-up has just missed it. */
  #fill(t: Translation<Fault>, space: Space, isNew: boolean): void {
    const { iotlb } = this;
    if (iotlb === null) return;
    const { leaf } = t;
    const [owner, pageHi] = [ownerOf(t), pageHiOf(t)];
    const pageLo = (t.lo >>> 12) | (t.hi << 20);
    const i = isNew ? iotlb.add(owner, pageHi, pageLo, leaf.shift) : iotlb.insert(owner, pageHi, pageLo, leaf.shift);
    iotlb.fill(i, leaf.frameHi, leaf.frameLo, entryFlags(t, space.kind), space.domain, space.pasid);
  }

  #modeExists(): boolean {
    const { mode } = this.#root;
    if (mode === TranslationTableMode.SCALABLE) return this.capabilities.has('SMTS');
    return mode === TranslationTableMode.LEGACY || this.capabilities.has('ADMS');
  }

  #checkTranslated(t: Translation<Fault>, reasons: Reasons): Fault | null {
    if (exceeds(t.hi, this.capabilities.hostAddressWidth)) return reasons.translatedOutOfRange;
    return inInterruptRange(t.hi, t.lo) ? reasons.interruptOutput[AddressType.TRANSLATED] : null;
  }

  #passTranslated(t: Translation<Fault>, reasons: Reasons): Fault | null {
    const fault = this.#checkTranslated(t, reasons);
    if (fault === null) t.pass();
    return fault;
  }

  #passThrough(t: Translation<Fault>, space: Space): Fault | null {
    if (exceeds(t.hi, space.addressBits)) return space.reasons.passThroughOutOfRange;
    t.pass();
    t.snoop = space.pageSnoop;
    if (t.addressType === AddressType.UNTRANSLATED && inInterruptRange(t.hi, t.lo)) {
      return space.reasons.interruptOutput[AddressType.UNTRANSLATED];
    }
    this.#tellTranslated(t);
    return null;
  }

  /** Answers from `t.leaf`, unless the page's rights or its place stand in the way. */
  #judge(t: Translation<Fault>, reasons: Reasons): Fault | null {
    const { access, leaf } = t;
    t.succeed();
    if (t.addressType !== AddressType.TRANSLATION) {
      const denied = access & RIGHTS & ~leaf.rights;
      if ((denied & Access.WRITE) !== 0) return reasons.noWrite;
      // A read of length 0 may use a page that can only be written, if the unit says so.
      const excused = (access & Access.ZERO_LENGTH) !== 0 && leaf.rights !== 0 && this.capabilities.has('ZLR');
      if ((denied & Access.READ) !== 0 && !excused) return reasons.noRead;
    }
    if (leaf.rights === 0 || !inInterruptRange(t.hpaHi, t.hpaLo)) return null;
    return reasons.interruptOutput[t.addressType === AddressType.TRANSLATION ? 1 : 0];
  }

  /** Ends the request with the answer that the specification gives for a fault. */
  #block(t: Translation<Fault>, fault: Fault): void {
    const answer = answerTo(t, fault);
    t.fault = fault;
    t.recorded = RECORDED.has(answer) && !(fault.qualified && t.faultDisable);
    t.leaf.rights = 0;
    t.status = STATUS[answer] ?? Status.SUCCESS;
  }

  #tellHit(t: Translation<Fault>): void {
    this.probe?.hit(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo));
  }

  #tellLookUp(t: Translation<Fault>, found: boolean): void {
    const address = joinHalves(t.hi, t.lo);
    this.probe?.cache('IOTLB', found, `requester ${t.requester}, ${address}`);
    if (!t.effects) return;
    if (found) this.probe?.hit(t.requester, address, numberOf(t.leaf.frameHi, t.leaf.frameLo));
    else this.probe?.miss(t.requester, address);
  }

  #tellTranslated(t: Translation<Fault>): void {
    if (this.probe === null || !t.effects) return;
    this.probe.translated(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo), t.leaf.shift);
  }
}

const STATUS: Readonly<Partial<Record<Answer, number>>> = {
  UR: Status.UNSUPPORTED_REQUEST,
  CA: Status.COMPLETER_ABORT,
};
const RECORDED: ReadonlySet<Answer> = new Set(['UR', 'CA', 'no rights, recorded']);

function answerTo(t: Translation<Fault>, fault: Fault): Answer {
  const { untranslated, translation, translated } = fault.answer;
  const answers = [untranslated, translation, translated][t.addressType] ?? untranslated;
  return answers[t.pasid === NO_PASID ? 0 : 1] ?? 'UR';
}
