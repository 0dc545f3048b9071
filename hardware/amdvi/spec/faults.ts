/**
 * Every condition that blocks a request, and the event that tells of it. One row is one condition; its name is the event's
 * and, behind the dot, ours: AMD's document was not at hand, and its events name causes only by flags.
 */
import { mutants } from '../../bits/index.ts';
import { EventCode, HardwareErrorType, InvalidRequestType, InvalidTranslationType } from './events.ts';
import type { Source } from './source.ts';

/** What an untranslated or translated request gets. */
export type Answer =
  /** The access is aborted: a completion with CA, or a write that is dropped. */
  | 'target abort'
  /** It is blocked without an abort. */
  | 'blocked';

/** What a translation request gets. */
export type TranslationAnswer =
  /** A completion without rights; no event. */
  | 'no rights'
  /** A completion with UR or CA, and the event. */
  | 'UR'
  | 'CA';

export interface EventFlags {
  /** The request is an interrupt, although it did not come as one. */
  readonly I?: 1;
  /** Something was present. */
  readonly PR?: 1;
  /** Permission was missing. */
  readonly PE?: 1;
  /** A reserved bit was set. */
  readonly RZ?: 1;
  /** Of INVALID_DEVICE_REQUEST or of a hardware error. */
  readonly Type?: number;
}

export interface AmdFault {
  /** Code of the event. */
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
  readonly flags: EventFlags;
  readonly answer: Answer;
  readonly translation: TranslationAnswer;
  readonly sources: readonly Source[];
}

interface Row {
  readonly flags?: EventFlags;
  readonly answer?: Answer;
  readonly translation?: TranslationAnswer;
}

type EventName = keyof typeof EventCode;

function row(
  event: EventName,
  condition: string,
  meaning: string,
  sources: readonly Source[],
  { flags = {}, answer = 'target abort', translation = 'CA' }: Row = {},
): AmdFault {
  const name = `${event}.${condition}`;
  const code = mutants.off.has(name) ? 0 : EventCode[event];
  return { code, name, meaning, flags, answer, translation, sources };
}

/** A walk that ends without permission or without a page tells a translation request so, and nothing else. */
const ABSENT: Row = { translation: 'no rights' };
const DENIED: Row = { flags: { PR: 1, PE: 1 }, translation: 'no rights' };
const RESERVED: Row = { flags: { PR: 1, RZ: 1 }, translation: 'no rights' };
const BAD_LEVEL: Row = { flags: { PR: 1 }, translation: 'no rights' };
const READ_ERROR: Row = { flags: { Type: HardwareErrorType.MASTER_ABORT } };

export const FAULTS = {
  DTE_RESERVED: row(
    'ILLEGAL_DEV_TABLE_ENTRY',
    'RESERVED',
    'a reserved bit is set, or a field without its feature',
    ['VB'],
    { flags: { RZ: 1 } },
  ),
  DTE_ENCODING: row(
    'ILLEGAL_DEV_TABLE_ENTRY',
    'ENCODING',
    'Mode, IoCtl, GLX, GuestPagingMode, HAD, IntTabLen or IntCtl has a value that the unit does not have',
    ['VB', 'OV'],
  ),
  DTE_READ: row('DEV_TAB_HARDWARE_ERROR', 'READ', 'the device table entry could not be read', ['VB'], READ_ERROR),

  DEVICE_ID: row('IO_PAGE_FAULT', 'DEVICE_ID', 'the device id is beyond the device table', ['VB'], {
    translation: 'UR',
  }),
  TV: row('IO_PAGE_FAULT', 'TV', 'V is 1 and TV is 0', ['VB', 'OV', 'NV'], { translation: 'UR' }),
  DTE_DENIED: row('IO_PAGE_FAULT', 'DTE_DENIED', 'IR or IW of the device table entry is missing', ['VB'], DENIED),
  NOT_PRESENT: row('IO_PAGE_FAULT', 'NOT_PRESENT', 'a host entry is not present', ['VB'], ABSENT),
  DENIED: row('IO_PAGE_FAULT', 'DENIED', 'IR or IW of a host entry is missing', ['VB'], DENIED),
  RESERVED: row('IO_PAGE_FAULT', 'RESERVED', 'a present host entry has a reserved bit set', ['VB'], RESERVED),
  NEXT_LEVEL: row(
    'IO_PAGE_FAULT',
    'NEXT_LEVEL',
    'NextLevel of a host entry is not below its level',
    ['VB', 'OV'],
    BAD_LEVEL,
  ),
  PAGE_SIZE: row(
    'IO_PAGE_FAULT',
    'PAGE_SIZE',
    'the encoded page size does not belong to the level',
    ['VB', 'OV'],
    BAD_LEVEL,
  ),
  SKIPPED: row('IO_PAGE_FAULT', 'SKIPPED', 'address bits of a skipped level are not 0', ['VB'], ABSENT),
  OUT_OF_RANGE: row('IO_PAGE_FAULT', 'OUT_OF_RANGE', 'the address is wider than DTE.Mode covers', ['OV'], ABSENT),
  TABLE_READ: row('PAGE_TAB_HARDWARE_ERROR', 'READ', 'a host entry could not be read', ['VB'], READ_ERROR),
  FLAG_UPDATE: row(
    'PAGE_TAB_HARDWARE_ERROR',
    'UPDATE',
    'accessed or dirty flags could not be written',
    ['INF'],
    READ_ERROR,
  ),

  NO_GUEST_TABLE: row(
    'IO_PAGE_FAULT',
    'NO_GUEST_TABLE',
    'a request with PASID, but no guest translation',
    ['MEM'],
    ABSENT,
  ),
  PASID: row('IO_PAGE_FAULT', 'PASID', 'the PASID is beyond PASMax or the GCR3 table', ['VB'], ABSENT),
  GCR3_NOT_VALID: row('IO_PAGE_FAULT', 'GCR3_NOT_VALID', 'a GCR3 entry is not valid', ['MEM'], ABSENT),
  GCR3_RESERVED: row('IO_PAGE_FAULT', 'GCR3_RESERVED', 'a valid GCR3 entry has a reserved bit set', ['MEM'], RESERVED),
  GCR3_READ: row('PAGE_TAB_HARDWARE_ERROR', 'GCR3_READ', 'a GCR3 entry could not be read', ['INF'], READ_ERROR),
  GUEST_CANONICAL: row(
    'IO_PAGE_FAULT',
    'GUEST_CANONICAL',
    'the guest address is not canonical, or too wide',
    ['L72', 'INF'],
    ABSENT,
  ),
  GUEST_NOT_PRESENT: row('IO_PAGE_FAULT', 'GUEST_NOT_PRESENT', 'a guest entry is not present', ['VB', 'INF'], ABSENT),
  GUEST_RESERVED: row(
    'IO_PAGE_FAULT',
    'GUEST_RESERVED',
    'a present guest entry has a reserved bit set',
    ['VB', 'INF'],
    RESERVED,
  ),
  GUEST_DENIED: row('IO_PAGE_FAULT', 'GUEST_DENIED', 'a guest entry forbids the write', ['L72', 'INF'], DENIED),
  GUEST_EXECUTE: row('IO_PAGE_FAULT', 'GUEST_EXECUTE', 'a guest entry forbids execution', ['L72', 'MEM'], DENIED),
  GUEST_USER: row('IO_PAGE_FAULT', 'GUEST_USER', 'a user request met a supervisor entry', ['VB'], {
    ...DENIED,
    answer: 'blocked',
  }),
  GUEST_READ: row(
    'PAGE_TAB_HARDWARE_ERROR',
    'GUEST_READ',
    'a guest entry could not be read',
    ['VB', 'INF'],
    READ_ERROR,
  ),

  INTERRUPT_RANGE_READ: row('INVALID_DEVICE_REQUEST', 'INTERRUPT_RANGE_READ', 'a read of the interrupt range', ['VB'], {
    flags: { Type: InvalidRequestType.READ_IN_INTERRUPT_RANGE },
  }),
  INTERRUPT_RANGE_WRITE: row(
    'INVALID_DEVICE_REQUEST',
    'INTERRUPT_RANGE_WRITE',
    'a write to the interrupt range that is no interrupt',
    ['VB', 'INF'],
    { flags: { Type: InvalidRequestType.INTERRUPT_RANGE_VIOLATION } },
  ),
  TRANSLATION_SPECIAL: row(
    'INVALID_DEVICE_REQUEST',
    'TRANSLATION_SPECIAL',
    'a translation request for the interrupt range',
    ['VB', 'MEM'],
    { flags: { Type: InvalidTranslationType.SPECIAL_ADDRESS }, translation: 'UR' },
  ),
  TRANSLATION_DISABLED: row(
    'INVALID_DEVICE_REQUEST',
    'TRANSLATION_DISABLED',
    'a translation request of a device that may have no device-TLB',
    ['VB'],
    { flags: { Type: InvalidTranslationType.DISABLED }, translation: 'UR' },
  ),
  PRETRANSLATED: row('INVALID_DEVICE_REQUEST', 'PRETRANSLATED', 'a translated request without I', ['VB'], {
    flags: { Type: InvalidRequestType.PRETRANSLATED_NOT_ALLOWED },
  }),

  INTERRUPT_INDEX: row('IO_PAGE_FAULT', 'INTERRUPT_INDEX', 'the index is beyond the interrupt table', [
    'VB',
    'OV',
    'Q10',
  ]),
  INTERRUPT_OFF: row('IO_PAGE_FAULT', 'INTERRUPT_OFF', 'RemapEn of the interrupt entry is 0', ['VB']),
  INTERRUPT_RESERVED: row(
    'IO_PAGE_FAULT',
    'INTERRUPT_RESERVED',
    'the interrupt entry has a reserved bit set, or a type or mode that the unit does not have',
    ['VB'],
    RESERVED,
  ),
  INTERRUPT_PASID: row('IO_PAGE_FAULT', 'INTERRUPT_PASID', 'an interrupt with PASID', ['VB'], { flags: { I: 1 } }),
  INTERRUPT_READ: row(
    'PAGE_TAB_HARDWARE_ERROR',
    'INTERRUPT_READ',
    'the interrupt entry could not be read',
    ['OV'],
    READ_ERROR,
  ),
  INTERRUPT_BACKING_PAGE: row(
    'PAGE_TAB_HARDWARE_ERROR',
    'INTERRUPT_BACKING_PAGE',
    'the backing page of a guest’s virtual APIC could not be accessed',
    ['INF'],
    READ_ERROR,
  ),
  INTERRUPT_ABORTED: row(
    'IO_PAGE_FAULT',
    'INTERRUPT_ABORTED',
    'IntCtl or a pass bit of the device table entry lets no such interrupt through; never logged',
    ['VB'],
  ),
} as const satisfies Readonly<Record<string, AmdFault>>;

/** The name of a condition here. */
export type FaultName = keyof typeof FAULTS;
