/**
 * Transaction layer packets as the specification writes them: headers, prefixes, code points.
 *
 * A TLP header is words in the specification's own numbering: DW0 is word 0 and its byte 0, the first on the wire, is
 * bits 31:24.
 *
 * Not acted on: TPH, ECRC and poisoning are declared and never sent; locked and I/O requests and prefixes other than PASID
 * are not declared; headers of flit mode (generation 6) are not: see docs/deviations.md. What ATS writes into addresses,
 * data and messages is declared in hardware/ats.
 */
import { bit, bits, layout } from '../../bits/index.ts';

/** Address type (AT) of a memory request. */
export const AddressType = { UNTRANSLATED: 0, TRANSLATION: 1, TRANSLATED: 2 } as const;

/** Completion status. */
export const CompletionStatus = {
  SUCCESSFUL: 0,
  UNSUPPORTED_REQUEST: 1,
  REQUEST_RETRY: 2,
  COMPLETER_ABORT: 4,
} as const;

/** Format (FMT): header length and presence of data. */
export const Format = { DW3: 0, DW4: 1, DW3_DATA: 2, DW4_DATA: 3, PREFIX: 4 } as const;

/** TYPE codes under each format. The low three bits of a message's are its routing. */
export const TypeCode = {
  MEMORY: 0x00,
  CONFIG_0: 0x04,
  CONFIG_1: 0x05,
  COMPLETION: 0x0a,
  FETCH_ADD: 0x0c,
  SWAP: 0x0d,
  COMPARE_AND_SWAP: 0x0e,
  MESSAGE: 0x10,
  DEFERRABLE_WRITE: 0x1b,
  PREFIX_PASID: 0x11,
} as const;

/** How a message finds its way. Other values are reserved. */
export const MessageRouting = { ROOT_COMPLEX: 0, ADDRESS: 1, ID: 2, BROADCAST: 3, LOCAL: 4, GATHER: 5 } as const;

export const MessageCode = {
  UNLOCK: 0x00,
  INVALIDATE_REQUEST: 0x01,
  INVALIDATE_COMPLETION: 0x02,
  PAGE_REQUEST: 0x04,
  PAGE_REQUEST_GROUP_RESPONSE: 0x05,
  LTR: 0x10,
  OBFF: 0x12,
  PM_ACTIVE_STATE_NAK: 0x14,
  PM_PME: 0x18,
  PME_TURN_OFF: 0x19,
  PME_TO_ACK: 0x1b,
  ASSERT_INTA: 0x20,
  ASSERT_INTB: 0x21,
  ASSERT_INTC: 0x22,
  ASSERT_INTD: 0x23,
  DEASSERT_INTA: 0x24,
  DEASSERT_INTB: 0x25,
  DEASSERT_INTC: 0x26,
  DEASSERT_INTD: 0x27,
  ERR_COR: 0x30,
  ERR_NONFATAL: 0x31,
  ERR_FATAL: 0x33,
  SET_SLOT_POWER_LIMIT: 0x50,
  PTM_REQUEST: 0x52,
  PTM_RESPONSE: 0x53,
  VENDOR_DEFINED_TYPE_0: 0x7e,
  VENDOR_DEFINED_TYPE_1: 0x7f,
} as const;

const DW0 = {
  FMT: bits(31, 29, 'RW', 'format', Format),
  TYPE: bits(28, 24, 'RW', 'type'),
  T9: bit(23, 'RW', 'tag bit 9'),
  TC: bits(22, 20, 'RW', 'traffic class'),
  T8: bit(19, 'RW', 'tag bit 8'),
  IDO: bit(18, 'RW', 'attribute: ordering by requester id'),
  LN: bit(17, 'RW', 'lightweight notification'),
  TH: bit(16, 'RW', 'processing hint present'),
  TD: bit(15, 'RW', 'digest follows'),
  EP: bit(14, 'RW', 'poisoned'),
  RO: bit(13, 'RW', 'attribute: relaxed ordering'),
  NS: bit(12, 'RW', 'attribute: no snoop'),
  AT: bits(11, 10, 'RW', 'address type', AddressType),
  LENGTH: bits(9, 0, 'RW', 'length of the data in words, 0 means 1024'),
};

const REQUEST = {
  ...DW0,
  REQUESTER_ID: bits(63, 48, 'RW', 'requester id'),
  TAG: bits(47, 40, 'RW', 'tag bits 7:0'),
  LAST_BE: bits(39, 36, 'RW', 'byte enables of the last word'),
  FIRST_BE: bits(35, 32, 'RW', 'byte enables of the first word'),
};

/** What all TLPs begin with. */
export const TLP_HEADER = layout('TLP header DW0', 32, 'PCIe: TLP header, common fields', DW0);

export const MEMORY_REQUEST_3DW = layout('Memory request, 3 DW', 96, 'PCIe: memory request with 32-bit address', {
  ...REQUEST,
  ADDRESS: bits(95, 66, 'RW', 'address bits 31:2'),
  PH: bits(65, 64, 'RW', 'processing hint'),
});

export const MEMORY_REQUEST_4DW = layout('Memory request, 4 DW', 128, 'PCIe: memory request with 64-bit address', {
  ...REQUEST,
  ADDRESS_HIGH: bits(95, 64, 'RW', 'address bits 63:32'),
  ADDRESS: bits(127, 98, 'RW', 'address bits 31:2'),
  PH: bits(97, 96, 'RW', 'processing hint'),
});

export const CONFIG_REQUEST = layout('Configuration request', 96, 'PCIe: configuration request', {
  ...REQUEST,
  TARGET_ID: bits(95, 80, 'RW', 'bus, device and function that are asked'),
  EXTENDED_REGISTER: bits(75, 72, 'RW', 'register number bits 9:6'),
  REGISTER: bits(71, 66, 'RW', 'register number bits 5:0, in words'),
});

export const COMPLETION = layout('Completion', 96, 'PCIe: completion', {
  ...DW0,
  COMPLETER_ID: bits(63, 48, 'RW', 'completer id'),
  STATUS: bits(47, 45, 'RW', 'completion status', CompletionStatus),
  BCM: bit(44, 'RW', 'byte count modified'),
  BYTE_COUNT: bits(43, 32, 'RW', 'bytes still to come including this completion, 0 means 4096'),
  REQUESTER_ID: bits(95, 80, 'RW', 'requester id of the request'),
  TAG: bits(79, 72, 'RW', 'tag of the request'),
  LOWER_ADDRESS: bits(70, 64, 'RW', 'address bits 6:0 of the first byte'),
});

/** Routing is the low three bits of TYPE. A message by ID has its target in bits 31:16 of the third word. */
export const MESSAGE = layout('Message', 128, 'PCIe: message', {
  ...DW0,
  REQUESTER_ID: bits(63, 48, 'RW', 'requester id'),
  TAG: bits(47, 40, 'RW', 'tag bits 7:0'),
  MESSAGE_CODE: bits(39, 32, 'RW', 'message code', MessageCode),
  WORD_2: bits(95, 64, 'RW', 'third word: what the message says, or whom it is for'),
  WORD_3: bits(127, 96, 'RW', 'fourth word: what the message says'),
});

export const PASID_PREFIX = layout('PASID TLP prefix', 32, 'PCIe: PASID TLP prefix', {
  FMT: bits(31, 29, 'RW', 'format', Format),
  TYPE: bits(28, 24, 'RW', 'type'),
  PRIVILEGED: bit(21, 'RW', 'privileged mode requested'),
  EXECUTE: bit(20, 'RW', 'execute requested'),
  PASID: bits(19, 0, 'RW', 'process address space id'),
});
