/** Fault reporting: VT-d 11.4.7. */
import { bit, bits, layout, register } from '../../../bits/index.ts';
import type { ReservedWithout } from '../capability.ts';

export const FSTS = register('FSTS_REG', 0x034, 32, 'VT-d 11.4.7.1', {
  PFO: bit(0, 'RW1CS', 'A fault found no free record; nothing is recorded until this is cleared'),
  PPF: bit(1, 'ROS', 'A fault record has F=1'),
  IQE: bit(4, 'RW1CS', 'The invalidation queue has stopped; IQERCD_REG.IQEI says why'),
  ICE: bit(5, 'RW1CS', 'A device answered an invalidation that was not asked of it'),
  ITE: bit(6, 'RW1CS', 'A device did not answer an invalidation in time'),
  FRI: bits(15, 8, 'ROS', 'Record that set PPF'),
});

export const FSTS_RESERVED_WITHOUT = {
  QI: ['IQE'],
  DT: ['ICE', 'ITE'],
} as const satisfies ReservedWithout<typeof FSTS>;

export const FECTL = register('FECTL_REG', 0x038, 32, 'VT-d 11.4.7.2', {
  IP: bit(30, 'RO', 'An event is held back'),
  IM: bit(31, 'RW', 'Hold events back'),
});

export const FEDATA = register('FEDATA_REG', 0x03c, 32, 'VT-d 11.4.7.3', {
  IMD: bits(15, 0, 'RW', 'Message data'),
});

export const FEADDR = register('FEADDR_REG', 0x040, 32, 'VT-d 11.4.7.4', {
  MA: bits(31, 2, 'RW', 'Message address'),
});

export const FEUADDR = register('FEUADDR_REG', 0x044, 32, 'VT-d 11.4.7.5', {
  MUA: bits(31, 0, 'RW', 'Upper half of the message address'),
});

/** {T1, T2} of a fault record. */
export const FaultedAccess = { WRITE: 0b00, PAGE_REQUEST: 0b01, READ: 0b10, ATOMIC: 0b11 } as const;

/** Address type of a request: FRCD_REG.AT and the AT field of a TLP. */
export const AddressType = { UNTRANSLATED: 0b00, TRANSLATION_REQUEST: 0b01, TRANSLATED: 0b10 } as const;

/** One of CAP.NFR + 1 records; record n is at byte CAP.FRO * 16 + n * 16 of the page. */
export const FRCD = layout('FRCD_REG', 128, 'VT-d 11.4.7.6', {
  FI: bits(63, 12, 'ROS', 'Page of the faulting address; for an interrupt its index, in bits 63:48'),
  SID: bits(79, 64, 'ROS', 'Source id of the request'),
  T2: bit(92, 'ROS', 'Kind of request, with T1'),
  PRIV: bit(93, 'ROS', 'Privileged-mode requested; valid with PP'),
  EXE: bit(94, 'ROS', 'Execute requested; valid with PP for a read'),
  PP: bit(95, 'ROS', 'The request carried a PASID'),
  FR: bits(103, 96, 'ROS', 'Fault reason'),
  PV: bits(123, 104, 'ROS', 'PASID; valid with PP'),
  AT: bits(125, 124, 'ROS', 'Address type of the request', AddressType),
  T1: bit(126, 'ROS', 'Kind of request, with T2: 00b write, 01b page request, 10b read, 11b AtomicOp'),
  F: bit(127, 'RW1CS', 'The record holds a fault; hardware writes it last'),
});

export const FRCD_RESERVED_WITHOUT = {
  DT: ['AT'],
  PASID: ['PRIV', 'EXE', 'PP', 'PV'],
} as const satisfies ReservedWithout<typeof FRCD>;
