/** Where software keeps its tables, rings and ranges: one base register each. */
import { bit, bits, register } from '../../../bits/index.ts';
import { amdVi, from } from '../source.ts';

const PAGE = '4 KiB aligned';
const RING = 'log2 of the entries, 8 to 15; smaller values are reserved';

export const DEVICE_TABLE_BASE = register('Device Table Base', 0x0000, 64, amdVi('VB', 'OV', 'L72'), {
  Size: bits(8, 0, 'RW', 'The table (with segments: segment 0) has Size + 1 pages of 4 KiB'),
  DevTabBase: bits(51, 12, 'RW', `Device table, or its segment 0, ${PAGE}`),
});

const SEGMENTS = [1, 2, 3, 4, 5, 6, 7];

/** Segments 1 to 7 of the device table. */
export const DEVICE_TABLE_SEGMENT = SEGMENTS.map((n) =>
  register(`Device Table Segment ${n} Base`, 0x0100 + (n - 1) * 8, 64, amdVi('VB', 'FB'), {
    Size: bits(7, 0, 'RW', 'The segment has Size + 1 pages of 4 KiB'),
    DevTabBase: bits(51, 12, 'RW', `Segment ${n} of the device table, ${PAGE}`),
  }),
);

export const COMMAND_BUFFER_BASE = register('Command Buffer Base', 0x0008, 64, amdVi('VB', 'OS', 'OV'), {
  ComBase: bits(51, 12, 'RW', `Command buffer, ${PAGE}`),
  ComLen: bits(59, 56, 'RW', RING),
});

export const EVENT_LOG_BASE = register('Event Log Base', 0x0010, 64, amdVi('VB', 'OV'), {
  EventBase: bits(51, 12, 'RW', `Event log, ${PAGE}`),
  EventLen: bits(59, 56, 'RW', RING),
});

export const EVENT_LOG_B_BASE = register('Event Log B Base', 0x00f8, 64, amdVi('VB', 'NV', 'OS'), {
  EventBase: bits(51, 12, 'RW', `Second event log, ${PAGE}`),
  EventLen: bits(59, 56, 'RW', RING),
});

export const PPR_LOG_BASE = register('PPR Log Base', 0x0038, 64, amdVi('VB', 'XN', 'L72'), {
  PPRLogBase: bits(51, 12, 'RW', `Peripheral page request log, ${PAGE}`),
  PPRLogLen: bits(59, 56, 'RW', RING),
});

export const PPR_LOG_B_BASE = register('PPR Log B Base', 0x00f0, 64, amdVi('VB', 'NV', 'OS'), {
  PPRLogBase: bits(51, 12, 'RW', `Second peripheral page request log, ${PAGE}`),
  PPRLogLen: bits(59, 56, 'RW', RING),
});

export const GA_LOG_BASE = register('GA Log Base', 0x00e0, 64, amdVi('VB', 'L72'), {
  GALogBase: bits(51, 12, 'RW', `Guest virtual APIC log, ${PAGE}`),
  GALogLen: bits(59, 56, 'RW', RING),
});

export const GA_LOG_TAIL_ADDRESS = register('GA Log Tail Address', 0x00e8, 64, amdVi('VB', 'L72'), {
  GALogTailAddr: bits(51, 3, 'RW', 'Where the unit also stores the tail of the GA log'),
});

/** With SNP this pair bounds the store addresses of COMPLETION_WAIT instead. */
export const EXCLUSION_BASE = register('Exclusion Base', 0x0020, 64, amdVi('VB', 'OV', 'L72', 'NV'), {
  ExEn: bit(0, 'RW', 'The exclusion range is on'),
  Allow: bit(1, 'RW', 'Every device may use the exclusion range'),
  ExclusionBase: bits(51, 12, 'RW', `First page of the exclusion range, ${PAGE}`),
});

export const EXCLUSION_LIMIT = register('Exclusion Range Limit', 0x0028, 64, amdVi('VB', 'Q10', 'L72'), {
  LowOnes: from('VB', bits(11, 0, 'RO', 'The limit is the last byte of its page: these bits are ones')),
  ExclusionLimit: bits(51, 12, 'RW', 'Last page of the exclusion range'),
});

const APERTURES = [0, 1, 2, 3];
const APERTURE_BYTES = 0x18;

/** Memory access routing and control: four apertures of three registers each. */
export const MARC = APERTURES.flatMap((n) => {
  const at = 0x0200 + n * APERTURE_BYTES;
  return [
    register(`MARC Aperture ${n} Base`, at, 64, amdVi('VB', 'FB'), {
      MarcBaseAddr: bits(51, 12, 'RW', 'First page of the aperture'),
    }),
    register(`MARC Aperture ${n} Relocation`, at + 8, 64, amdVi('VB', 'FB'), {
      RelocEn: bit(0, 'RW', 'The aperture is relocated'),
      ReadOnly: bit(1, 'RW', 'The aperture takes no writes'),
      MarcRelocAddr: bits(51, 12, 'RW', 'Where the aperture is relocated to'),
    }),
    register(`MARC Aperture ${n} Length`, at + 16, 64, amdVi('VB', 'FB'), {
      MarcLength: bits(51, 12, 'RW', 'Length of the aperture'),
    }),
  ];
});
