/**
 * Machines whose times somebody has measured: the base machine with their values.
 *
 * A machine has less to say than the timed path of a DMA (`measured/pcie-bench-machines.ts`): its devices are others, all slices of its
 * last-level cache are as far as the middle one, and DRAM is never refreshed.
 */
import { NIC } from '../../../hardware/devices/nic/index.ts';
import { HOST_NETWORK } from '../measured/host-network.ts';
import { following, inherited, parameter, plainValues } from '../measured/parameter.ts';
import { entryTime, type MachineName, MEASURED_MACHINES, parametersOf } from '../measured/pcie-bench-machines.ts';
import { AGENT, BASE, IOTLB, TABLE_CACHE } from './base.ts';
import { SCALABLE } from './intel.ts';
import type { StatedMachine } from './stated.ts';

const { latency: NEAR } = BASE.rootComplex;
const DATA_UNITS_OF_LINE = 64 / 16;
const DEVICE_WAYS = parameter(2, 'ways', 'into which devices write', 'published', 'Farshin et al. (ATC 2020)');

/** A machine of pcie-bench. */
function ofPcieBench(name: string, description: string, machine: MachineName) {
  const { cacheLatency, slices, dram, bandwidth, entries, walk, link, postedLines, ...values } = parametersOf(machine);
  const latency = entryTime(plainValues(parametersOf(machine)));
  const near = { 'last-level cache': cacheLatency, 'half of the slices': slices };
  const memory = { ...near, DRAM: dram };
  const { cache, writeAllocate, remote } = values;
  const lines = postedLines.value;
  return {
    ...BASE,
    name,
    description,
    memory: {
      ...BASE.memory,
      latency: following(latency, 'ns', 'an access, after its queue', memory),
      bytesPerNanosecond: bandwidth,
      channels: parameter(4, 'channels', 'of DRAM', 'published', 'data sheet'),
      lastLevelCache: following(
        {
          kibibytes: cache.value * 1024,
          ways: 20,
          deviceWays: DEVICE_WAYS.value,
          latency: latency - dram.value,
          allocate: writeAllocate.value,
        },
        'KiB, ways and ns',
        'the last-level cache, and what devices have of it',
        { ...near, size: cache, 'for devices': DEVICE_WAYS, 'making room': writeAllocate },
      ),
      otherSocket: following(
        { share: 0.5, hop: remote.value },
        'of memory, and ns',
        'the other socket, and the way there',
        { hop: remote },
      ),
    },
    iommu: {
      ...BASE.iommu,
      ...MEASURED_MACHINES[machine].unit,
      iotlb: following({ ...IOTLB.value, ways: entries.value }, 'entries', 'the IOTLB', { usable: entries }),
      secondStageCache: TABLE_CACHE,
      lookup: values.lookup,
      walkers: values.walkers,
      fetch: following(walk.value - latency, 'ns', 'a table read on its way', { walk, ...memory }),
      mergeMisses: true,
      walkRegion: values.walkRegion,
      readHold: values.readHold,
    },
    link: {
      ...BASE.link,
      latency: following(link.value - NEAR.value, 'ns', 'from one end to the other', {
        'all the way': link,
        near: NEAR,
      }),
      credits: following(
        { PH: lines, PD: lines * DATA_UNITS_OF_LINE, NPH: 32, NPD: null, CPLH: null, CPLD: null },
        'TLPs and 16 B',
        'that the root complex can hold',
        { 'posted lines': postedLines },
      ),
      dllp: 'measured',
    },
  } as const;
}

const BROADWELL = ofPcieBench(
  'intel-broadwell-ep',
  'A Xeon E5 v4 (2016) as pcie-bench found it, with posted interrupts.',
  'bdw',
);

const E3 = ofPcieBench(
  'intel-haswell-e3',
  'A Xeon E3 v3 (2013) as pcie-bench found it: 39-bit addresses in tables of four levels, no large pages, no device TLBs.',
  'hsw-e3',
);

/** A processor without a second socket. */
const HASWELL_E3 = {
  ...E3,
  memory: {
    ...E3.memory,
    bytesPerNanosecond: parameter(25.6, 'B/ns', 'of two channels of DDR3-1600', 'published', 'data sheet'),
    channels: parameter(2, 'channels', 'of DRAM', 'published', 'data sheet'),
    otherSocket: null,
  },
} as const;

const FAST_AND_SAFE = 'Fast & Safe (SOSP 2024)';
const nic = { name: 'nic0', model: 'nic', at: '00:04.0', ...NIC } as const;

/** Two channels of DDR4-2933, a NIC of 100 Gb/s, one walk at a time. */
const CASCADE_LAKE = {
  ...BROADWELL,
  name: 'intel-cascade-lake',
  description: 'A Xeon Scalable of the second generation (2019) with a NIC of 100 Gb/s: the host of Fast & Safe.',
  memory: {
    ...BROADWELL.memory,
    latency: HOST_NETWORK.coreRead,
    bytesPerNanosecond: following((2 * 64) / HOST_NETWORK.line.value, 'B/ns', 'of two channels', {
      'a line on a channel': HOST_NETWORK.line,
    }),
    channels: parameter(2, 'channels', 'of DRAM', 'published', HOST_NETWORK.line.source),
    banks: following(
      { count: HOST_NETWORK.banks.value, rowBytes: 8192, busy: HOST_NETWORK.bank.value },
      'banks, B and ns',
      'of a channel, with rows of 8 KiB (assumed)',
      { banks: HOST_NETWORK.banks, 'a row': HOST_NETWORK.bank },
    ),
    lastLevelCache: null,
    otherSocket: null,
  },
  iommu: {
    ...BROADWELL.iommu,
    secondStageCache: parameter({ sets: 1, ways: 128 }, 'entries', 'tables of all levels', 'derived', FAST_AND_SAFE),
    walkers: parameter(1, 'walks', 'at a time', 'derived', `${FAST_AND_SAFE}: reads add up`),
    fetch: parameter(127, 'ns', 'a table read on its way', 'derived', `${FAST_AND_SAFE}: 197 ns for each, 70 of DRAM`),
    walkRegion: null,
    readHold: AGENT.readHold,
  },
  link: { ...BROADWELL.link, generation: 3, width: 16 },
  devices: [...BASE.devices, nic],
} as const;

/** What is newer than any measurement of its walks. */
const ICE_LAKE = {
  ...CASCADE_LAKE,
  name: 'intel-ice-lake',
  description: 'A Xeon Scalable of the third generation (2021), as far as known: mostly a Cascade Lake on PCIe 4.',
  memory: {
    ...CASCADE_LAKE.memory,
    bytesPerNanosecond: parameter(204.8, 'B/ns', 'of eight channels of DDR4-3200', 'published', 'data sheet'),
    channels: parameter(8, 'channels', 'of DRAM', 'published', 'data sheet'),
  },
  iommu: {
    ...CASCADE_LAKE.iommu,
    iotlb: parameter({ ...IOTLB.value, ways: 256 }, 'entries', 'the IOTLB', 'assumed', 'hearsay (netdev 2023)'),
    walkers: parameter(8, 'walks', 'at a time', 'assumed', ''),
    fetch: inherited(CASCADE_LAKE.iommu.fetch, "no measurement: Cascade Lake's"),
  },
  link: { ...CASCADE_LAKE.link, generation: 4 },
} as const;

/** Round figures for a server of today; every one of them is a guess that can be argued for. */
const MODERN_WHY = 'between Ice Lake and what its successors announce';
const MODERN = {
  ...SCALABLE,
  name: 'intel-modern',
  description: 'A server of today in round figures: PCIe 5, 512 IOTLB entries, 16 walks at a time. No source.',
  memory: {
    ...SCALABLE.memory,
    latency: parameter(110, 'ns', 'an access, after its queue', 'assumed', 'load-to-use of DDR5: 105 to 125 ns'),
    bytesPerNanosecond: parameter(307.2, 'B/ns', 'of eight channels of DDR5-4800', 'published', 'data sheet'),
    channels: parameter(8, 'channels', 'of DRAM', 'published', 'data sheet'),
    lastLevelCache: parameter(
      { kibibytes: 32_768, ways: 16, deviceWays: 2, latency: 25, allocate: 0 },
      'KiB, ways and ns',
      'the last-level cache, and what devices have of it',
      'assumed',
      MODERN_WHY,
    ),
  },
  iommu: {
    ...SCALABLE.iommu,
    iotlb: parameter({ ...IOTLB.value, sets: 64, ways: 8 }, 'entries', 'the IOTLB', 'assumed', MODERN_WHY),
    requests: parameter(256, 'requests', 'under way in the IOMMU', 'assumed', MODERN_WHY),
    walkers: parameter(16, 'walks', 'at a time', 'assumed', MODERN_WHY),
    mergeMisses: true,
  },
  link: { ...SCALABLE.link, generation: 5, width: 16, dllp: 'measured' },
} as const;

export const MEASURED: readonly StatedMachine[] = [
  ofPcieBench(
    'intel-sandy-bridge-ep',
    'A Xeon E5 (2012) as pcie-bench found it: 8 fault records, 256 domains, tables that are not snooped, slow walks.',
    'snb',
  ),
  ofPcieBench(
    'intel-ivy-bridge-ep',
    'A Xeon E5 v2 (2013) as pcie-bench found it: 65,536 domains, tables that are not snooped.',
    'ivb',
  ),
  ofPcieBench('intel-haswell-ep', 'A Xeon E5 v3 (2014) as pcie-bench found it: the same with snooped tables.', 'hsw'),
  HASWELL_E3,
  BROADWELL,
  CASCADE_LAKE,
  ICE_LAKE,
  MODERN,
];
