/** What the event log says (fact sheet 5), as faults of devices and as remarks. */
import {
  DEV_TAB_HARDWARE_ERROR,
  EVENT_HEAD,
  EVENT_HEADER,
  EVENT_LOG_BASE,
  EVENT_TAIL,
  EventCode,
  ILLEGAL_DEV_TABLE_ENTRY,
  INVALID_DEVICE_REQUEST,
  INVALID_PPR_REQUEST,
  InvalidRequestType,
  IO_PAGE_FAULT,
  IOTLB_INV_TIMEOUT,
  PAGE_TAB_HARDWARE_ERROR,
  STATUS,
} from '../../../hardware/amdvi/spec/index.ts';
import type { Field } from '../../../hardware/bits/index.ts';
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { IoasidFaultReason } from '../../uapi/index.ts';
import type { FaultAccess } from '../fault-log.ts';
import type { LogShape } from './log-reader.ts';
import { BLOCKED_DID } from './route.ts';

export const EVENT_LOG: LogShape = {
  purpose: 'event log',
  base: EVENT_LOG_BASE,
  address: EVENT_LOG_BASE.EventBase,
  length: EVENT_LOG_BASE.EventLen,
  head: EVENT_HEAD,
  headPointer: EVENT_HEAD.EventHdptr,
  tail: EVENT_TAIL,
  tailPointer: EVENT_TAIL.EventTailptr,
  enable: 'EventLogEn',
  interrupt: 'EventIntEn',
  run: STATUS.EventLogRun,
  written: STATUS.EventLogInt,
  overflow: STATUS.EventOverflow,
  code: EVENT_HEADER.EventCode,
  lost: 'events were lost, the event log was full',
};

/** Why a request was blocked: in words, and as programs are told it. */
interface Cause {
  readonly meaning: string;
  readonly reason: IoasidFaultReason;
}

/** A request that the unit blocked. */
export interface BlockedRequest extends Cause {
  readonly kind: 'blocked';
  readonly code: number;
  readonly name: string;
  readonly deviceId: number;
  /** -1 without one. */
  readonly pasid: number;
  readonly address: bigint;
  readonly access: FaultAccess;
}

export type Event =
  | BlockedRequest
  /** A device has not answered an invalidation of its device-TLB. */
  | { readonly kind: 'late device'; readonly deviceId: number }
  | { readonly kind: 'other'; readonly code: number; readonly name: string };

/** Where an event about a request keeps what all of them tell. */
interface RequestEvent {
  readonly DeviceID: Field;
  readonly Address: Field;
  readonly PASID_19_16?: Field;
  /** Domain id, or the low bits of the PASID. */
  readonly DomainID?: Field;
  readonly PASID_15_0?: Field;
  readonly GN?: Field;
  readonly RW?: Field;
}

const REQUEST_EVENTS: ReadonlyMap<number, RequestEvent> = new Map<number, RequestEvent>([
  [EventCode.ILLEGAL_DEV_TABLE_ENTRY, ILLEGAL_DEV_TABLE_ENTRY],
  [EventCode.IO_PAGE_FAULT, IO_PAGE_FAULT],
  [EventCode.DEV_TAB_HARDWARE_ERROR, DEV_TAB_HARDWARE_ERROR],
  [EventCode.PAGE_TAB_HARDWARE_ERROR, PAGE_TAB_HARDWARE_ERROR],
  [EventCode.INVALID_DEVICE_REQUEST, INVALID_DEVICE_REQUEST],
  [EventCode.INVALID_PPR_REQUEST, INVALID_PPR_REQUEST],
]);

const { UNKNOWN, WALK_EABT, PTE_FETCH, PERMISSION } = IoasidFaultReason;

const CAUSES: ReadonlyMap<number, Cause> = new Map([
  [EventCode.ILLEGAL_DEV_TABLE_ENTRY, { meaning: 'the device table entry is not valid', reason: UNKNOWN }],
  [EventCode.DEV_TAB_HARDWARE_ERROR, { meaning: 'the device table entry could not be read', reason: UNKNOWN }],
  [EventCode.PAGE_TAB_HARDWARE_ERROR, { meaning: 'a table could not be read or written', reason: WALK_EABT }],
  [EventCode.INVALID_DEVICE_REQUEST, { meaning: 'the device may not send such a request', reason: UNKNOWN }],
  [EventCode.INVALID_PPR_REQUEST, { meaning: 'the device may not ask for pages', reason: UNKNOWN }],
]);

export function understandEvent(entry: Uint32Array): Event {
  const code = EVENT_HEADER.EventCode.get(entry);
  const name = EVENT_HEADER.EventCode.valueName(entry) ?? `event ${code}`;
  const of = REQUEST_EVENTS.get(code);
  if (of !== undefined) {
    const { DeviceID, Address } = of;
    // Some events have room for a part of the address only: it stands at its place, the rest is 0.
    const page = ((Address.big(entry) << BigInt(Address.spec.lo - 64)) / PAGE) * PAGE;
    const common = { code, name, deviceId: DeviceID.get(entry), address: page };
    return {
      kind: 'blocked',
      ...common,
      ...causeOf(code, entry),
      pasid: pasidOf(of, entry),
      access: accessOf(code, of, entry),
    };
  }
  if (code === EventCode.IOTLB_INV_TIMEOUT) {
    return { kind: 'late device', deviceId: IOTLB_INV_TIMEOUT.DeviceID.get(entry) };
  }
  return { kind: 'other', code, name };
}

const PAGE = BigInt(PAGE_SIZE);

function causeOf(code: number, entry: Uint32Array): Cause {
  return code === EventCode.IO_PAGE_FAULT ? causeOfPageFault(entry) : CAUSES.get(code)!;
}

/** The flags tell causes apart, and no more than this; the domain tells whether the device has one at all. */
function causeOfPageFault(entry: Uint32Array): Cause {
  const { GN, I, PR, PE, RZ, DomainID } = IO_PAGE_FAULT;
  if (!I.isSet(entry) && !GN.isSet(entry) && DomainID.get(entry) === BLOCKED_DID)
    return { meaning: 'the device is attached to nothing', reason: UNKNOWN };
  const what = I.isSet(entry) ? 'the interrupt' : 'the page';
  if (!PR.isSet(entry)) return { meaning: `${what} is not mapped`, reason: PTE_FETCH };
  if (PE.isSet(entry)) return { meaning: 'permission is missing', reason: PERMISSION };
  const wrong = RZ.isSet(entry) ? 'a reserved bit set' : 'an invalid level or size';
  return { meaning: `a table entry has ${wrong}`, reason: PTE_FETCH };
}

/** Requests without PASID that use a guest table are reported as PASID 0, which no process has. */
function pasidOf({ GN, DomainID, PASID_15_0, PASID_19_16 }: RequestEvent, entry: Uint32Array): number {
  if (GN !== undefined && !GN.isSet(entry)) return -1;
  const low = (PASID_15_0 ?? (GN === undefined ? undefined : DomainID))?.get(entry) ?? 0;
  return low + (PASID_19_16?.get(entry) ?? 0) * 2 ** 16 || -1;
}

function accessOf(code: number, { RW }: RequestEvent, entry: Uint32Array): FaultAccess {
  if (code === EventCode.INVALID_PPR_REQUEST) return 'page request';
  if (code === EventCode.IO_PAGE_FAULT && IO_PAGE_FAULT.I.isSet(entry)) return 'interrupt';
  if (RW !== undefined) return RW.isSet(entry) ? 'write' : 'read';
  const type = INVALID_DEVICE_REQUEST.Type.get(entry);
  return type === InvalidRequestType.READ_IN_INTERRUPT_RANGE ? 'read' : 'write';
}
