/** The control register. */
import { bit, bits, register } from '../../../bits/index.ts';
import { amdVi, from } from '../source.ts';

/** Control.InvTimeOut: how long an invalidation of a device's IOTLB may take. */
export const InvTimeOut = { NONE: 0, MS_1: 1, MS_10: 2, MS_100: 3, S_1: 4, S_10: 5, S_100: 6 } as const;

/** Control.DualPprLogEn and Control.DualEventLogEn; 3 is reserved. */
export const DualLog = { A: 0, B: 1, AUTO_SWAP: 2 } as const;

/** Control.GAMEn. */
export const GuestApicMode = { LEGACY: 0, VIRTUAL_APIC: 1 } as const;

/** Control.NumIntRemapMode: interrupts that one function may have. */
export const NumIntRemapMode = { INTERRUPTS_512: 0, INTERRUPTS_2048: 1 } as const;

export const CONTROL = register('Control', 0x0018, 64, amdVi('VB', 'L72', 'FB'), {
  IommuEn: from(['VB', 'OV', 'Q10'], bit(0, 'RW', 'The unit is on; 0 lets all DMA and interrupts pass unmodified')),
  HtTunEn: from('L72', bit(1, 'RW', 'HyperTransport tunnel traffic is translated')),
  EventLogEn: from(['VB', 'NV'], bit(2, 'RW', 'Event log on')),
  EventIntEn: from(['VB', 'OV'], bit(3, 'RW', 'Interrupt when EventLogInt or EventOverflow becomes 1')),
  ComWaitIntEn: from(['VB', 'OV'], bit(4, 'RW', 'Interrupt when ComWaitInt becomes 1')),
  InvTimeOut: bits(7, 5, 'RW', 'Time that an IOTLB invalidation may take', InvTimeOut),
  PassPW: from(['L72', 'XN'], bit(8, 'RW', 'HyperTransport attribute of the unit’s own reads')),
  ResPassPW: from(['L72', 'XN'], bit(9, 'RW', 'HyperTransport attribute of the unit’s own reads')),
  Coherent: from(['L72', 'XN'], bit(10, 'RW', 'The unit’s own reads are coherent')),
  Isoc: from(['L72', 'XN'], bit(11, 'RW', 'The unit’s own reads are isochronous')),
  CmdBufEn: from('VB', bit(12, 'RW', 'Command buffer on')),
  PPRLogEn: from('L72', bit(13, 'RW', 'Peripheral page request log on')),
  PPRIntEn: from('L72', bit(14, 'RW', 'Interrupt when PprInt or PprOverflow becomes 1')),
  PPREn: from('L72', bit(15, 'RW', 'Peripheral page requests are accepted')),
  GTEn: from('L72', bit(16, 'RW', 'Guest translation on')),
  GAEn: from(['L72', 'OV'], bit(17, 'RW', 'Guest virtual APIC on: interrupt entries have 128 bits')),
  CRW: from(['VB', 'XN'], bits(21, 18, 'RW', 'For future use')),
  SmiFEn: from('VB', bit(22, 'RW', 'SMI filter on')),
  SlfWBDis: from('VB', bit(23, 'RW', 'Self write-back off')),
  SmiFLogEn: from('VB', bit(24, 'RW', 'SMI filter events are logged')),
  GAMEn: from('FB', bits(27, 25, 'RW', 'Which modes interrupt entries may have', GuestApicMode)),
  GALogEn: from('L72', bit(28, 'RW', 'Guest virtual APIC log on')),
  GAIntEn: from('L72', bit(29, 'RW', 'Interrupt when GAInt or GALOverflow becomes 1')),
  DualPprLogEn: from('FB', bits(31, 30, 'RW', 'Which PPR log is used', DualLog)),
  DualEventLogEn: from('FB', bits(33, 32, 'RW', 'Which event log is used', DualLog)),
  DevTblSegEn: from(['FB', 'VB'], bits(36, 34, 'RW', 'The device table has 2 ** DevTblSegEn segments')),
  PrivAbrtEn: from('FB', bits(38, 37, 'RW', 'When privileged requests are aborted')),
  PprAutoRspEn: from(['VB', 'FB'], bit(39, 'RW', 'Page requests that find the log full are answered by the unit')),
  MarcEn: from(['VB', 'FB'], bit(40, 'RW', 'Memory access routing and control on')),
  BlkStopMrkEn: from(['VB', 'FB'], bit(41, 'RW', 'Stop markers are not logged')),
  PprAutoRspAon: from(['VB', 'FB'], bit(42, 'RW', 'Page requests are always answered by the unit and not logged')),
  NumIntRemapMode: from(['L72', 'FB', 'OV'], bits(44, 43, 'RW', 'Interrupts of one function', NumIntRemapMode)),
  EPHEn: from('L72', bit(45, 'RW', 'Enhanced handling of peripheral page requests')),
  HADUpdate: from(['VB', 'L72'], bits(47, 46, 'RW', 'Accessed and dirty bits of host tables are updated')),
  GDUpdateDis: from('VB', bit(48, 'RW', 'Dirty bits of guest tables are not updated')),
  XTEn: from('L72', bit(50, 'RW', 'Interrupt entries have 32-bit destinations')),
  IntCapXTEn: from('L72', bit(51, 'RW', 'The unit’s own interrupts come from the XT registers')),
  vCmdEn: from(['XN', 'FB'], bit(52, 'RW', 'Virtual command buffers on')),
  vIommuEn: from(['XN', 'FB'], bit(53, 'RW', 'Virtual IOMMUs on')),
  GAUpdateDis: from('VB', bit(54, 'RW', 'Accessed bits of guest tables are not updated')),
  GAPPIEn: from(['XN', 'FB'], bit(55, 'RW', 'Guest APIC physical processor interrupts on')),
  TMPMEn: from(['FB', 'OV'], bit(56, 'RW', 'Tiered-memory page migration on')),
  GCR3TRPMode: from(['L72', 'FB'], bit(58, 'RW', 'The GCR3 table root of a device table entry is a guest address')),
  IRTCacheDis: from('L72', bit(59, 'RW', 'Interrupt entries are not cached')),
  GstBufferTRPMode: from(['FB', 'OV'], bit(60, 'RW', 'Table root pointers of guest buffers are guest addresses')),
  SNPAVICEn: from('L72', bits(63, 61, 'RW', 'Virtual APIC with SNP')),
});
