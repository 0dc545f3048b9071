/**
 * Interrupt remapping table entries and posted interrupt descriptors: VT-d 9.9 to 9.11.
 *
 * Undeclared bits are reserved; in an IRTE they count only when it is present. What EIME makes of a destination id is a
 * layout of its own, so that the reserved bits of both modes follow from the layouts.
 */
import { field, flag, layout } from '../../../bits/index.ts';
import type { ReservedWithout } from '../capability.ts';

/** IM: how the entry treats an interrupt. Reserved (0) without posted interrupts. */
export const IrteMode = { REMAPPED: 0, POSTED: 1 } as const;

/** DLM. */
export const DeliveryMode = {
  FIXED: 0b000,
  LOWEST_PRIORITY: 0b001,
  SMI: 0b010,
  NMI: 0b100,
  INIT: 0b101,
  EXT_INT: 0b111,
} as const;

/** SQ: what of the source id counts when SVT is SOURCE_ID. */
export const SourceIdQualifier = {
  ALL: 0b00,
  IGNORE_BIT_2: 0b01,
  IGNORE_BITS_2_1: 0b10,
  IGNORE_BITS_2_0: 0b11,
} as const;

/** SVT: how the sender of an interrupt is checked. 11b is reserved. */
export const SourceValidationType = {
  NONE: 0b00,
  SOURCE_ID: 0b01,
  /** The bus number lies between the upper and the lower byte of SID, both included. */
  BUS_RANGE: 0b10,
} as const;

const PRESENT = {
  P: flag(0, 'Present'),
  FPD: flag(1, 'Qualified faults are not recorded; counts even when P is 0'),
};
const AVAIL = field(11, 8, 'Free for software');
const IM = field(15, 15, 'Mode of the entry', IrteMode);
const SOURCE = {
  SID: field(79, 64, 'Source id, or first and last bus number'),
  SQ: field(81, 80, 'Source id qualifier', SourceIdQualifier),
  SVT: field(83, 82, 'Source validation type; 11b is reserved', SourceValidationType),
};
const REMAPPED = {
  ...PRESENT,
  DM: flag(2, 'Destination mode: 0 physical, 1 logical'),
  RH: flag(3, 'Redirection hint: one of several processors'),
  TM: flag(4, 'Trigger mode: 0 edge, 1 level'),
  DLM: field(7, 5, 'Delivery mode', DeliveryMode),
  AVAIL,
  IM,
  V: field(23, 16, 'Vector'),
  ...SOURCE,
};

/** IM = 0 and IRTA_REG.EIME = 1. */
export const IRTE_REMAPPED = layout('IRTE (remapped)', 128, 'VT-d 9.9', {
  ...REMAPPED,
  DST: field(63, 32, 'Destination: APIC id'),
});

/** IM = 0 and IRTA_REG.EIME = 0. */
export const IRTE_REMAPPED_XAPIC = layout('IRTE (remapped, xAPIC)', 128, 'VT-d 9.9', {
  ...REMAPPED,
  DST: field(47, 40, 'Destination: APIC id'),
});

export const IRTE_REMAPPED_RESERVED_WITHOUT = {
  PI: ['IM'],
} as const satisfies ReservedWithout<typeof IRTE_REMAPPED>;

/** IM = 1. The descriptor's address is {PDAH, PDAL, 000000b}. */
export const IRTE_POSTED = layout('IRTE (posted)', 128, 'VT-d 9.10', {
  ...PRESENT,
  AVAIL,
  URG: flag(14, 'Urgent: notifies even when SN is set'),
  IM,
  VV: field(23, 16, 'Virtual vector: the bit of PIR'),
  PDAL: field(63, 38, 'Posted interrupt descriptor, address bits 31:6'),
  ...SOURCE,
  PDAH: field(127, 96, 'Posted interrupt descriptor, address bits 63:32'),
});

export const IRTE_POSTED_RESERVED_WITHOUT = {
  PI: ['URG', 'IM'],
} as const satisfies ReservedWithout<typeof IRTE_POSTED>;

const POSTED = {
  PIR_63_0: field(63, 0, 'Posted interrupts: vectors 0 to 63'),
  PIR_127_64: field(127, 64, 'Posted interrupts: vectors 64 to 127'),
  PIR_191_128: field(191, 128, 'Posted interrupts: vectors 128 to 191'),
  PIR_255_192: field(255, 192, 'Posted interrupts: vectors 192 to 255'),
  ON: flag(256, 'Outstanding notification'),
  SN: flag(257, 'Suppress notification of interrupts that are not urgent'),
  NV: field(279, 272, 'Notification vector'),
};

/** With IRTA_REG.EIME = 1. */
export const POSTED_INTERRUPT_DESCRIPTOR = layout('posted interrupt descriptor', 512, 'VT-d 9.11', {
  ...POSTED,
  NDST: field(319, 288, 'Notification destination: physical APIC id'),
});

/** With IRTA_REG.EIME = 0. */
export const POSTED_INTERRUPT_DESCRIPTOR_XAPIC = layout('posted interrupt descriptor (xAPIC)', 512, 'VT-d 9.11', {
  ...POSTED,
  NDST: field(303, 296, 'Notification destination: physical APIC id'),
});
