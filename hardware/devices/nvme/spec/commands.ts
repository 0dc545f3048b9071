/** Entries of submission and completion queues, and what the dwords of each command say. */
import { type FieldSpec, field, flag, layout } from '../../../bits/index.ts';

const NVME = 'NVM Express Base 1.4';

export const SQE_BYTES = 64;
export const CQE_BYTES = 16;
/** CC.IOSQES and CC.IOCQES for these. */
export const SQE_LOG2 = 6;
export const CQE_LOG2 = 4;

export const SQE = layout('Submission Queue Entry', 512, `${NVME}, 4.2`, {
  OPC: field(7, 0, 'Opcode'),
  FUSE: field(9, 8, 'Fused Operation', { NORMAL: 0, FIRST: 1, SECOND: 2 }),
  PSDT: field(15, 14, 'PRP or SGL for Data Transfer', { PRP: 0 }),
  CID: field(31, 16, 'Command Identifier'),
  NSID: field(63, 32, 'Namespace Identifier'),
  MPTR: field(191, 128, 'Metadata Pointer'),
  PRP1: field(255, 192, 'PRP Entry 1'),
  PRP2: field(319, 256, 'PRP Entry 2: the second page, or a PRP list'),
  CDW10: cdw(10, 31, 0, 'Command Dword 10'),
  CDW11: cdw(11, 31, 0, 'Command Dword 11'),
  CDW12: cdw(12, 31, 0, 'Command Dword 12'),
  CDW13: cdw(13, 31, 0, 'Command Dword 13'),
  CDW14: cdw(14, 31, 0, 'Command Dword 14'),
  CDW15: cdw(15, 31, 0, 'Command Dword 15'),
});

export const CQE = layout('Completion Queue Entry', 128, `${NVME}, 4.6`, {
  DW0: field(31, 0, 'Command specific'),
  SQHD: field(79, 64, 'SQ Head Pointer'),
  SQID: field(95, 80, 'SQ Identifier'),
  CID: field(111, 96, 'Command Identifier'),
  P: flag(112, 'Phase Tag'),
  SC: field(120, 113, 'Status Code'),
  SCT: field(123, 121, 'Status Code Type'),
  CRD: field(125, 124, 'Command Retry Delay'),
  M: flag(126, 'More'),
  DNR: flag(127, 'Do Not Retry'),
});

export const AdminOpcode = {
  DELETE_IO_SUBMISSION_QUEUE: 0x00,
  CREATE_IO_SUBMISSION_QUEUE: 0x01,
  GET_LOG_PAGE: 0x02,
  DELETE_IO_COMPLETION_QUEUE: 0x04,
  CREATE_IO_COMPLETION_QUEUE: 0x05,
  IDENTIFY: 0x06,
  ABORT: 0x08,
  SET_FEATURES: 0x09,
  GET_FEATURES: 0x0a,
  ASYNCHRONOUS_EVENT_REQUEST: 0x0c,
} as const;

export const NvmOpcode = {
  FLUSH: 0x00,
  WRITE: 0x01,
  READ: 0x02,
  WRITE_ZEROES: 0x08,
  DATASET_MANAGEMENT: 0x09,
} as const;

/** Field `hi:lo` of a command dword. */
function cdw(dword: number, hi: number, lo: number, doc: string): FieldSpec {
  return field(dword * 32 + hi, dword * 32 + lo, doc);
}

export const CREATE_QUEUE = layout('Create I/O Queue', 512, `${NVME}, 5.3, 5.4`, {
  QID: cdw(10, 15, 0, 'Queue Identifier'),
  QSIZE: cdw(10, 31, 16, 'Queue Size, 0’s based'),
  PC: cdw(11, 0, 0, 'Physically Contiguous'),
});

export const CREATE_COMPLETION_QUEUE = layout('Create I/O Completion Queue', 512, `${NVME}, 5.3`, {
  IEN: cdw(11, 1, 1, 'Interrupts Enabled'),
  IV: cdw(11, 31, 16, 'Interrupt Vector'),
});

export const CREATE_SUBMISSION_QUEUE = layout('Create I/O Submission Queue', 512, `${NVME}, 5.4`, {
  QPRIO: cdw(11, 2, 1, 'Queue Priority; of no effect with round robin'),
  CQID: cdw(11, 31, 16, 'Completion Queue Identifier'),
});

export const DELETE_QUEUE = layout('Delete I/O Queue', 512, `${NVME}, 5.5, 5.6`, {
  QID: cdw(10, 15, 0, 'Queue Identifier'),
});

export const IDENTIFY = layout('Identify', 512, `${NVME}, 5.15`, {
  CNS: cdw(10, 7, 0, 'Controller or Namespace Structure'),
  CNTID: cdw(10, 31, 16, 'Controller Identifier'),
  CSI: cdw(11, 31, 24, 'Command Set Identifier'),
});

export const Cns = {
  NAMESPACE: 0x00,
  CONTROLLER: 0x01,
  ACTIVE_NAMESPACES: 0x02,
  NAMESPACE_DESCRIPTORS: 0x03,
  COMMAND_SET_CONTROLLER: 0x06,
} as const;

export const ABORT = layout('Abort', 512, `${NVME}, 5.1`, {
  SQID: cdw(10, 15, 0, 'Submission Queue Identifier'),
  CID: cdw(10, 31, 16, 'Command Identifier'),
});

export const FEATURES = layout('Set Features, Get Features', 512, `${NVME}, 5.9, 5.21`, {
  FID: cdw(10, 7, 0, 'Feature Identifier'),
  SEL: cdw(10, 10, 8, 'Get Features: Select'),
  SV: cdw(10, 31, 31, 'Set Features: Save'),
});

export const Select = { CURRENT: 0, DEFAULT: 1, SAVED: 2, SUPPORTED_CAPABILITIES: 3 } as const;

export const FeatureId = {
  ARBITRATION: 0x01,
  POWER_MANAGEMENT: 0x02,
  TEMPERATURE_THRESHOLD: 0x04,
  ERROR_RECOVERY: 0x05,
  NUMBER_OF_QUEUES: 0x07,
  INTERRUPT_COALESCING: 0x08,
  INTERRUPT_VECTOR_CONFIGURATION: 0x09,
  WRITE_ATOMICITY_NORMAL: 0x0a,
  ASYNCHRONOUS_EVENT_CONFIGURATION: 0x0b,
} as const;

/** Dword 11 of Set Features, and dword 0 of the completion. */
export const NUMBER_OF_QUEUES = layout('Number of Queues', 32, `${NVME}, 5.21.1.7`, {
  NSQ: field(15, 0, 'Number of I/O Submission Queues, 0’s based'),
  NCQ: field(31, 16, 'Number of I/O Completion Queues, 0’s based'),
});

export const ARBITRATION = layout('Arbitration', 32, `${NVME}, 5.21.1.1`, {
  AB: field(2, 0, 'Arbitration Burst: commands at a time, a power of two; 7 for no limit'),
});

export const GET_LOG_PAGE = layout('Get Log Page', 512, `${NVME}, 5.14`, {
  LID: cdw(10, 7, 0, 'Log Page Identifier'),
  RAE: cdw(10, 15, 15, 'Retain Asynchronous Event'),
  NUMDL: cdw(10, 31, 16, 'Number of Dwords Lower, with the upper ones 0’s based'),
  NUMDU: cdw(11, 15, 0, 'Number of Dwords Upper'),
  LPOL: cdw(12, 31, 0, 'Log Page Offset Lower'),
  LPOU: cdw(13, 31, 0, 'Log Page Offset Upper'),
});

/** Dword 0 of the completion of an Asynchronous Event Request. */
export const ASYNCHRONOUS_EVENT = layout('Asynchronous Event', 32, `${NVME}, 5.2`, {
  TYPE: field(2, 0, 'Asynchronous Event Type', { ERROR: 0 }),
  INFORMATION: field(15, 8, 'Asynchronous Event Information'),
  LOG_PAGE: field(23, 16, 'Log Page Identifier'),
});

/** Asynchronous Event Information of errors. */
export const ErrorEvent = {
  INVALID_DOORBELL_REGISTER: 0,
  INVALID_DOORBELL_VALUE: 1,
} as const;

/** Read, Write and Write Zeroes. */
export const READ_WRITE = layout('Read, Write, Write Zeroes', 512, `${NVME}, 6.9, 6.15, 6.16`, {
  SLBA: field(10 * 32 + 63, 10 * 32, 'Starting LBA'),
  NLB: cdw(12, 15, 0, 'Number of Logical Blocks, 0’s based'),
});

export const DATASET_MANAGEMENT = layout('Dataset Management', 512, `${NVME}, 6.7`, {
  NR: cdw(10, 7, 0, 'Number of Ranges, 0’s based'),
  AD: cdw(11, 2, 2, 'Attribute – Deallocate'),
});

export const DSM_RANGE = layout('Dataset Management Range', 128, `${NVME}, 6.7`, {
  NLB: field(63, 32, 'Length in logical blocks'),
  SLBA: field(127, 64, 'Starting LBA'),
});

export const DSM_RANGE_BYTES = 16;
/** What a PRP list consists of. */
export const PRP_BYTES = 8;

export const EVERY_NAMESPACE = 0xffff_ffff;
