/** How a request ends once its translation is known: rights, ranges that no request may reach, and answers to faults. */
import {
  Access,
  AddressType,
  exceeds,
  inInterruptRange,
  isExecute,
  NO_PASID,
  RIGHTS,
  Status,
  type Translation,
} from '../iommu/index.ts';
import type { Capabilities } from './capabilities.ts';
import { meetsInterruptRange } from './iotlb-entry.ts';
import { type Reasons, SCALABLE, type Space } from './space.ts';
import { type Answer, FAULTS, type Fault } from './spec/index.ts';

/** A translated request may go anywhere in memory, but not to interrupts. */
export function checkTranslated(t: Translation<Fault>, capabilities: Capabilities, reasons: Reasons): Fault | null {
  if (exceeds(t.hi, capabilities.hostAddressWidth)) return reasons.translatedOutOfRange;
  return inInterruptRange(t.hi, t.lo) ? reasons.interruptOutput[AddressType.TRANSLATED] : null;
}

/** Lets a translated request pass as it is. */
export function passTranslated(t: Translation<Fault>, capabilities: Capabilities, reasons: Reasons): Fault | null {
  const fault = checkTranslated(t, capabilities, reasons);
  if (fault === null) t.pass();
  return fault;
}

/** Lets a request of a pass-through space pass. */
export function passThrough(t: Translation<Fault>, space: Space): Fault | null {
  if (exceeds(t.hi, space.addressBits)) return space.reasons.passThroughOutOfRange;
  t.pass();
  t.snoop = space.pageSnoop;
  if (t.addressType === AddressType.UNTRANSLATED && inInterruptRange(t.hi, t.lo)) {
    return space.reasons.interruptOutput[AddressType.UNTRANSLATED];
  }
  return null;
}

/** Answers from `t.leaf`, unless the page's rights or its place stand in the way. */
export function judge(t: Translation<Fault>, capabilities: Capabilities, reasons: Reasons): Fault | null {
  const { access, leaf } = t;
  t.succeed();
  if (t.addressType !== AddressType.TRANSLATION) {
    const denied = access & RIGHTS & ~leaf.rights;
    if ((denied & Access.WRITE) !== 0) return reasons.noWrite;
    // A read of length 0 may use a page that can only be written, if the unit says so.
    const excused = (access & Access.ZERO_LENGTH) !== 0 && leaf.rights !== 0 && capabilities.has('ZLR');
    if ((denied & Access.READ) !== 0 && !excused) return reasons.noRead;
    // A read that asks for execution is an instruction fetch; a write that does executes nothing.
    if (isExecute(t) && (access & Access.WRITE) === 0 && !leaf.executable) return FAULTS.SGN_3;
  }
  if (leaf.rights === 0) return null;
  // A translation request is answered with a range, and in scalable mode no part of it may lie there (SGN.8.2).
  const isRange = t.addressType === AddressType.TRANSLATION && reasons === SCALABLE;
  if (!(isRange ? meetsInterruptRange(leaf) : inInterruptRange(t.hpaHi, t.hpaLo))) return null;
  return reasons.interruptOutput[t.addressType === AddressType.TRANSLATION ? 1 : 0];
}

/** Ends the request with the answer that the specification gives for a fault. */
export function block(t: Translation<Fault>, fault: Fault): void {
  const answer = answerTo(t, fault);
  t.fault = fault;
  t.recorded = RECORDED.has(answer) && !(fault.qualified && t.faultDisable);
  t.leaf.rights = 0;
  t.status = STATUS[answer] ?? Status.SUCCESS;
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
