/** The registers behind base address 0. Registers of 64 bits are also read and written as two halves. */
import { bit, bits, field, flag, layout, register } from '../../../bits/index.ts';
import { OPCODE_BITS, opcodeBits } from './opcodes.ts';

const SHEET = 'DSA registers';

export const Version = { V1: 0x100, V2: 0x200 } as const;

export const VERSION = register('VERSION', 0x00, 32, SHEET, {
  VERSION: bits(31, 0, 'RO', 'version of the interface', Version),
});

export const GENCAP = register('GENCAP', 0x10, 64, SHEET, {
  BLOCK_ON_FAULT: bit(0, 'RO', 'a descriptor may wait for a page'),
  OVERLAP_COPY: bit(1, 'RO', 'source and destination of MEMMOVE may overlap'),
  CACHE_CTL_MEM: bit(2, 'RO', 'the cache control flag says where writes to memory go'),
  CACHE_CTL_CACHE: bit(3, 'RO', 'the cache control flag is of effect for CFLUSH'),
  CMD_CAP: bit(4, 'RO', 'CMDCAP says which commands there are'),
  DEST_READBACK: bit(8, 'RO', 'destinations can be read back'),
  DRAIN_READBACK: bit(9, 'RO', 'DRAIN can read addresses back'),
  EVL_SUPPORT: bits(14, 13, 'RO', 'event log: entries of 32 << n bytes; 0 without one'),
  BATCH_CONT: bit(15, 'RO', 'a batch can be continued after a fault'),
  MAX_XFER_SHIFT: bits(20, 16, 'RO', 'log2 of the largest transfer'),
  MAX_BATCH_SHIFT: bits(24, 21, 'RO', 'log2 of the most descriptors of a batch'),
  MAX_IMS_MULT: bits(30, 25, 'RO', 'entries of interrupt message storage, in units of 256'),
  CONFIG_EN: bit(31, 'RO', 'software configures groups and work queues'),
});

export const WQCAP = register('WQCAP', 0x20, 64, SHEET, {
  TOTAL_WQ_SIZE: bits(15, 0, 'RO', 'entries of all work queues together'),
  NUM_WQS: bits(23, 16, 'RO', 'work queues'),
  WQCFG_SIZE: bits(27, 24, 'RO', 'a WQCFG entry has 32 << n bytes'),
  SHARED_MODE: bit(48, 'RO', 'work queues can be shared'),
  DEDICATED_MODE: bit(49, 'RO', 'work queues can be dedicated'),
  WQ_ATS_SUPPORT: bit(50, 'RO', 'ATS can be switched off for a work queue'),
  PRIORITY: bit(51, 'RO', 'work queues have priorities'),
  OCCUPANCY: bit(52, 'RO', 'the occupancy can be read'),
  OCCUPANCY_INT: bit(53, 'RO', 'there are interrupts for occupancy'),
  OP_CONFIG: bit(54, 'RO', 'operations can be withheld from a work queue'),
  WQ_PRS_SUPPORT: bit(55, 'RO', 'page requests can be switched off for a work queue'),
});

export const GRPCAP = register('GRPCAP', 0x30, 64, SHEET, {
  NUM_GROUPS: bits(7, 0, 'RO', 'groups'),
  TOTAL_RDBUFS: bits(15, 8, 'RO', 'read buffers'),
  RDBUF_CTRL: bit(16, 'RO', 'read buffers can be given to groups'),
  RDBUF_LIMIT: bit(17, 'RO', 'read buffers have a global limit'),
  PROGRESS_LIMIT: bit(18, 'RO', 'descriptors in progress can be limited'),
});

export const ENGCAP = register('ENGCAP', 0x38, 64, SHEET, { NUM_ENGINES: bits(7, 0, 'RO', 'engines') });

export const OPCAP = register('OPCAP', 0x40, OPCODE_BITS, SHEET, opcodeBits('RO', 'the operation is supported'));

/** Tables lie at multiples of this. */
export const TABLE_GRANULE = 0x100;

export const TABLE_OFFSETS = register('TABLE_OFFSETS', 0x60, 128, SHEET, {
  GRPCFG: bits(15, 0, 'RO', 'group configuration, in units of 256 bytes'),
  WQCFG: bits(31, 16, 'RO', 'work queue configuration'),
  MSIXPERM: bits(47, 32, 'RO', 'MSI-X permissions'),
  IMS: bits(63, 48, 'RO', 'interrupt message storage'),
  PERFMON: bits(79, 64, 'RO', 'performance monitoring; 0 without any'),
});

export const GENCFG = register('GENCFG', 0x80, 32, SHEET, {
  RDBUF_LIMIT: bits(7, 0, 'RW', 'global limit of read buffers'),
  USER_INT_EN: bit(12, 'RW', 'descriptors under a PASID may ask for interrupts'),
  EVL_EN: bit(13, 'RW', 'errors go to the event log'),
});

export const GENCTRL = register('GENCTRL', 0x88, 32, SHEET, {
  SOFTERR_INT_EN: bit(0, 'RW', 'interrupt for SWERR'),
  HALT_INT_EN: bit(1, 'RW', 'interrupt when the device halts'),
  EVL_INT_EN: bit(2, 'RW', 'interrupt for the event log'),
});

export const DeviceState = { DISABLED: 0, ENABLED: 1, DRAIN: 2, HALT: 3 } as const;
export const ResetType = { SOFTWARE: 0, FLR: 1, WARM: 2, COLD: 3 } as const;

export const GENSTS = register('GENSTS', 0x90, 32, SHEET, {
  STATE: bits(1, 0, 'RO', 'what the device does', DeviceState),
  RESET_TYPE: bits(3, 2, 'RO', 'what it was reset by', ResetType),
});

export const INTCAUSE = register('INTCAUSE', 0x98, 32, SHEET, {
  SWERR: bit(0, 'RW1C', 'an error is in SWERR'),
  COMMAND: bit(1, 'RW1C', 'a command has ended that asked for it'),
  OCCUPANCY: bit(2, 'RW1C', 'a work queue has become emptier'),
  PERFMON: bit(3, 'RW1C', 'a counter has overflown'),
  HALT: bit(4, 'RW1C', 'the device has halted'),
  EVL: bit(5, 'RW1C', 'an entry is in the event log'),
  INT_HANDLE_REVOKED: bit(31, 'RW1C', 'interrupt handles are valid no longer'),
});

export const Command = {
  ENABLE_DEVICE: 1,
  DISABLE_DEVICE: 2,
  DRAIN_ALL: 3,
  ABORT_ALL: 4,
  RESET_DEVICE: 5,
  ENABLE_WQ: 6,
  DISABLE_WQ: 7,
  DRAIN_WQ: 8,
  ABORT_WQ: 9,
  RESET_WQ: 10,
  DRAIN_PASID: 11,
  ABORT_PASID: 12,
  REQUEST_INT_HANDLE: 13,
  RELEASE_INT_HANDLE: 14,
} as const;

export const CMD = register('CMD', 0xa0, 32, SHEET, {
  OPERAND: bits(19, 0, 'RW', 'work queues, PASID or interrupt, as the command wants it'),
  CMD: bits(24, 20, 'RW', 'command', Command),
  INT_REQ: bit(31, 'RW', 'its end is told by an interrupt'),
});

/** Operand of ENABLE_WQ: one work queue. */
export const ONE_WQ = layout('CMD operand: a work queue', 32, SHEET, { WQ: field(7, 0, 'work queue') });

/** Operand of commands for several work queues of the same sixteen. */
export const WQ_SET = layout('CMD operand: work queues', 32, SHEET, {
  MASK: field(15, 0, 'bit n: work queue n of the sixteen'),
  INDEX: field(19, 16, 'which sixteen'),
});

/** Operand of commands for interrupt handles. */
export const INTERRUPT = layout('CMD operand: an interrupt', 32, SHEET, {
  INDEX: field(15, 0, 'entry of the MSI-X table, or a handle'),
  IMS: flag(16, 'of interrupt message storage instead'),
});

export const CommandError = {
  SUCCESS: 0x00,
  INVAL_CMD: 0x01,
  INVAL_WQIDX: 0x02,
  HW_ERR: 0x03,
  DEV_ENABLED: 0x10,
  CONFIG: 0x11,
  BUSMASTER_EN: 0x12,
  PASID_INVAL: 0x13,
  WQ_SIZE_ERANGE: 0x14,
  GRP_CONFIG: 0x15,
  GRP_CONFIG2: 0x16,
  GRP_CONFIG3: 0x17,
  GRP_CONFIG4: 0x18,
  DEV_NOTEN: 0x20,
  WQ_ENABLED: 0x21,
  WQ_SIZE: 0x22,
  WQ_PRIOR: 0x23,
  WQ_MODE: 0x24,
  BOF_EN: 0x25,
  PASID_EN: 0x26,
  MAX_BATCH_SIZE: 0x27,
  MAX_XFER_SIZE: 0x28,
  DIS_DEV_EN: 0x31,
  WQ_NOT_EN: 0x32,
  INVAL_INT_IDX: 0x41,
  NO_HANDLE: 0x42,
} as const;

export const CMDSTS = register('CMDSTS', 0xa8, 32, SHEET, {
  ERR: bits(7, 0, 'RO', 'how the command ended', CommandError),
  RESULT: bits(23, 8, 'RO', 'what it gives: an interrupt handle'),
  ACTIVE: bit(31, 'RO', 'it has not ended'),
});

export const CMDCAP = register('CMDCAP', 0xb0, 32, SHEET, {
  COMMANDS: bits(31, 0, 'RO', 'bit n: command n is supported'),
});

export const SWERR = register('SWERR', 0xc0, 256, SHEET, {
  VALID: bit(0, 'RW1C', 'there is an error'),
  OVERFLOW: bit(1, 'RW1C', 'there were more'),
  DESC_VALID: bit(2, 'RO', 'fields of the descriptor are valid'),
  WQ_IDX_VALID: bit(3, 'RO', 'the work queue is valid'),
  BATCH: bit(4, 'RO', 'the descriptor was in a batch'),
  FAULT_RW: bit(5, 'RO', 'a write faulted'),
  PRIV: bit(6, 'RO', 'in privileged mode'),
  ERROR: bits(15, 8, 'RO', 'a completion status, or an error of submission'),
  WQ_IDX: bits(23, 16, 'RO', 'work queue'),
  OPERATION: bits(39, 32, 'RO', 'opcode'),
  PASID: bits(59, 40, 'RO', 'PASID'),
  BATCH_IDX: bits(79, 64, 'RO', 'which descriptor of the batch'),
  INVALID_FLAGS: bits(127, 96, 'RO', 'flags that are not possible'),
  FAULT_ADDR: bits(191, 128, 'RO', 'address that faulted'),
});

export const EVL_SIZE_MIN = 64;

export const EVLCFG = register('EVLCFG', 0xe0, 128, SHEET, {
  PASID_EN: bit(0, 'RW', 'the log is written under a PASID'),
  PRIV: bit(1, 'RW', 'in privileged mode'),
  BASE: bits(63, 12, 'RW', 'address of the log'),
  SIZE: bits(79, 64, 'RW', 'entries, 64 and more'),
  PASID: bits(99, 80, 'RW', 'PASID'),
});

export const EVLSTATUS = register('EVLSTATUS', 0xf0, 64, SHEET, {
  HEAD: bits(15, 0, 'RW', 'next entry that software reads'),
  TAIL: bits(47, 32, 'RO', 'next entry that is written'),
  INT_PENDING: bit(62, 'RW1C', 'an entry was written'),
});

export const REGISTERS = [
  ...[VERSION, GENCAP, WQCAP, GRPCAP, ENGCAP, OPCAP, TABLE_OFFSETS, GENCFG, GENCTRL, GENSTS, INTCAUSE],
  ...[CMD, CMDSTS, CMDCAP, SWERR, EVLCFG, EVLSTATUS],
] as const;
