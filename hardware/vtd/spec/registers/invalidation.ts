/** Invalidation: by register (VT-d 11.4.6) and by queue (VT-d 11.4.9). */
import { bit, bits, layout, register } from '../../../bits/index.ts';

/** What a context-cache command asks for, and what hardware did about it. 0 as an answer means: ignored, an error. */
export const ContextGranularity = { GLOBAL: 0b01, DOMAIN: 0b10, DEVICE: 0b11 } as const;

/** The same for the IOTLB. */
export const IotlbGranularity = { GLOBAL: 0b01, DOMAIN: 0b10, PAGE: 0b11 } as const;

/** Which low bits of a source id (function number) a device-selective invalidation leaves out. */
export const FunctionMask = { NONE: 0b00, BIT_2: 0b01, BITS_2_1: 0b10, BITS_2_0: 0b11 } as const;

export const CCMD = register('CCMD_REG', 0x028, 64, 'VT-d 11.4.6.1', {
  DID: bits(15, 0, 'RW', 'Domain id'),
  SID: bits(31, 16, 'WO', 'Source id'),
  FM: bits(33, 32, 'WO', 'Function mask', FunctionMask),
  CAIG: bits(60, 59, 'RO', 'Granularity that was invalidated; 0 is an error', ContextGranularity),
  CIRG: bits(62, 61, 'RW', 'Granularity that is asked for', ContextGranularity),
  ICC: bit(63, 'RW', 'Start; hardware clears it when done'),
});

/** At byte ECAP.IRO * 16 of the page. */
export const IVA = layout('IVA_REG', 64, 'VT-d 11.4.6.4', {
  AM: bits(5, 0, 'WO', 'Address mask: 2 ** AM pages'),
  IH: bit(6, 'WO', 'Only leaf entries have changed'),
  ADDR: bits(63, 12, 'WO', 'First page'),
});

/** At byte ECAP.IRO * 16 + 8 of the page. */
export const IOTLB_REG = layout('IOTLB_REG', 64, 'VT-d 11.4.6.3', {
  DID: bits(47, 32, 'RW', 'Domain id'),
  DW: bit(48, 'RW', 'Drain writes first'),
  DR: bit(49, 'RW', 'Drain reads first'),
  IAIG: bits(58, 57, 'RO', 'Granularity that was invalidated; 0 is an error', IotlbGranularity),
  IIRG: bits(61, 60, 'RW', 'Granularity that is asked for', IotlbGranularity),
  IVT: bit(63, 'RW', 'Start; hardware clears it when done'),
});

export const IQH = register('IQH_REG', 0x080, 64, 'VT-d 11.4.9.1', {
  QH: bits(18, 4, 'RO', 'Byte offset of the next descriptor to be fetched, in units of 16 bytes'),
});

export const IQT = register('IQT_REG', 0x088, 64, 'VT-d 11.4.9.2', {
  QT: bits(18, 4, 'RW', 'Byte offset behind the last descriptor, in units of 16 bytes'),
});

export const IQA = register('IQA_REG', 0x090, 64, 'VT-d 11.4.9.3', {
  QS: bits(2, 0, 'RW', 'The queue has 2 ** QS pages'),
  DW: bit(11, 'RW', 'Descriptors have 256 bits, not 128'),
  IQA: bits(63, 12, 'RW', 'Base of the queue'),
});

export const ICS = register('ICS_REG', 0x09c, 32, 'VT-d 11.4.9.4', {
  IWC: bit(0, 'RW1CS', 'A wait descriptor with IF=1 has completed'),
});

export const IECTL = register('IECTL_REG', 0x0a0, 32, 'VT-d 11.4.9.5', {
  IP: bit(30, 'RO', 'An event is held back'),
  IM: bit(31, 'RW', 'Hold events back'),
});

export const IEDATA = register('IEDATA_REG', 0x0a4, 32, 'VT-d 11.4.9.6', {
  IMD: bits(15, 0, 'RW', 'Message data'),
});

export const IEADDR = register('IEADDR_REG', 0x0a8, 32, 'VT-d 11.4.9.7', {
  MA: bits(31, 2, 'RW', 'Message address'),
});

export const IEUADDR = register('IEUADDR_REG', 0x0ac, 32, 'VT-d 11.4.9.8', {
  MUA: bits(31, 0, 'RW', 'Upper half of the message address'),
});

/** Why the queue has stopped with FSTS_REG.IQE. */
export const Iqei = {
  NONE: 0,
  INVALID_TAIL: 1,
  FETCH_ERROR: 2,
  INVALID_TYPE: 3,
  RESERVED_FIELD: 4,
  INVALID_WIDTH: 5,
  UNALIGNED_TAIL: 6,
  INVALID_TTM: 7,
} as const;

export const IQERCD = register('IQERCD_REG', 0x0b0, 64, 'VT-d 11.4.9.9', {
  IQEI: bits(3, 0, 'ROS', 'Cause of FSTS_REG.IQE', Iqei),
  ITESID: bits(47, 32, 'ROS', 'Source id that belongs to FSTS_REG.ITE; 0 when unknown'),
  ICESID: bits(63, 48, 'ROS', 'Source id that belongs to FSTS_REG.ICE; 0 when unknown'),
});
