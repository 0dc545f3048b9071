/**
 * Interrupt requests, that is, writes of 32 bits to FEEx_xxxxh: VT-d 5.1.2, and how software programs their senders:
 * VT-d 5.1.5 and 5.1.6. Bit 4 of the address tells the formats apart.
 */
import { field, flag, layout } from '../../../bits/index.ts';
import { DeliveryMode } from './interrupt.ts';

/** Bit 4 of the address of an interrupt request. */
export const InterruptFormat = { COMPATIBILITY: 0, REMAPPABLE: 1 } as const;

/** Bits 31:20 of the address of an interrupt request. */
export const INTERRUPT_IDENTIFIER = 0xfee;

const ADDRESS = {
  IGNORED_1_0: field(1, 0, 'Ignored'),
  FORMAT: field(4, 4, 'Interrupt format', InterruptFormat),
  IDENTIFIER: field(31, 20, 'FEEh'),
};
const DESTINATION = {
  DM: flag(2, 'Destination mode: 0 physical, 1 logical'),
  RH: flag(3, 'Redirection hint'),
  DESTINATION_ID: field(19, 12, 'APIC id, bits 7:0'),
};

/** Index of the IRTE: {HANDLE_15, HANDLE_14_0}, plus SUBHANDLE when SHV is 1. */
export const REMAPPABLE_MSI_ADDRESS = layout('remappable interrupt address', 32, 'VT-d 5.1.2.2', {
  ...ADDRESS,
  HANDLE_15: flag(2, 'Handle, bit 15'),
  SHV: flag(3, 'The data holds a subhandle'),
  HANDLE_14_0: field(19, 5, 'Handle, bits 14:0'),
});

/** The data when SHV is 1: the upper half is reserved. When SHV is 0, all of the data is ignored. */
export const REMAPPABLE_MSI_DATA = layout('remappable interrupt data', 32, 'VT-d 5.1.2.2', {
  SUBHANDLE: field(15, 0, 'Subhandle'),
});

export const COMPATIBILITY_MSI_ADDRESS = layout('compatibility interrupt address', 32, 'VT-d 5.1.2.1', {
  ...ADDRESS,
  ...DESTINATION,
});

export const COMPATIBILITY_MSI_DATA = layout('compatibility interrupt data', 32, 'VT-d 5.1.2.1', {
  VECTOR: field(7, 0, 'Vector'),
  DELIVERY_MODE: field(10, 8, 'Delivery mode', DeliveryMode),
  LEVEL: flag(14, 'Trigger mode level: 1 asserted'),
  TRIGGER_MODE: flag(15, 'Trigger mode: 0 edge, 1 level'),
});

/** How software programs an I/O APIC redirection entry whose interrupt is to be remapped. */
export const REMAPPABLE_IOAPIC_RTE = layout('I/O APIC redirection entry (remappable)', 64, 'VT-d 5.1.5.1', {
  VECTOR: field(7, 0, 'Vector'),
  DELIVERY_MODE: field(10, 8, '000b, which makes SHV of the request 0'),
  INDEX_15: flag(11, 'Interrupt index, bit 15'),
  DELIVERY_STATUS: flag(12, 'Delivery status'),
  POLARITY: flag(13, 'Interrupt polarity'),
  REMOTE_IRR: flag(14, 'Remote IRR'),
  TRIGGER_MODE: flag(15, 'Trigger mode: the same as in the IRTE'),
  MASK: flag(16, 'Mask'),
  FORMAT: field(48, 48, 'Interrupt format', InterruptFormat),
  INDEX_14_0: field(63, 49, 'Interrupt index, bits 14:0'),
});

/** What an ADDR register (FEADDR_REG and the like) holds. These events are never remapped. */
export const EVENT_ADDRESS = layout('event message address', 32, 'VT-d 5.1.6', {
  IGNORED_1_0: ADDRESS.IGNORED_1_0,
  ...DESTINATION,
  IDENTIFIER: ADDRESS.IDENTIFIER,
});

/** What a UADDR register holds in x2APIC mode; in xAPIC mode it is 0. */
export const EVENT_UPPER_ADDRESS = layout('event message upper address', 32, 'VT-d 5.1.6.2', {
  DESTINATION_ID_31_8: field(31, 8, 'APIC id, bits 31:8'),
});

/** What a DATA register holds. */
export const EVENT_DATA = layout('event message data', 32, 'VT-d 5.1.6', {
  VECTOR: field(7, 0, 'Vector'),
  DELIVERY_MODE: flag(8, 'Delivery mode: 0 fixed, 1 lowest priority'),
});
