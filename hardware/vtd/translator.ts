/**
 * Translation of DMA requests in legacy mode (VT-d 3.4, 3.7, 7.1.3): root table, context table, second stage.
 *
 * Needs: memory at hand for `quick`, operations answered for `walk`. Offers: `quick` for what can be answered at once
 * without a fault, `walk` for every request. State that software controls is set by the unit: `enabled` and
 * `root`.
 */
import { joinHalves, numberOf } from '../bits/index.ts';
import {
  Access,
  AddressType,
  EntryCache,
  type EntryCacheSpec,
  exceeds,
  FLAGS,
  FRAME_HI,
  FRAME_LO,
  type IommuProbe,
  Iotlb,
  type IotlbSpec,
  inInterruptRange,
  type Leaf,
  NO_PASID,
  RIGHTS,
  SHIFT,
  Status,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import { ContextFormat, type LegacyContext } from './context.ts';
import { SecondStage, WalkEnd } from './second-stage.ts';
import {
  type Answer,
  CONTEXT_ENTRY,
  FAULTS,
  type Fault,
  ROOT_ENTRY,
  TranslationTableMode,
  TranslationType,
} from './spec/index.ts';

/** Sizes of the caches; `null` switches a cache off. Not architectural. */
export interface TranslatorSpec {
  readonly iotlb: IotlbSpec | null;
  readonly contextCache: EntryCacheSpec | null;
}

// Flags of an IOTLB entry. The low two bits are the rights that a hit may use without a closer look: none where the page
// meets the interrupt range.
const SNOOP = 4;
const FAULT_DISABLE = 8;
const RIGHTS_SHIFT = 4;

/** Domain under which a faulting context entry is cached when CAP.CM is 1 (VT-d 6.2.2). */
const FAULTING_DOMAIN = 0;

/** What SRTP takes over from RTADDR. */
export interface RootPointer {
  readonly mode: number;
  readonly table: number;
  /** SSIRWE. */
  readonly ioRights: boolean;
}

export class Translator {
  readonly capabilities: Capabilities;
  readonly contexts: EntryCache<LegacyContext> | null;
  readonly iotlb: Iotlb | null;
  /** Counts invalidations: a walk that began before one must not fill a cache after it. */
  era = 0;
  probe: IommuProbe | null = null;
  /** The last `hit` found nothing, and that alone kept it from answering. */
  #missed = false;
  /** GSTS.TES. */
  #enabled = false;
  /** RTADDR as SRTP latched it; legacy mode does not allow I/O rights. */
  #root: RootPointer = { mode: TranslationTableMode.LEGACY, table: 0, ioRights: false };
  /** The IOTLB while it can answer by itself: remapping is on, in legacy mode. */
  #plain: Iotlb | null = null;
  readonly #format: ContextFormat;
  readonly #secondStage: SecondStage;

  constructor(capabilities: Capabilities, spec: TranslatorSpec) {
    this.capabilities = capabilities;
    this.contexts = spec.contextCache === null ? null : new EntryCache(spec.contextCache);
    this.iotlb = spec.iotlb === null ? null : new Iotlb(spec.iotlb);
    this.#format = new ContextFormat(capabilities);
    this.#secondStage = new SecondStage({
      hostAddressWidth: capabilities.hostAddressWidth,
      largePages: capabilities.largePages,
      snoopControl: capabilities.has('SC'),
    });
  }

  set enabled(enabled: boolean) {
    this.#enabled = enabled;
    const isLegacy = this.#root.mode === TranslationTableMode.LEGACY && !this.#root.ioRights;
    this.#plain = enabled && isLegacy ? this.iotlb : null;
  }

  set root(root: RootPointer) {
    this.#root = root;
    this.enabled = this.#enabled;
  }

  /** Table entries as they are fetched are reported only while somebody observes. */
  observe(probe: IommuProbe | null): void {
    this.probe = probe;
    this.#secondStage.probe = probe;
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
   * Answers the request that `hit` has just missed from a cached context entry and tables that lie clean in memory;
   * false when the request needs the whole procedure.
   */
  quick(t: Translation<Fault>, memory: PhysicalMemory): boolean {
    const { contexts } = this;
    if (!this.#missed || this.probe !== null || contexts === null) return false;
    const { access, hi, lo, leaf } = t;
    const context = contexts.find(t.requester);
    if (context === null || context.fault !== null || exceeds(hi, context.addressBits)) return false;
    if (context.translationType === TranslationType.PASS_THROUGH) return false;
    if (!this.#secondStage.quick(memory, leaf, context, access, hi, lo)) return false;
    t.succeed();
    if (inInterruptRange(t.hpaHi, t.hpaLo)) return false;
    t.status = Status.SUCCESS;
    t.fault = null;
    this.#fill(t, leaf, context, true);
    return true;
  }

  #tellHit(t: Translation<Fault>): void {
    this.probe?.hit(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo));
  }

  /** The whole procedure for one request; the answer is in `t`. */
  *walk(t: Translation<Fault>): Walk {
    t.begin();
    const fault = yield* this.#procedure(t);
    if (fault !== null) this.#block(t, fault);
  }

  /** The numbered steps. Ends with the condition that blocks the request, or `null` when `t` holds the answer. */
  *#procedure(t: Translation<Fault>): Walk<Fault | null> {
    const { era } = this;
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
    const modeFault = this.#checkMode(t);
    if (modeFault !== null) return modeFault;
    // 4. The IOTLB, looked up by requester and page.
    if (t.addressType !== AddressType.TRANSLATED && this.#lookUp(t)) return this.#judge(t);
    // 5. Root and context entry.
    const context = yield* this.#context(t, era);
    if ('code' in context) return context;
    t.faultDisable = context.faultDisable;
    if (context.fault !== null) return context.fault;
    // 6. What the translation type lets through.
    if (t.addressType !== AddressType.UNTRANSLATED && context.translationType !== TranslationType.DEVICE_TLB) {
      return FAULTS.LCT_5;
    }
    if (t.addressType === AddressType.TRANSLATED) return this.#checkTranslated(t);
    if (context.translationType === TranslationType.PASS_THROUGH) return this.#passThrough(t, context);
    // 7. The address fits the tables.
    if (exceeds(t.hi, context.addressBits)) return FAULTS.LGN_1_1;
    // 8. The second stage.
    const { memory, leaf } = t;
    const end = yield* this.#secondStage.walk(memory, leaf, context.table, context.levels, t.hi, t.lo);
    if (end === WalkEnd.TOP_READ_ERROR) return FAULTS.LCT_4_3;
    if (end === WalkEnd.READ_ERROR) return FAULTS.LSS_1;
    if (end === WalkEnd.RESERVED_BITS) return FAULTS.LSS_2;
    if (end === WalkEnd.NOT_PRESENT) nothing(leaf);
    // 9. The result may be cached, and so may its absence in caching mode; either is judged as if it had been cached.
    const fault = this.#judge(t);
    //    A translation request finds the absence of a page without a fault.
    const cacheable = leaf.rights === 0 ? this.capabilities.has('CM') : fault === null;
    if (cacheable && t.effects && era === this.era) this.#fill(t, leaf, context, false);
    if (fault === null && this.probe !== null && t.effects) {
      this.probe.translated(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo), leaf.shift);
    }
    return fault;
  }

  /** Fills `t.leaf` from the IOTLB; false when it does not have the page. */
  #lookUp(t: Translation<Fault>): boolean {
    const { iotlb } = this;
    if (iotlb === null) return false;
    const pageLo = (t.lo >>> 12) | (t.hi << 20);
    const i = t.effects ? iotlb.find(t.requester, t.hi >>> 12, pageLo) : iotlb.peek(t.requester, t.hi >>> 12, pageLo);
    if (i < 0) {
      if (this.probe !== null && t.effects) this.probe.miss(t.requester, joinHalves(t.hi, t.lo));
      return false;
    }
    const { leaf } = t;
    const { words } = iotlb;
    const flags = words[i + FLAGS]!;
    leaf.frameHi = words[i + FRAME_HI]!;
    leaf.frameLo = words[i + FRAME_LO]!;
    leaf.shift = words[i + SHIFT]!;
    leaf.rights = (flags >>> RIGHTS_SHIFT) & RIGHTS;
    leaf.snoop = (flags & SNOOP) !== 0;
    t.faultDisable = (flags & FAULT_DISABLE) !== 0;
    if (this.probe !== null && t.effects) {
      this.probe.hit(t.requester, joinHalves(t.hi, t.lo), numberOf(leaf.frameHi, leaf.frameLo));
    }
    return true;
  }

  /** Enters a translation into the IOTLB; `isNew` if a look-up has just missed it. */
  #fill(t: Translation<Fault>, leaf: Leaf, context: LegacyContext, isNew: boolean): void {
    const { iotlb } = this;
    if (iotlb === null) return;
    const plain = meetsInterruptRange(leaf) ? 0 : leaf.rights;
    const qualities = (leaf.snoop ? SNOOP : 0) | (context.faultDisable ? FAULT_DISABLE : 0);
    const flags = plain | qualities | (leaf.rights << RIGHTS_SHIFT);
    const pageLo = (t.lo >>> 12) | (t.hi << 20);
    const i = isNew
      ? iotlb.add(t.requester, t.hi >>> 12, pageLo, leaf.shift)
      : iotlb.insert(t.requester, t.hi >>> 12, pageLo, leaf.shift);
    iotlb.fill(i, leaf.frameHi, leaf.frameLo, flags, context.domain);
  }

  #checkMode(t: Translation<Fault>): Fault | null {
    switch (this.#root.mode) {
      case TranslationTableMode.LEGACY:
        if (this.#root.ioRights) return FAULTS.RTA_1_4;
        return t.pasid === NO_PASID ? null : FAULTS.RTA_2;
      case TranslationTableMode.SCALABLE:
        return FAULTS.RTA_1_3;
      case TranslationTableMode.ABORT_DMA:
        return this.capabilities.has('ADMS') ? FAULTS.RTA_4 : FAULTS.RTA_1_1;
      default:
        return FAULTS.RTA_1_2;
    }
  }

  /** The context entry of the requester, from the cache or from memory, or what kept it from being found. */
  *#context(t: Translation<Fault>, era: number): Walk<LegacyContext | Fault> {
    const cached = this.contexts?.find(t.requester, !t.effects) ?? null;
    if (cached !== null) return cached;
    const { memory } = t;
    // 5a. Root entry of the bus.
    yield memory.read(this.#root.table + (t.requester >>> 8) * ROOT_ENTRY.$.words * 4, ROOT_ENTRY.$.words);
    if (!memory.ok) return FAULTS.LRT_1;
    if (this.probe !== null) this.probe.read(ROOT_ENTRY.$.name, memory.address, memory.words, ROOT_ENTRY.$.words);
    if (!ROOT_ENTRY.P.isSet(memory.words)) return FAULTS.LRT_2;
    if (this.#format.rootIsReserved(memory.words)) return FAULTS.LRT_3;
    // 5b. Context entry of device and function.
    const table = ROOT_ENTRY.CTP.address(memory.words);
    yield memory.read(table + (t.requester & 0xff) * CONTEXT_ENTRY.$.words * 4, CONTEXT_ENTRY.$.words);
    if (!memory.ok) return FAULTS.LCT_1;
    if (this.probe !== null) this.probe.read(CONTEXT_ENTRY.$.name, memory.address, memory.words, CONTEXT_ENTRY.$.words);
    const context = this.#format.decode(memory.words);
    // 5c. An entry that is in order may be cached; in caching mode any may, a faulting one under domain 0.
    if (this.contexts !== null && t.effects && era === this.era) {
      if (context.fault === null) this.contexts.insert(t.requester, context);
      else if (this.capabilities.has('CM')) this.contexts.insert(t.requester, { ...context, domain: FAULTING_DOMAIN });
    }
    return context;
  }

  #checkTranslated(t: Translation<Fault>): Fault | null {
    if (exceeds(t.hi, this.capabilities.hostAddressWidth)) return FAULTS.LGN_1_2;
    if (inInterruptRange(t.hi, t.lo)) return FAULTS.LGN_4;
    t.pass();
    return null;
  }

  #passThrough(t: Translation<Fault>, context: LegacyContext): Fault | null {
    if (exceeds(t.hi, context.addressBits)) return FAULTS.LGN_1_3;
    t.pass();
    if (this.probe !== null && t.effects) {
      this.probe.translated(t.requester, joinHalves(t.hi, t.lo), numberOf(t.hpaHi, t.hpaLo), t.leaf.shift);
    }
    return null;
  }

  /** Answers from `t.leaf`, unless the page's rights or its place stand in the way. */
  #judge(t: Translation<Fault>): Fault | null {
    const { access, leaf } = t;
    t.succeed();
    if (t.addressType !== AddressType.TRANSLATION) {
      const denied = access & RIGHTS & ~leaf.rights;
      if ((denied & Access.WRITE) !== 0) return FAULTS.LGN_2;
      // A read of length 0 may use a page that can only be written, if the unit says so.
      const excused = (access & Access.ZERO_LENGTH) !== 0 && leaf.rights !== 0 && this.capabilities.has('ZLR');
      if ((denied & Access.READ) !== 0 && !excused) return FAULTS.LGN_3;
    }
    return leaf.rights !== 0 && inInterruptRange(t.hpaHi, t.hpaLo) ? FAULTS.LGN_4 : null;
  }

  /** Ends the request with the answer that the specification gives for a fault. */
  #block(t: Translation<Fault>, fault: Fault): void {
    const answer = answerTo(t, fault);
    t.fault = fault;
    t.recorded = RECORDED.has(answer) && !(fault.qualified && t.faultDisable);
    t.leaf.rights = 0;
    t.status = STATUS[answer] ?? Status.SUCCESS;
  }
}

/** Some byte of the page lies in 0xFEEx_xxxx. */
function meetsInterruptRange({ frameHi, frameLo, shift }: Leaf): boolean {
  return frameHi === 0 && (frameLo ^ INTERRUPT_BASE) >>> Math.max(shift, INTERRUPT_SHIFT) === 0;
}

const INTERRUPT_BASE = 0xfee0_0000;
const INTERRUPT_SHIFT = 20;

/** A page that is not there: nothing may be done with it. */
function nothing(leaf: Leaf): void {
  leaf.frameHi = 0;
  leaf.frameLo = 0;
  leaf.shift = 12;
  leaf.rights = 0;
  leaf.snoop = false;
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
