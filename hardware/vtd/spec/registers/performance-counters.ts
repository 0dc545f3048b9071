/**
 * Registers of each performance counter, at places that capability registers give: VT-d 11.4.13.12 to 11.4.13.23.
 *
 * RWL: read-only while the counter is enabled; for PERFCNTR only where PERFCAP.CWE is 0.
 */
import { bit, bits, layout } from '../../../bits/index.ts';

/** Register m, for counters 64 * m and up, is at byte PERFFRZOFF.FZO + 8 * m. */
export const PERFFRZSTS = layout('PERFFRZSTS_REG', 64, 'VT-d 11.4.13.12', {
  FS: bits(63, 0, 'RO', 'The counter is frozen, one bit each'),
});

/** Register m, for counters 64 * m and up, is at byte PERFOVFOFF.OFO + 8 * m. */
export const PERFOVFSTS = layout('PERFOVFSTS_REG', 64, 'VT-d 11.4.13.13', {
  OS: bits(63, 0, 'RW1C', 'The counter has overflowed, one bit each'),
});

/** Bytes from the configuration of one counter to that of the next. */
export const PERFORMANCE_CONFIGURATION_STRIDE = 0x100;

/** Byte offsets from the configuration of counter c, which is at PERFCFGOFF.CFGO + 100h * c. */
export const PERFORMANCE_CONFIGURATION_OFFSET = {
  PERFCNTRCFG: 0x00,
  PERFCNTR_RIDFLTR: 0x08,
  PERFCNTR_DIDFLTR: 0x0c,
  PERFCNTR_PASIDFLTR: 0x10,
  PERFCNTR_ATFLTR: 0x14,
  PERFCNTR_PTLFLTR: 0x18,
  PERFCNTRCAP: 0x80,
  /** The first of PERFCNTRCAP.EGCNT, 4 bytes each. */
  PERFCNTREVCAP: 0x84,
} as const;

export const PERFCNTRCFG = layout('PERFCNTRCFG_REG', 64, 'VT-d 11.4.13.15', {
  EN: bit(0, 'RO', 'The counter is enabled'),
  IO: bit(1, 'RWL', 'Interrupt on overflow'),
  GFO: bit(2, 'RWL', 'Global freeze on overflow'),
  EGI: bits(11, 8, 'RWL', 'Event group'),
  ES: bits(59, 32, 'RWL', 'Events of the group that count, one bit each'),
});

const EN = bit(31, 'RWL', 'The filter is on');

export const PERFCNTR_RIDFLTR = layout('PERFCNTR_RIDFLTR_REG', 32, 'VT-d 11.4.13.16', {
  RID: bits(15, 0, 'RWL', 'Requester id'),
  EN,
});

export const PERFCNTR_DIDFLTR = layout('PERFCNTR_DIDFLTR_REG', 32, 'VT-d 11.4.13.17', {
  DID: bits(15, 0, 'RWL', 'Domain id'),
  EN,
});

/** PERFCNTR_PASIDFLTR.PFM; 11b is reserved. */
export const PasidFilterMode = { SAME_PASID: 0b00, ANY_PASID: 0b01, WITHOUT_PASID: 0b10 } as const;

export const PERFCNTR_PASIDFLTR = layout('PERFCNTR_PASIDFLTR_REG', 32, 'VT-d 11.4.13.18', {
  PASID: bits(19, 0, 'RWL', 'PASID'),
  PFM: bits(21, 20, 'RWL', 'Filter mode', PasidFilterMode),
  EN,
});

export const PERFCNTR_ATFLTR = layout('PERFCNTR_ATFLTR_REG', 32, 'VT-d 11.4.13.19', {
  AT: bits(4, 0, 'RWL', 'Address types: bit 0 untranslated, 1 translation, 2 translated, 4 HPT prefetch'),
  EN,
});

/** The table of 11.4.13.20 calls PTL write-only, unlike the fields of all other filters. */
export const PERFCNTR_PTLFLTR = layout('PERFCNTR_PTLFLTR_REG', 32, 'VT-d 11.4.13.20', {
  PTL: bits(4, 0, 'WO', 'Page table levels: bit 0 PTE, 1 PDE, 2 PDPE, 3 PML4E, 4 PML5E'),
  EN,
});

export const PERFCNTRCAP = layout('PERFCNTRCAP_REG', 32, 'VT-d 11.4.13.21', {
  PCC: bit(0, 'RO', 'The counter has capabilities of its own'),
  CW: bits(15, 8, 'RO', 'Width of the counter'),
  IOS: bit(16, 'RO', 'Interrupt on overflow'),
  GFS: bit(17, 'RO', 'Global freeze on overflow'),
  EGCNT: bits(31, 28, 'RO', 'Number of event groups'),
});

export const PERFCNTREVCAP = layout('PERFCNTREVCAP_REG', 32, 'VT-d 11.4.13.22', {
  ES: bits(27, 0, 'RO', 'Events supported, one bit each'),
  EGI: bits(31, 28, 'RO', 'Event group'),
});

/** Counter c is at byte PERFCNTROFF.CNTO + c * 2 ** (PERFCAP.CS + 10). */
export const PERFCNTR = layout('PERFCNTR_REG', 64, 'VT-d 11.4.13.23', {
  CNTR: bits(63, 0, 'RWL', 'Count; bits at or above the width of the counter are reserved'),
});
