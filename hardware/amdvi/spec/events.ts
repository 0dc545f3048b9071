/** Entries of the event log: 128 bits each. Which conditions lead to them is said in faults.ts. */
import { field, flag, layout } from '../../bits/index.ts';
import { amdVi, from } from './source.ts';

export const EventCode = {
  ILLEGAL_DEV_TABLE_ENTRY: 0x1,
  IO_PAGE_FAULT: 0x2,
  DEV_TAB_HARDWARE_ERROR: 0x3,
  PAGE_TAB_HARDWARE_ERROR: 0x4,
  ILLEGAL_COMMAND_ERROR: 0x5,
  COMMAND_HARDWARE_ERROR: 0x6,
  IOTLB_INV_TIMEOUT: 0x7,
  INVALID_DEVICE_REQUEST: 0x8,
  INVALID_PPR_REQUEST: 0x9,
  EVENT_COUNTER_ZERO: 0xa,
  GUEST_EVENT_FAULT: 0xb,
  VIOMMU_HARDWARE_ERROR: 0xc,
  RMP_PAGE_FAULT: 0xd,
  RMP_HARDWARE_ERROR: 0xe,
} as const;

/** Type of an event about an access of the unit that failed. */
export const HardwareErrorType = { MASTER_ABORT: 0b01, TARGET_ABORT: 0b10, DATA_ERROR: 0b11 } as const;

const EventCodeField = field(63, 60, 'Event', EventCode);
const DeviceID = field(15, 0, 'Device');
const PASID_19_16 = field(19, 16, 'PASID bits 19:16, with GN');
const PASID_15_0 = field(47, 32, 'PASID bits 15:0, with GN');
const DOMAIN_OR_PASID = field(47, 32, 'Domain id; with GN PASID bits 15:0');
const Type = field(58, 57, 'What went wrong', HardwareErrorType);

/** The flags in bits 59:48 of events about requests. */
const FLAGS = {
  GN: flag(48, 'The request used a guest table or carried a PASID'),
  NX: flag(49, 'Execution was asked for'),
  US: flag(50, 'With user privilege'),
  I: flag(51, 'An interrupt'),
  PR: flag(52, 'Something was present'),
  RW: flag(53, 'A write'),
  PE: flag(54, 'Permission was missing'),
  RZ: flag(55, 'A reserved bit was set; 0: an invalid encoding'),
  TR: flag(56, 'A translation request'),
};
const { GN, I, RW, TR } = FLAGS;

/** Every event begins like this. */
export const EVENT_HEADER = layout('event', 128, amdVi('VB', 'FB', 'XN', 'L72'), { EventCode: EventCodeField });

export const ILLEGAL_DEV_TABLE_ENTRY = layout('ILLEGAL_DEV_TABLE_ENTRY', 128, amdVi('VB', 'FB'), {
  DeviceID,
  PASID_19_16,
  PASID_15_0,
  GN,
  I,
  RW,
  RZ: FLAGS.RZ,
  TR,
  EventCode: EventCodeField,
  Address: field(127, 66, 'Address of the request'),
});

export const IO_PAGE_FAULT = layout('IO_PAGE_FAULT', 128, amdVi('VB', 'FB', 'XN', 'L72'), {
  DeviceID,
  PASID_19_16,
  DomainID: DOMAIN_OR_PASID,
  ...FLAGS,
  EventCode: EventCodeField,
  Address: field(127, 64, 'Address of the request'),
});

export const DEV_TAB_HARDWARE_ERROR = layout('DEV_TAB_HARDWARE_ERROR', 128, amdVi('VB'), {
  DeviceID,
  I,
  RW,
  TR,
  Type,
  EventCode: EventCodeField,
  Address: field(127, 68, 'Address of the entry'),
});

export const PAGE_TAB_HARDWARE_ERROR = layout('PAGE_TAB_HARDWARE_ERROR', 128, amdVi('VB', 'LX'), {
  DeviceID,
  PASID_19_16: from('LX', PASID_19_16),
  DomainID: DOMAIN_OR_PASID,
  GN,
  I,
  RW,
  TR,
  Type,
  EventCode: EventCodeField,
  Address: field(127, 67, 'Address of the entry'),
});

export const ILLEGAL_COMMAND_ERROR = layout('ILLEGAL_COMMAND_ERROR', 128, amdVi('VB'), {
  EventCode: EventCodeField,
  Address: field(127, 68, 'Address of the command'),
});

export const COMMAND_HARDWARE_ERROR = layout('COMMAND_HARDWARE_ERROR', 128, amdVi('VB'), {
  Type,
  EventCode: EventCodeField,
  Address: field(127, 66, 'Address that the access went to'),
});

export const IOTLB_INV_TIMEOUT = layout('IOTLB_INV_TIMEOUT', 128, amdVi('VB'), {
  DeviceID,
  EventCode: EventCodeField,
  Address: field(127, 68, 'Address of the command'),
});

/** INVALID_DEVICE_REQUEST.Type of an access to memory (TR=0). */
export const InvalidRequestType = {
  READ_IN_INTERRUPT_RANGE: 0,
  PRETRANSLATED_NOT_ALLOWED: 1,
  PORT_IO_NOT_ALLOWED: 2,
  SYSTEM_MANAGEMENT_NOT_ALLOWED: 3,
  INTERRUPT_RANGE_VIOLATION: 4,
  RESERVED_INTERRUPT_RANGE: 5,
  SYSTEM_MANAGEMENT_READ: 6,
} as const;

/** INVALID_DEVICE_REQUEST.Type of a translation request (TR=1). */
export const InvalidTranslationType = { SPECIAL_ADDRESS: 0, DISABLED: 1, INVALID_DEVICE_ID: 2 } as const;

export const INVALID_DEVICE_REQUEST = layout('INVALID_DEVICE_REQUEST', 128, amdVi('VB'), {
  DeviceID,
  PASID_19_16,
  PASID_15_0,
  GN,
  // Elsewhere the flag is bit 50.
  US: flag(49, 'With user privilege'),
  TR,
  Type: from('INF', field(59, 57, 'What was not allowed; InvalidRequestType or, with TR, InvalidTranslationType')),
  EventCode: EventCodeField,
  Address: field(127, 64, 'Address of the request'),
});

export const INVALID_PPR_REQUEST = layout('INVALID_PPR_REQUEST', 128, amdVi('L72', 'LX'), {
  DeviceID,
  PASID_15_0: field(31, 16, 'PASID bits 15:0'),
  Tag: field(41, 32, 'Page request group index, and above it the last-request bit'),
  PASID_19_16: field(45, 42, 'PASID bits 19:16'),
  Flags: field(59, 48, 'Flags of the page request as in the PPR log'),
  EventCode: EventCodeField,
  Address: field(127, 64, 'Address of the request'),
});

export const EVENT_COUNTER_ZERO = layout('EVENT_COUNTER_ZERO', 128, amdVi('VB', 'NV'), {
  EventCode: EventCodeField,
  CounterNote_51_32: field(83, 64, 'Note of the counter, upper part'),
  CounterNote_31_0: field(127, 96, 'Note of the counter, lower part'),
});
