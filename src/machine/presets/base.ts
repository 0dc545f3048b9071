/**
 * The machine from which the others differ: a small server. Where nothing was measured, values are plausible and say so; the rest
 * follows published measurements of such machines.
 */
import { DMA_ENGINE } from '../../../hardware/devices/dma-engine/index.ts';
import { PERFORMANCE, PROTECTED_REGION_N } from '../../../hardware/vtd/index.ts';
import { DEFAULT_COSTS } from '../../kernel/costs.ts';
import { intelCapabilities } from '../capabilities.ts';
import { parameter } from '../measured/parameter.ts';
import type { StatedMachine } from './stated.ts';

const DATA = 'pcie-bench data';
const NOT_PUBLIC = 'sizes of these caches are not public';

/** A cache of entries of tables. */
export const TABLE_CACHE = parameter(
  { sets: 16, ways: 4 },
  'entries',
  'a cache of table entries',
  'assumed',
  NOT_PUBLIC,
);

export const IOTLB = parameter(
  { sets: 1, ways: 128, policy: 'lru', '2M': null, '1G': null },
  'entries',
  'the IOTLB',
  'derived',
  `${DATA}: 117 to 127 usable; IOTLB-SC (evicting takes 118)`,
);

/** What stands in front of any unit. */
export const AGENT = {
  lookup: parameter(2, 'ns', 'a look-up in the IOTLB', 'published', 'HyperTRIO (ISCA 2020)'),
  requests: parameter(64, 'requests', 'under way in the IOMMU', 'assumed', ''),
  walkers: parameter(6, 'walks', 'at a time', 'derived', `${DATA}: 21 M walks of 280 ns in a second`),
  fetch: parameter(0, 'ns', 'a table read on its way to memory and back', 'assumed', ''),
  lookupInterval: parameter(0, 'ns', 'from one look-up to the next', 'assumed', ''),
  readHold: parameter(0, 'ns', 'a walk for a read keeps its walker', 'assumed', ''),
  walkRegion: null,
  mergeMisses: false,
} as const;

const NO_LIMIT = { PD: null, NPD: null, CPLH: null, CPLD: null };

export const BASE = {
  name: 'intel-legacy',
  description: 'Intel VT-d in legacy mode: 48-bit addresses, 4 KiB, 2 MiB and 1 GiB pages, queued invalidation.',
  seed: 1,
  memory: {
    megabytes: 2048,
    latency: parameter(90, 'ns', 'an access, after its queue', 'derived', `${DATA}: each further level of a walk`),
    bytesPerNanosecond: parameter(23, 'B/ns', 'of one channel of DDR4-2933', 'derived', 'data sheet: 64 B in 2.73 ns'),
    channels: parameter(1, 'channels', 'of DRAM', 'derived', 'the one whose bandwidth that is'),
    banks: null,
    lastLevelCache: null,
    otherSocket: null,
  },
  iommu: {
    vendor: 'intel',
    ...intelCapabilities['qemu-legacy'],
    iotlb: IOTLB,
    contextCache: TABLE_CACHE,
    pasidCache: TABLE_CACHE,
    firstStageCache: null,
    secondStageCache: null,
    hostPermissionCache: null,
    interruptEntryCache: TABLE_CACHE,
    faultCompression: true,
    protectedRegionN: PROTECTED_REGION_N.usual,
    performance: PERFORMANCE,
    ...AGENT,
  },
  rootComplex: {
    latency: parameter(25, 'ns', 'a request between its link and the IOMMU', 'assumed', ''),
    configAccess: parameter(200, 'ns', 'an access of configuration space, beside the link', 'assumed', ''),
    mmioAccess: parameter(50, 'ns', 'an access of a register, beside the link', 'assumed', ''),
    maxPayload: 256,
    readCompletionBoundary: 64,
    peerToPeer: true,
  },
  link: {
    generation: 3,
    width: 8,
    latency: parameter(150, 'ns', 'from one end to the other', 'derived', `${DATA}: 420 to 490 ns for 64 B`),
    credits: parameter({ PH: 32, NPH: 32, ...NO_LIMIT }, 'TLPs', 'that an end can hold', 'assumed', ''),
    updateFc: parameter(0, 'ns', 'until credits are back', 'assumed', ''),
    dllp: 'none',
    maxPayload: 256,
    ecrc: false,
    errors: null,
  },
  rootPorts: [],
  switches: [],
  bridges: [],
  devices: [
    { name: 'dma0', model: 'dma-engine', at: '00:01.0', ...DMA_ENGINE },
    { name: 'dma1', model: 'dma-engine', at: '00:02.0', ...DMA_ENGINE },
    { name: 'dma2', model: 'dma-engine', at: '00:03.0', ...DMA_ENGINE },
  ],
  firmware: { reservedMemory: [] },
  kernel: {
    invalidate: 'strict',
    iommuMode: 'auto',
    pageRequestPlaces: null,
    interruptRemapping: 'off',
    openBridges: 'found',
    deviceReset: 'never',
    trustDevices: false,
    defaultDomain: 'dma',
    dmaPolicy: 'strict',
    costs: parameter(DEFAULT_COSTS, 'ns', "the kernel's own work", 'assumed', 'round figures for a core of 3 GHz'),
  },
} as const satisfies StatedMachine;
