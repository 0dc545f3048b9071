/** The tables behind the registers: one entry per group, work queue and MSI-X vector. */
import { bit, bits, layout } from '../../../bits/index.ts';
import { OPCODE_BITS, opcodeBits } from './opcodes.ts';

const SHEET = 'DSA tables';

export const GRPCFG_BYTES = 64;

/** Bitmaps of 64 bits each, and the flags. */
export const GRPCFG = layout('GRPCFG', 384, SHEET, {
  WQS_0: bits(63, 0, 'RW', 'bit n: work queue n is of the group'),
  WQS_64: bits(127, 64, 'RW', 'work queues from 64 on'),
  WQS_128: bits(191, 128, 'RW', 'work queues from 128 on'),
  WQS_192: bits(255, 192, 'RW', 'work queues from 192 on'),
  ENGINES: bits(319, 256, 'RW', 'bit n: engine n is of the group'),
  TC_A: bits(322, 320, 'RW', 'traffic class A'),
  TC_B: bits(325, 323, 'RW', 'traffic class B'),
  USE_RDBUF_LIMIT: bit(327, 'RW', 'the global limit of read buffers holds for the group'),
  RDBUFS_RESERVED: bits(335, 328, 'RW', 'read buffers for the group alone'),
  RDBUFS_ALLOWED: bits(347, 340, 'RW', 'most read buffers of the group'),
  DESC_PROGRESS_LIMIT: bits(353, 352, 'RW', 'descriptors in progress'),
  BATCH_PROGRESS_LIMIT: bits(357, 356, 'RW', 'descriptors of batches in progress'),
});

export const WqMode = { SHARED: 0, DEDICATED: 1 } as const;
export const WqState = { DISABLED: 0, ENABLED: 1, BUSY: 2 } as const;

/** WQCAP.WQCFG_SIZE of these entries, and their bytes. */
export const WQCFG_SIZE = 1;
export const WQCFG_BYTES = 32 << WQCFG_SIZE;

const OPERATIONS_FROM = 256;

export const WQCFG = layout('WQCFG', OPERATIONS_FROM + OPCODE_BITS, SHEET, {
  SIZE: bits(15, 0, 'RW', 'entries of the queue'),
  THRESHOLD: bits(47, 32, 'RW', 'a shared queue refuses at its limited portal from this occupancy on'),
  MODE: bit(64, 'RW', '1: dedicated, 0: shared'),
  BOF: bit(65, 'RW', 'descriptors may wait for pages'),
  ATS_DISABLE: bit(66, 'RW', 'addresses are not translated by the device'),
  PRS_DISABLE: bit(67, 'RW', 'pages are not asked for'),
  PRIORITY: bits(71, 68, 'RW', '1 to 15: share of its group'),
  PASID: bits(91, 72, 'RW', 'of a dedicated queue: PASID of its requests'),
  PASID_EN: bit(92, 'RW', 'requests carry a PASID'),
  PRIV: bit(93, 'RW', 'of a dedicated queue: in privileged mode'),
  MAX_XFER_SHIFT: bits(100, 96, 'RW', 'log2 of the largest transfer'),
  MAX_BATCH_SHIFT: bits(104, 101, 'RW', 'log2 of the most descriptors of a batch'),
  OCCUPANCY_INTH: bits(143, 128, 'RW', 'interrupt handle'),
  OCCUPANCY_TABLE_SEL: bit(144, 'RW', 'of interrupt message storage'),
  OCCUPANCY_LIMIT: bits(175, 160, 'RW', 'interrupt when the queue gets below'),
  OCCUPANCY_INT_EN: bit(176, 'RW', 'do so once'),
  OCCUPANCY: bits(207, 192, 'RO', 'descriptors in the queue'),
  OCCUPANCY_INT: bit(208, 'RW1C', 'it did'),
  MODE_SUPPORT: bit(221, 'RO', 'the mode can be changed'),
  WQ_STATE: bits(223, 222, 'RO', 'what the queue does', WqState),
  ...opcodeBits('RW', 'the queue may do the operation', OPERATIONS_FROM),
});

export const MSIXPERM_BYTES = 8;

/** Who may have an interrupt. */
export const MSIXPERM = layout('MSIXPERM', 32, SHEET, {
  IGNORE: bit(2, 'RW', 'everybody'),
  PASID_EN: bit(3, 'RW', 'only descriptors under the PASID; else those without one'),
  PASID: bits(31, 12, 'RW', 'PASID'),
});
