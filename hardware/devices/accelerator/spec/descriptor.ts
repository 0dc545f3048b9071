/** What software submits, and what it gets: descriptors, completion records, entries of the event log. */
import { type FieldSpec, field, flag, layout } from '../../../bits/index.ts';
import { Opcode, type OpcodeName } from './opcodes.ts';

const SHEET = 'DSA descriptors';

export const DESCRIPTOR_BYTES = 64;

/** Flags of a descriptor, by their bits. */
export const Flag = {
  FENCE: 1 << 0,
  BOF: 1 << 1,
  CRAV: 1 << 2,
  RCR: 1 << 3,
  RCI: 1 << 4,
  CRSTS: 1 << 5,
  CR: 1 << 7,
  CC: 1 << 8,
  ADDR1_TCS: 1 << 9,
  ADDR2_TCS: 1 << 10,
  ADDR3_TCS: 1 << 11,
  CR_TCS: 1 << 12,
  STORD: 1 << 13,
  DRDBK: 1 << 14,
  DSTS: 1 << 15,
} as const;

const COMMON = {
  PASID: field(19, 0, 'of a shared queue: PASID of the requests'),
  PRIV: flag(31, 'of a shared queue: in privileged mode'),
  FLAGS: field(55, 32, 'bits of Flag'),
  OPCODE: field(63, 56, 'operation', Opcode),
  COMPLETION_ADDR: field(127, 64, 'with CRAV: where the completion record goes'),
  INT_HANDLE: field(303, 288, 'with RCI: the interrupt'),
};

const SRC_ADDR = field(191, 128, 'source');
const DST_ADDR = field(255, 192, 'destination');
const XFER_SIZE = field(287, 256, 'bytes');
const EXPECTED_RES = field(327, 320, 'with the flag CR: the result that counts as success');

function descriptor<const F extends Readonly<Record<string, FieldSpec>>>(name: string, fields: F) {
  return layout(`${name} descriptor`, DESCRIPTOR_BYTES * 8, SHEET, { ...COMMON, ...fields });
}

/** What every descriptor has. */
export const DESCRIPTOR = descriptor('any', {});

export const BATCH = descriptor('BATCH', {
  DESC_LIST_ADDR: field(191, 128, 'descriptors, aligned to 64 bytes'),
  DESC_COUNT: field(287, 256, 'how many'),
});
export const MEMMOVE = descriptor('MEMMOVE', { SRC_ADDR, DST_ADDR, XFER_SIZE });
export const MEMFILL = descriptor('MEMFILL', {
  PATTERN: field(191, 128, 'eight bytes, again and again'),
  DST_ADDR,
  XFER_SIZE,
});
export const COMPARE = descriptor('COMPARE', {
  SRC_ADDR,
  SRC2_ADDR: field(255, 192, 'what it is compared with'),
  XFER_SIZE,
  EXPECTED_RES,
});
export const COMPVAL = descriptor('COMPVAL', {
  SRC_ADDR,
  COMP_PATTERN: field(255, 192, 'eight bytes, again and again'),
  XFER_SIZE,
  EXPECTED_RES,
});
export const DUALCAST = descriptor('DUALCAST', {
  SRC_ADDR,
  DST_ADDR,
  XFER_SIZE,
  DEST2: field(383, 320, 'second destination, of the same offset in its page'),
});
export const CRCGEN = descriptor('CRCGEN', {
  SRC_ADDR,
  XFER_SIZE,
  CRC_SEED: field(351, 320, 'CRC of what was before'),
});
export const COPY_CRC = descriptor('COPY_CRC', {
  SRC_ADDR,
  DST_ADDR,
  XFER_SIZE,
  CRC_SEED: field(351, 320, 'CRC of what was before'),
});
export const CFLUSH = descriptor('CFLUSH', { DST_ADDR, XFER_SIZE });

/** The layout of each operation that the device does: what it does not declare is reserved. */
export const LAYOUTS = {
  NOOP: DESCRIPTOR,
  BATCH,
  DRAIN: DESCRIPTOR,
  MEMMOVE,
  MEMFILL,
  COMPARE,
  COMPVAL,
  DUALCAST,
  CRCGEN,
  COPY_CRC,
  CFLUSH,
} as const satisfies Partial<Record<OpcodeName, unknown>>;

/** Status of a completion record. */
export const Status = {
  NONE: 0x00,
  SUCCESS: 0x01,
  SUCCESS_PRED: 0x02,
  PAGE_FAULT_NOBOF: 0x03,
  PAGE_FAULT_IR: 0x04,
  BATCH_FAIL: 0x05,
  BATCH_PAGE_FAULT: 0x06,
  DR_OFFSET_NOINC: 0x07,
  DR_OFFSET_ERANGE: 0x08,
  DIF_ERR: 0x09,
  BAD_OPCODE: 0x10,
  INVALID_FLAGS: 0x11,
  NOZERO_RESERVE: 0x12,
  XFER_ERANGE: 0x13,
  DESC_CNT_ERANGE: 0x14,
  DR_ERANGE: 0x15,
  OVERLAP_BUFFERS: 0x16,
  DCAST_ERR: 0x17,
  DESCLIST_ALIGN: 0x18,
  INT_HANDLE_INVAL: 0x19,
  CRA_XLAT: 0x1a,
  CRA_ALIGN: 0x1b,
  ADDR_ALIGN: 0x1c,
  PRIV_BAD: 0x1d,
  TRAFFIC_CLASS_CONF: 0x1e,
  PFAULT_RDBA: 0x1f,
  HW_ERR1: 0x20,
  HW_ERR_DRB: 0x21,
  TRANSLATION_FAIL: 0x22,
  DRAIN_EVL: 0x26,
  BATCH_EVL_ERR: 0x27,
} as const;

/** Errors of SWERR that no completion record can tell. Those from WQ_NOT_ENABLED on are numbered by this model. */
export const SubmissionError = {
  PCI_CFG: 0x51,
  CMD_REG: 0x52,
  WQ_NOT_ENABLED: 0x53,
  POSTED_TO_SHARED: 0x54,
  DEFERRABLE_TO_DEDICATED: 0x55,
  WQ_FULL: 0x56,
} as const;

export const COMPLETION_BYTES = 32;
/** Alignment of completion records. */
export const COMPLETION_ALIGNMENT = 32;

export const COMPLETION = layout('Completion record', COMPLETION_BYTES * 8, SHEET, {
  STATUS: field(6, 0, 'how it ended', Status),
  FAULT_WRITE: flag(7, 'the access that faulted was a write'),
  RESULT: field(15, 8, 'of a comparison 1: different; of MEMMOVE 1: from the end; of BATCH 1: some failed'),
  FAULT_INFO: field(23, 16, 'more about a fault'),
  BYTES_COMPLETED: field(63, 32, 'bytes, or descriptors of a batch'),
  FAULT_ADDR: field(127, 64, 'address that faulted'),
  INVALID_FLAGS: field(151, 128, 'flags that are not possible'),
});

/** The same with what CRCGEN and COPY_CRC give. */
export const CRC_COMPLETION = layout('CRC completion record', COMPLETION_BYTES * 8, SHEET, {
  CRC: field(159, 128, 'CRC-32C'),
});

/** GENCAP.EVL_SUPPORT of these entries, and their bytes. */
export const EVL_SUPPORT = 1;
export const EVL_ENTRY_BYTES = 32 << EVL_SUPPORT;

/** First half of an entry; the second is the completion record that could not be written. */
export const EVL_ENTRY = layout('Event log entry', 256, SHEET, {
  DESC_VALID: flag(2, 'fields of the descriptor are valid'),
  WQ_IDX_VALID: flag(3, 'the work queue is valid'),
  BATCH: flag(4, 'the descriptor was in a batch'),
  FAULT_RW: flag(5, 'a write faulted'),
  PRIV: flag(6, 'in privileged mode'),
  ERR_INFO_VALID: flag(7, 'the fields from RCI to OPERAND_ID are valid'),
  ERROR: field(15, 8, 'a completion status, or an error of submission'),
  WQ_IDX: field(23, 16, 'work queue'),
  BATCH_ID: field(31, 24, 'which batch'),
  OPERATION: field(39, 32, 'opcode'),
  PASID: field(59, 40, 'PASID'),
  BATCH_IDX: field(79, 64, 'which descriptor of the batch'),
  INT_HANDLE: field(111, 96, 'interrupt that was not sent'),
  RCI: flag(112, 'an interrupt was asked for'),
  IMS: flag(113, 'of interrupt message storage'),
  RCR: flag(114, 'a completion record was asked for'),
  FIRST_ERR_IN_BATCH: flag(115, 'first of its batch'),
  OPERAND_ID: field(127, 125, 'operand that faulted'),
  FAULT_ADDR: field(191, 128, 'address that faulted'),
});
