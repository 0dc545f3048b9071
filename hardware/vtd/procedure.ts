/**
 * The whole procedure for a request (VT-d chapters 3 and 4, conditions of 7.1.3), as the specification numbers its steps: in
 * legacy, scalable and abort-DMA mode. What software controls is set by the translator: `enabled` and `root`.
 */
import {
  Access,
  AddressType,
  type Era,
  exceeds,
  inInterruptRange,
  isExecute,
  NO_PASID,
  rightsToWrite,
  Status,
  type Translation,
  type Walk,
} from '../iommu/index.ts';
import type { CachedTranslations } from './cached-translations.ts';
import type { Capabilities } from './capabilities.ts';
import type { FirstStage } from './first-stage.ts';
import type { HostPermissionTable } from './host-permission.ts';
import { block, checkTranslated, judge, passThrough, passTranslated } from './judgement.ts';
import type { LegacyTables } from './legacy-tables.ts';
import { checkMode, type RootPointer } from './root-pointer.ts';
import type { ScalableTables } from './scalable-tables.ts';
import type { SecondStage } from './second-stage.ts';
import { Kind, LEGACY, SCALABLE, type Space } from './space.ts';
import { FAULTS, type Fault, TranslationTableMode } from './spec/index.ts';
import { faultAt } from './walk-end.ts';

/** What a request may come to on its way. */
interface Parts {
  readonly capabilities: Capabilities;
  readonly era: Era;
  readonly cached: CachedTranslations;
  readonly legacy: LegacyTables;
  readonly scalable: ScalableTables;
  readonly firstStage: FirstStage;
  readonly secondStage: SecondStage;
  readonly hostPermissions: HostPermissionTable;
}

export class Procedure {
  /** GSTS.TES. */
  enabled = false;
  root: RootPointer = { mode: TranslationTableMode.LEGACY, table: 0, ioRights: false };
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The whole procedure; the answer is in `t`. */
  *walk(t: Translation<Fault>): Walk {
    t.begin();
    this.#parts.era.begin(t);
    this.#end(t, yield* this.#steps(t));
  }

  /** From where a walk in steps began. */
  *resume(t: Translation<Fault>): Walk {
    this.#end(t, yield* this.#inSpace(t, t.steps.space as Space));
  }

  #end(t: Translation<Fault>, fault: Fault | null): void {
    if (fault !== null) block(t, fault);
  }

  /** The numbered steps. Ends with the condition that blocks the request, or `null` when `t` holds the answer. */
  *#steps(t: Translation<Fault>): Walk<Fault | null> {
    // 1. Remapping is off: untranslated requests pass, all others are unsupported.
    if (!this.enabled) {
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
    const { capabilities, cached, hostPermissions } = this.#parts;
    const modeFault = checkMode(t, this.root, capabilities);
    if (modeFault !== null) return modeFault;
    if (capabilities.refusesExecute && isExecute(t)) return FAULTS.RTA_5;
    const reasons = this.root.mode === TranslationTableMode.LEGACY ? LEGACY : SCALABLE;
    // 4. The IOTLB, looked up by requester, PASID and page.
    const mayHit = t.addressType !== AddressType.TRANSLATED;
    if (mayHit && cached.lookUp(t)) return judge(t, capabilities, reasons);
    // 5. to 7. Root, context and PASID tables.
    const space = yield* this.#find(t);
    if (space === null) return passTranslated(t, capabilities, reasons);
    if ('code' in space) return space;
    if (t.addressType === AddressType.TRANSLATED) {
      const refused = checkTranslated(t, capabilities, reasons);
      if (refused !== null || space.permissions === null) return refused ?? passTranslated(t, capabilities, reasons);
      return (yield* hostPermissions.check(t, space.permissions)) ?? passTranslated(t, capabilities, reasons);
    }
    return yield* this.#inSpace(t, space);
  }

  *#inSpace(t: Translation<Fault>, space: Space): Walk<Fault | null> {
    const { capabilities, era, cached } = this.#parts;
    // 8. The tables of the space.
    if (space.kind === Kind.PASS_THROUGH) {
      const fault = passThrough(t, space);
      if (fault === null) cached.tellTranslated(t);
      return fault;
    }
    const fault = yield* this.#translate(t, space);
    if (fault !== null) return fault;
    // 9. The result may be cached, and so may its absence in caching mode; either is judged as if it had been cached.
    const judged = judge(t, capabilities, space.reasons);
    const isAbsent = t.leaf.rights === 0;
    const mayCache = isAbsent ? capabilities.has('CM') && space.first === null : judged === null;
    if (mayCache && era.mayFill(t)) cached.fill(t, space, false);
    if (judged === null) cached.tellTranslated(t);
    return judged;
  }

  #find(t: Translation<Fault>): Walk<Space | Fault | null> {
    const { legacy, scalable } = this.#parts;
    const { mode, table } = this.root;
    return mode === TranslationTableMode.LEGACY ? legacy.find(t, table) : scalable.find(t, table);
  }

  /** 8. Walks the stages of a space and fills `t.leaf`. */
  *#translate(t: Translation<Fault>, space: Space): Walk<Fault | null> {
    const { firstStage, secondStage } = this.#parts;
    if (space.first !== null) return yield* firstStage.walk(t, space, (t.access & Access.WRITE) !== 0);
    const second = space.second!;
    const { reasons } = space;
    if (exceeds(t.hi, second.addressBits)) return reasons.outOfRange;
    const end = yield* secondStage.walk(t, t.leaf, second, t, rightsToWrite(t));
    t.leaf.snoop ||= space.pageSnoop;
    return faultAt(end, t.leaf, reasons);
  }
}
