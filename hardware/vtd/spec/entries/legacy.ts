/**
 * Root and context entries of legacy mode: VT-d 9.1 and 9.3.
 *
 * Undeclared bits are reserved; they count only in an entry that is present. Address bits at or above the host address
 * width and domain-id bits above the width that CAP.ND gives are reserved too.
 */
import { field, flag, layout } from '../../../bits/index.ts';
import type { IgnoredFor, Needs } from '../capability.ts';

/** One of the 256 entries of a root table; the bus number is the index. */
export const ROOT_ENTRY = layout('root entry', 128, 'VT-d 9.1', {
  P: flag(0, 'Present'),
  CTP: field(63, 12, 'Context table of the bus, a 4 KiB page'),
});

/** CONTEXT_ENTRY.TT. */
export const TranslationType = {
  /** Untranslated requests use the second stage; translation and translated requests are blocked. */
  UNTRANSLATED_ONLY: 0b00,
  /** As above, and the device may have a device-TLB. */
  DEVICE_TLB: 0b01,
  /** Untranslated requests pass through; translation and translated requests are blocked. */
  PASS_THROUGH: 0b10,
} as const;

export const TRANSLATION_TYPE_NEEDS = {
  UNTRANSLATED_ONLY: [],
  DEVICE_TLB: ['DT'],
  PASS_THROUGH: ['PT'],
} as const satisfies Needs<keyof typeof TranslationType>;

/** AW of context and PASID entries: the adjusted guest address width. Bit AW of CAP.SAGAW says whether it is supported. */
export const AddressWidth = { BITS_39: 0b001, BITS_48: 0b010, BITS_57: 0b011 } as const;

/** One of the 256 entries of a context table; device and function number are the index. */
export const CONTEXT_ENTRY = layout('context entry', 128, 'VT-d 9.3', {
  P: flag(0, 'Present'),
  FPD: flag(1, 'Qualified faults are not recorded; counts even when P is 0'),
  TT: field(3, 2, 'Translation type; 11b is reserved', TranslationType),
  SSPTPTR: field(63, 12, 'Top table of the second stage'),
  AW: field(66, 64, 'Address width; with pass-through the largest one supported', AddressWidth),
  IGNORED_70_67: field(70, 67, 'Free for software'),
  DID: field(87, 72, 'Domain id'),
});

export const CONTEXT_ENTRY_IGNORED_FOR = {
  PASS_THROUGH: ['SSPTPTR'],
} as const satisfies IgnoredFor<typeof CONTEXT_ENTRY, keyof typeof TranslationType>;
