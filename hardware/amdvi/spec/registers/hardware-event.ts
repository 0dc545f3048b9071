/** The last hardware error, kept where it is found without the event log. */
import { bit, bits, register } from '../../../bits/index.ts';
import { EventCode } from '../events.ts';
import { amdVi } from '../source.ts';

export const HARDWARE_EVENT_UPPER = register('Hardware Event Upper', 0x0040, 64, amdVi('VB', 'NV'), {
  FirstEvOperand: bits(59, 0, 'RW', 'Bits 59:0 of the event log entry'),
  EventCode: bits(63, 60, 'RW', 'Code of the event', EventCode),
});

export const HARDWARE_EVENT_LOWER = register('Hardware Event Lower', 0x0048, 64, amdVi('VB', 'NV'), {
  SecondEvOperand: bits(63, 0, 'RW', 'Bits 127:64 of the event log entry'),
});

export const HARDWARE_EVENT_STATUS = register('Hardware Event Status', 0x0050, 64, amdVi('VB', 'FB'), {
  HEV: bit(0, 'RW1C', 'The hardware event registers hold an event'),
  HEO: bit(1, 'RW1C', 'Another hardware error came while HEV was 1'),
});
