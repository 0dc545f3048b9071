/** Heads and tails of the rings: byte offsets from their base. */
import { bits, register } from '../../../bits/index.ts';
import { amdVi, from } from '../source.ts';

const software = 'The next entry for software';
const unit = 'The next entry for the unit';

export const COMMAND_HEAD = register('Command Buffer Head', 0x2000, 64, amdVi('VB', 'OS', 'OV'), {
  CmdHdptr: bits(18, 4, 'RW', 'The next command that the unit fetches; takes writes only while CmdBufRun = 0'),
});

export const COMMAND_TAIL = register('Command Buffer Tail', 0x2008, 64, amdVi('VB', 'OS', 'OV'), {
  CmdTailptr: bits(18, 4, 'RW', 'Where software puts the next command; a write rings the doorbell'),
});

export const EVENT_HEAD = register('Event Log Head', 0x2010, 64, amdVi('VB'), {
  EventHdptr: bits(18, 4, 'RW', software),
});

export const EVENT_TAIL = register('Event Log Tail', 0x2018, 64, amdVi('VB'), {
  EventTailptr: bits(18, 4, 'RW', `${unit}; takes writes only while EventLogRun = 0`),
});

export const PPR_HEAD = register('PPR Log Head', 0x2030, 64, amdVi('XN', 'NV'), {
  PPRHdptr: bits(18, 4, 'RW', software),
});

export const PPR_TAIL = register('PPR Log Tail', 0x2038, 64, amdVi('XN', 'NV'), {
  PPRTailptr: bits(18, 4, 'RW', `${unit}; takes writes only while PprLogRun = 0`),
});

/** 8-byte entries: the largest log has 256 KiB, so its pointers need 17:3, of which VirtualBox declares 15:3. */
export const GA_HEAD = register('GA Log Head', 0x2040, 64, amdVi('VB', 'L72'), {
  GAHdptr: from('INF', bits(17, 3, 'RW', software)),
});

export const GA_TAIL = register('GA Log Tail', 0x2048, 64, amdVi('VB', 'L72'), {
  GATailptr: from('INF', bits(17, 3, 'RW', `${unit}; takes writes only while GALogRun = 0`)),
});

export const PPR_B_HEAD = register('PPR Log B Head', 0x2050, 64, amdVi('VB', 'NV'), {
  PPRHdptr: bits(18, 4, 'RW', software),
});

export const PPR_B_TAIL = register('PPR Log B Tail', 0x2058, 64, amdVi('VB', 'NV'), {
  PPRTailptr: bits(18, 4, 'RW', unit),
});

export const EVENT_B_HEAD = register('Event Log B Head', 0x2070, 64, amdVi('VB', 'FB', 'NV'), {
  EventHdptr: bits(18, 4, 'RW', software),
});

export const EVENT_B_TAIL = register('Event Log B Tail', 0x2078, 64, amdVi('VB', 'FB', 'NV'), {
  EventTailptr: bits(18, 4, 'RW', unit),
});
