/** How a request ends once its device table entry and its page are known: rights, ranges, and answers to conditions. */
import { Access, AddressType, inInterruptRange, NO_PASID, RIGHTS, Status, type Translation } from '../iommu/index.ts';
import type { DeviceEntry } from './device-table.ts';
import type { GuestPage } from './guest-tables.ts';
import { type AmdFault, DTE, EventCode, FAULTS } from './spec/index.ts';

/** Answers from `t.leaf`, unless its rights stand in the way. A translation request gets what is left of them. */
export function judge(
  t: Translation<AmdFault>,
  device: DeviceEntry,
  { user, execute }: GuestPage,
  isGuest: boolean,
): AmdFault | null {
  const { access, leaf } = t;
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

/** What reaches tables of the interrupt range is no interrupt; with a PASID the range is one of guest addresses, but for writes. */
export function checkInterruptRange(t: Translation<AmdFault>): AmdFault | null {
  if (!inInterruptRange(t.hi, t.lo)) return null;
  if (t.addressType === AddressType.TRANSLATION) return t.pasid === NO_PASID ? FAULTS.TRANSLATION_SPECIAL : null;
  const isWrite = (t.access & Access.WRITE) !== 0;
  if (t.pasid !== NO_PASID) return isWrite ? FAULTS.INTERRUPT_PASID : null;
  return isWrite ? FAULTS.INTERRUPT_RANGE_WRITE : FAULTS.INTERRUPT_RANGE_READ;
}

/** Notes whether the device's entry keeps the event of a fault from being logged, and gives the fault. */
export function suppressed(t: Translation<AmdFault>, device: DeviceEntry, fault: AmdFault | null): AmdFault | null {
  if (fault !== null && fault.code === EventCode.IO_PAGE_FAULT) suppress(t, device, fault);
  return fault;
}

/** SA and SE are about accesses to memory, IG about interrupts. */
function suppress(t: Translation<AmdFault>, device: DeviceEntry, fault: AmdFault): void {
  if (fault.flags.I === 1) {
    t.faultDisable = device.interruptsValid && DTE.IG.isSet(device.words);
    return;
  }
  t.faultDisable = device.logsNone || (device.logsOnce && device.muted);
  const isLogged = answerTo(t, fault) !== 'no rights';
  if (device.logsOnce && isLogged && t.effects) device.muted = true;
}

/** Ends the request with the answer that its kind gets for a condition. */
export function block(t: Translation<AmdFault>, fault: AmdFault): void {
  const answer = answerTo(t, fault);
  t.fault = fault;
  t.leaf.rights = 0;
  t.status = STATUS[answer];
  t.recorded = answer !== 'no rights' && !(fault.code === EventCode.IO_PAGE_FAULT && t.faultDisable);
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
