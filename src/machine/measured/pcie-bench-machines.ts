/**
 * The machines that pcie-bench was run on (Neugebauer et al., "Understanding PCIe performance for end host networking", SIGCOMM
 * 2018, and its published data): an NFP-6000 on a link of generation 3 with 8 lanes, in servers of four generations.
 *
 * One set of parameters describes them all; a machine overrides what is known to differ. Fits use calibration points only: those of
 * Broadwell's 64-byte reads by window, local, remote and translated, of its single reads, and of Haswell's sizes.
 */
import { type CapabilitySet, intelCapabilities } from '../capabilities.ts';
import { type Certainty, type Parameter, parameter } from './parameter.ts';

const DATA = 'pcie-bench data';
const JEDEC = 'JEDEC DDR4, 8 Gb';
const HOST_NETWORK = 'Vuppalapati et al., "Understanding the host network" (SIGCOMM 2024)';

export const COMMON = {
  tags: parameter(28, 'commands', 'DMA reads under way', 'fitted', 'BDW 64 B reads, local and remote windows'),
  readIssue: parameter(13.5, 'ns', 'from one read command to the next', 'fitted', 'BDW 64 B reads by window'),
  landingCommand: parameter(3.4, 'ns', 'a command is put away', 'fitted', 'HSW reads of 63, 128, 256, 1280 B'),
  landingLine: parameter(10.1, 'ns', '64 bytes are put away', 'fitted', 'HSW reads of 63, 128, 256, 1280 B'),
  landingBurst: parameter(
    0.143,
    'ns/B',
    'commands of a multiple of 512 B are put away',
    'derived',
    `slope of ${DATA}: 0.28 ns/B`,
  ),
  writeCommand: parameter(4.1, 'ns', 'a write command begins', 'fitted', 'HSW writes of 16 to 513 B'),
  writeBlock: parameter(17, 'ns', '128 bytes of a write are put together', 'fitted', 'HSW writes of 16 to 513 B'),
  writeFifo: parameter(4, 'TLPs', 'between the write engine and the link', 'assumed', ''),
  turnaround: parameter(3.3, 'ns', 'another source has the link', 'fitted', 'HSW writes of 256, 768, 1280 B'),
  overheadDma: parameter(132, 'ns', 'a DMA is begun and reported', 'derived', `${DATA}: 557 ns for 64 B, BDW, warm`),
  overheadCommand: parameter(20, 'ns', 'an access of the command path is', 'fitted', 'BDW single 64 B reads, warm'),
  timer: parameter(13.333, 'ns', 'a tick of the device', 'published', `${DATA}: 16 cycles at 1.2 GHz`),
  link: parameter(
    157,
    'ns',
    'from one end to the other, with root complex and device',
    'fitted',
    'BDW single 64 B reads',
  ),
  readRequest: parameter(
    14.2,
    'ns',
    'from one read at the root complex to the next',
    'fitted',
    'BDW 64 B reads by window',
  ),
  readByte: parameter(0.023, 'ns/B', 'the same, for each byte asked for', 'fitted', 'HSW reads of 16, 32, 64 B'),
  postedLines: parameter(92, 'lines', 'posted writes under way', 'published', HOST_NETWORK),
  writeVisible: parameter(
    102,
    'ns',
    'a write is seen by everybody',
    'derived',
    `${DATA}: 565 ns for a write and a read`,
  ),
  writeAllocate: parameter(75, 'ns', 'more when a line has to make room', 'published', DATA),
  writeCache: parameter(2.5, 'MiB', 'of the last-level cache for writes of devices', 'derived', '10 % of 25 MB'),
  cacheLatency: parameter(65, 'ns', 'a read from the nearest slice of the last-level cache', 'assumed', ''),
  slices: parameter(8, 'ns', 'more from the furthest slice', 'assumed', ''),
  cache: parameter(25, 'MiB', 'last-level cache', 'published', 'data sheet'),
  dram: parameter(52, 'ns', 'a read from DRAM takes longer', 'fitted', 'BDW single reads, cold and warm'),
  remote: parameter(54, 'ns', 'memory of the other socket takes longer', 'published', DATA),
  bandwidth: parameter(68.3, 'B/ns', 'of DRAM', 'published', 'data sheet: 4 channels of DDR4-2133'),
  refreshInterval: parameter(7800, 'ns', 'from one refresh to the next', 'published', JEDEC),
  refresh: parameter(350, 'ns', 'a refresh of all DRAM', 'published', JEDEC),
  lineBusy: parameter(
    0.7,
    '1',
    'share of a read that keeps its line from the next',
    'fitted',
    'BDW windows of 4 and 16 KiB',
  ),
  lookup: parameter(2, 'ns', 'a look-up in the IOTLB', 'published', 'HyperTRIO (ISCA 2020)'),
  entries: parameter(117, 'entries', 'usable of the 128 of the IOTLB', 'derived', `${DATA}: single reads of 128 pages`),
  walk: parameter(280, 'ns', 'a walk whose upper levels are cached', 'fitted', 'BDW single reads: 706 - 426 ns'),
  walkers: parameter(6, 'walks', 'at a time', 'derived', `${DATA}: 21 M walks per second`),
  walkRegion: parameter(
    15,
    'log2 B',
    'one walk at a time',
    'fitted',
    'BDW 64 B reads of 1 to 3 MiB: a line of 8 entries',
  ),
  readHold: parameter(24, 'ns', 'a walk for a read keeps its walker', 'fitted', 'BDW 64 B reads from 4 MiB up'),
  superpages: parameter(1, '0 or 1', 'pages of 2 MiB translate as such', 'published', 'CAP.SLLPS'),
} as const satisfies Readonly<Record<string, Parameter>>;

export type ParameterName = keyof typeof COMMON;
export type PathValues = Readonly<Record<ParameterName, number>>;

/** What a machine says differently from those like it. */
type Override = Pick<Parameter, 'value' | 'source' | 'certainty'>;

function override(value: number, certainty: Certainty, source: string): Override {
  return { value, source, certainty };
}

export interface MeasuredMachine {
  readonly name: string;
  readonly unit: CapabilitySet;
  readonly overrides: Readonly<Partial<Record<ParameterName, Override>>>;
}

const NOT_MEASURED = 'no calibration point';
const SHEET = 'data sheet';
const HASWELL = {
  entries: override(119, 'derived', `${DATA}: single reads of 128 pages`),
  cache: override(15, 'published', SHEET),
  link: override(178, 'fitted', 'HSW reads of 16, 32, 64 B; 473 ns for a single one'),
  dram: override(50, 'derived', `${DATA}: 523 - 473 ns`),
  walk: override(270, 'derived', `${DATA}: 21.6 M walks per second`),
  readRequest: override(16.2, 'fitted', 'HSW reads of 16, 32, 64 B'),
} as const;

export const MEASURED_MACHINES = {
  bdw: { name: 'Broadwell, Xeon E5-2630 v4', unit: intelCapabilities['broadwell-ep'], overrides: {} },
  hsw: { name: 'Haswell, Xeon E5-2637 v3', unit: intelCapabilities['haswell-ep'], overrides: HASWELL },
  'hsw-2620v3': {
    name: 'Haswell, Xeon E5-2620 v3',
    unit: intelCapabilities['haswell-ep'],
    overrides: {
      ...HASWELL,
      entries: override(118, 'derived', `${DATA}: single reads of 128 pages`),
      walk: override(280, 'inherited', `${NOT_MEASURED}: Broadwell's`),
    },
  },
  'hsw-e3': {
    name: 'Haswell, Xeon E3-1226 v3',
    unit: intelCapabilities['haswell-e3'],
    overrides: {
      ...HASWELL,
      cache: override(8, 'published', SHEET),
      superpages: override(0, 'published', 'CAP.SLLPS is 0'),
    },
  },
  ivb: {
    name: 'Ivy Bridge, Xeon E5-2630 v2',
    unit: intelCapabilities['ivy-bridge-ep'],
    overrides: {
      entries: override(126, 'derived', `${DATA}: single reads of 128 pages`),
      link: override(160.5, 'derived', `${DATA}: 438 ns for a single read`),
      dram: override(50, 'inherited', `${NOT_MEASURED}: Haswell's`),
      walk: override(260, 'derived', `${DATA}: 18.7 M walks per second`),
      walkers: override(5, 'derived', `${DATA}: 18.7 M walks per second`),
      readRequest: override(16.7, 'derived', `${DATA}: 28.1 Gb/s of 64 B`),
    },
  },
  snb: {
    name: 'Sandy Bridge, Xeon E5-2630',
    unit: intelCapabilities['sandy-bridge-ep'],
    overrides: {
      entries: override(127, 'derived', `${DATA}: single reads of 128 pages`),
      cache: override(20, 'assumed', ''),
      link: override(159, 'derived', `${DATA}: 435 ns for a single read`),
      dram: override(48, 'derived', `${DATA}: 490 - 435 ns, less the slice`),
      walk: override(235, 'derived', `${DATA}: 230 to 240 ns`),
      walkers: override(5, 'derived', `${DATA}: 18 M walks per second`),
      walkRegion: override(21, 'derived', `${DATA}: 4.0 M walks per second in one region of 2 MiB`),
      readRequest: override(16.7, 'inherited', `${NOT_MEASURED}: Ivy Bridge's`),
      superpages: override(0, 'derived', `${DATA}: misses as with pages of 4 KiB, whatever CAP.SLLPS says`),
    },
  },
} as const satisfies Readonly<Record<string, MeasuredMachine>>;

export type MachineName = keyof typeof MEASURED_MACHINES;

/** Every value of a machine, with where it comes from. */
export function parametersOf(name: MachineName): Readonly<Record<ParameterName, Parameter>> {
  const { overrides }: MeasuredMachine = MEASURED_MACHINES[name];
  const names = Object.keys(COMMON) as ParameterName[];
  return Object.fromEntries(names.map((one) => [one, { ...COMMON[one], ...overrides[one] }])) as Record<
    ParameterName,
    Parameter
  >;
}

/** Nanoseconds of an entry that DRAM has, on the average by a middle slice; a walk takes longer by the way there. */
export function entryTime({ cacheLatency, dram, slices }: PathValues): number {
  return cacheLatency + dram + slices / 2;
}

/** Nanoseconds of that way, there and back. */
export function fetchTime(values: PathValues): number {
  return values.walk - entryTime(values);
}
