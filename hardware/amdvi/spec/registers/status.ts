/** The status register, and how the PPR logs report that they fill up. */
import { bit, bits, register } from '../../../bits/index.ts';
import { amdVi } from '../source.ts';

export const STATUS = register('Status', 0x2020, 64, amdVi('VB', 'FB', 'NV', 'L72'), {
  EventOverflow: bit(0, 'RW1C', 'The event log was full'),
  EventLogInt: bit(1, 'RW1C', 'An event was logged'),
  ComWaitInt: bit(2, 'RW1C', 'A COMPLETION_WAIT with I = 1 completed'),
  EventLogRun: bit(3, 'RO', 'Events are logged'),
  CmdBufRun: bit(4, 'RO', 'Commands are fetched'),
  PprOverflow: bit(5, 'RW1C', 'The PPR log was full'),
  PprInt: bit(6, 'RW1C', 'A page request was logged'),
  PprLogRun: bit(7, 'RO', 'Page requests are logged'),
  GALogRun: bit(8, 'RO', 'Guest interrupts are logged'),
  GALOverflow: bit(9, 'RW1C', 'The GA log was full'),
  GAInt: bit(10, 'RW1C', 'A guest interrupt was logged'),
  PprOvrflwB: bit(11, 'RW1C', 'PPR log B was full'),
  PprLogActive: bit(12, 'RO', 'PPR log B is the active one'),
  EvtOvrflwB: bit(15, 'RW1C', 'Event log B was full'),
  EvtLogActive: bit(16, 'RO', 'Event log B is the active one'),
  PprOvrflwEarlyB: bit(17, 'RW1C', 'PPR log B reached its threshold'),
  PprOvrflwEarly: bit(18, 'RW1C', 'The PPR log reached its threshold'),
});

export const PPR_AUTO_RESPONSE = register('PPR Log Auto Response', 0x2080, 64, amdVi('VB'), {
  PprAutoRespCode: bits(3, 0, 'RW', 'Response code of automatic answers'),
  PprAutoRespMaskGn: bit(4, 'RW', 'Automatic answers carry no PASID'),
});

const EARLY = {
  Threshold: bits(14, 0, 'RW', 'Entries in the log from which the warning is given'),
  IntEn: bit(30, 'RW', 'The warning is an interrupt'),
  En: bit(31, 'RW', 'The warning is on'),
};

export const PPR_OVERFLOW_EARLY = register('PPR Log Overflow Early Indicator', 0x2088, 64, amdVi('VB', 'FB'), EARLY);

export const PPR_B_OVERFLOW_EARLY = register(
  'PPR Log B Overflow Early Indicator',
  0x2090,
  64,
  amdVi('VB', 'FB'),
  EARLY,
);
