/**
 * Interrupt requests, that is, writes of 32 bits to FEEx_xxxxh, and the entries of interrupt remapping tables.
 *
 * Undeclared bits are reserved. What Control.GAEn and Control.XTEn make of an entry are layouts of their own, so that the
 * reserved bits of each mode follow from the layouts.
 */
import { field, flag, layout } from '../../bits/index.ts';
import { NumIntRemapMode } from './registers/control.ts';
import { amdVi } from './source.ts';

// --- requests ---

/** Delivery mode of a request. */
export const DeliveryMode = {
  FIXED: 0b000,
  ARBITRATED: 0b001,
  SMI: 0b010,
  NMI: 0b100,
  INIT: 0b101,
  EXT_INT: 0b111,
} as const;

/** The address of a request, and of what is delivered. */
export const INTERRUPT_ADDRESS = layout('interrupt address', 32, amdVi('VB', 'Q10', 'L72'), {
  DM: flag(2, 'Destination mode: 0 physical, 1 logical; 1 with Control.NumIntRemapMode = 01b: the data is all index'),
  RH: flag(3, 'Redirection hint'),
  DestinationID: field(19, 12, 'APIC id, bits 7:0'),
  Identifier: field(31, 20, 'FEEh'),
});

/** The upper half of the address of what is delivered with Control.XTEn = 1. */
export const INTERRUPT_UPPER_ADDRESS = layout('interrupt upper address', 32, amdVi('INF'), {
  DestinationID_31_8: field(31, 8, 'APIC id, bits 31:8'),
});

/** The data of a request that is not remapped, and of what is delivered. */
export const INTERRUPT_DATA = layout('interrupt data', 32, amdVi('VB', 'Q10', 'L72'), {
  Vector: field(7, 0, 'Vector'),
  DeliveryMode: field(10, 8, 'Delivery mode', DeliveryMode),
  Level: flag(14, 'Trigger mode level: 1 asserted'),
  TriggerMode: flag(15, 'Trigger mode: 0 edge, 1 level'),
});

/** The data of a request that is remapped. The index covers the delivery mode, which is looked at first all the same. */
export const REMAPPED_INTERRUPT_DATA = layout('interrupt data (remapped)', 32, amdVi('VB', 'OV', 'Q10'), {
  Index: field(10, 0, 'Index of the entry'),
});

// --- entries ---

/** Entries of the largest table, by NumIntRemapMode. */
export const LARGEST_TABLE: Readonly<Record<number, number>> = {
  [NumIntRemapMode.INTERRUPTS_512]: 512,
  [NumIntRemapMode.INTERRUPTS_2048]: 2048,
};

/** IntType: the delivery mode of what is delivered. All others are reserved. */
export const IntType = { FIXED: 0, ARBITRATED: 1 } as const;

const COMMON = {
  RemapEn: flag(0, 'The entry is in use'),
  SupIOPF: flag(1, 'IO_PAGE_FAULT events of this entry are not logged'),
};
const REMAPPED = {
  ...COMMON,
  IntType: field(4, 2, 'Interrupt type', IntType),
  RqEoi: flag(5, 'The interrupt wants an EOI'),
  DM: flag(6, 'Destination mode: 0 physical, 1 logical'),
  GuestMode: flag(7, 'The interrupt is for a guest'),
};

/** Control.GAEn = 0. */
export const IRTE_32 = layout('IRTE (32 bits)', 32, amdVi('VB', 'FB', 'Q10', 'L72'), {
  ...REMAPPED,
  Destination: field(15, 8, 'APIC id'),
  Vector: field(23, 16, 'Vector'),
});

const WIDE = amdVi('FB', 'L72', 'OV');
const VECTOR = field(71, 64, 'Vector');
const SHORT_DESTINATION = { Destination: field(15, 8, 'APIC id') };
const LONG_DESTINATION = {
  Destination_23_0: field(31, 8, 'APIC id, bits 23:0'),
  Destination_31_24: field(127, 120, 'APIC id, bits 31:24'),
};

/** Control.GAEn = 1 and GuestMode = 0. */
export const IRTE_128 = layout('IRTE (128 bits)', 128, WIDE, { ...REMAPPED, ...SHORT_DESTINATION, Vector: VECTOR });

/** The same with Control.XTEn = 1. */
export const IRTE_128_XT = layout('IRTE (128 bits, XT)', 128, WIDE, {
  ...REMAPPED,
  ...LONG_DESTINATION,
  Vector: VECTOR,
});

const GUEST = {
  ...COMMON,
  GALogIntr: flag(2, 'An interrupt for a guest that does not run goes into the GA log'),
  GAPPIDis: flag(5, 'No interrupt of the physical processor'),
  IsRun: flag(6, 'The guest runs, on the processor that Destination names'),
  GuestMode: flag(7, 'The interrupt is for a guest'),
  GATag: field(63, 32, 'What the GA log says of the guest'),
  Vector: VECTOR,
  BackingPage: field(115, 76, "The guest's virtual APIC backing page, address bits 51:12"),
};

/** Control.GAEn = 1 and GuestMode = 1. */
export const IRTE_GUEST = layout('IRTE (guest)', 128, WIDE, { ...GUEST, ...SHORT_DESTINATION });

/** The same with Control.XTEn = 1. */
export const IRTE_GUEST_XT = layout('IRTE (guest, XT)', 128, WIDE, { ...GUEST, ...LONG_DESTINATION });

/**
 * Fields of a guest's entry that hardware reads anew each time, so that software changes them without a command. Linux says
 * so of all but GALogIntr in its code, and of that in a change that cites AMD's hardware architects.
 */
export const NOT_CACHED: readonly string[] = [
  'Destination',
  'Destination_23_0',
  'Destination_31_24',
  'IsRun',
  'GATag',
  'GALogIntr',
];

/**
 * Interrupt requests of a virtual APIC, in its backing page: those of 32 vectors in the first 4 of every 16 bytes, as in
 * any local APIC. Remembered, confirmed by no source about IOMMUs.
 */
export const BACKING_PAGE_IRR = { offset: 0x200, step: 16, vectors: 32 } as const;
