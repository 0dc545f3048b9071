/**
 * The machine of HyperTRIO (ISCA 2020), as HyperSIO simulates it: devices with device-TLBs at the far end of a bus, and nested walks,
 * in which nothing but caches, memory and that bus takes time.
 *
 * What a specification has no field for: partitions of the caches, the prefetcher, page caches of single levels of tables (here
 * each stage has one), how long a hit takes in each cache (here every look-up in the unit takes the same), and a context cache that
 * stands in the device and keeps what is used most often.
 */
import { DMA_ENGINE } from '../../../hardware/devices/dma-engine/index.ts';
import { NIC } from '../../../hardware/devices/nic/index.ts';
import { HYPERTRIO, HYPERTRIO_CACHES } from '../measured/hypertrio.ts';
import { parameter } from '../measured/parameter.ts';
import { IOTLB } from './base.ts';
import { SCALABLE } from './intel.ts';
import type { StatedMachine } from './stated.ts';

const { oneWay, memory, deviceTlbHit, contextHit, pageHit, network, pending } = HYPERTRIO;
const { context, level2, level3 } = HYPERTRIO_CACHES;

/** A cold translation takes two ways and 24 accesses there, 2100 ns, and nothing else. */
const noTime = (meaning: string) =>
  parameter(0, 'ns', meaning, 'derived', `${oneWay.source}: beside accesses, nothing`);
const noLimit = <const T>(value: T, unit: string, meaning: string) =>
  parameter(value, unit, meaning, 'assumed', 'HyperSIO tells of no such limit');

const { source } = HYPERTRIO_CACHES.deviceTlb;
const deviceTlb = {
  ...HYPERTRIO_CACHES.deviceTlb,
  source: `${source}; its partitions and prefetcher have no field here`,
};
const engine = (name: string, at: string) => ({ name, model: 'dma-engine', at, ...DMA_ENGINE, deviceTlb }) as const;

export const HYPERTRIO_MACHINE: StatedMachine = {
  ...SCALABLE,
  name: 'intel-hypertrio',
  description: 'The machine that HyperTRIO (ISCA 2020) simulates: device-TLBs, a bus of 450 ns each way, nested walks.',
  memory: {
    ...SCALABLE.memory,
    latency: memory,
    bytesPerNanosecond: noLimit(10_000, 'B/ns', 'more than anybody asks for'),
  },
  iommu: {
    ...SCALABLE.iommu,
    iotlb: parameter(
      { ...IOTLB.value, ways: 1 },
      'entries',
      'the least IOTLB that there is',
      'assumed',
      'HyperSIO has one in the device only',
    ),
    contextCache: context,
    pasidCache: { ...context, certainty: 'derived', source: `${context.source}: there, one entry leads to the tables` },
    firstStageCache: { ...level2, certainty: 'derived', source: `${level2.source}: here, of the first stage` },
    secondStageCache: { ...level3, certainty: 'derived', source: `${level3.source}: here, of the second stage` },
    lookup: {
      ...contextHit,
      source: `${contextHit.source}; there, the device-TLB takes ${deviceTlbHit.value} ns and a page cache ${pageHit.value}`,
    },
    walkers: parameter(pending.value, 'walks', 'at a time', 'derived', `${pending.source}: ${pending.meaning}`),
    fetch: noTime('a table read on its way to memory and back'),
    lookupInterval: noTime('from one look-up to the next'),
    readHold: noTime('a walk for a read keeps its walker'),
  },
  rootComplex: {
    ...SCALABLE.rootComplex,
    latency: noTime('a request between its link and the IOMMU'),
  },
  link: {
    ...SCALABLE.link,
    // The least that carries what comes from the network.
    generation: 4,
    width: 16,
    latency: oneWay,
    credits: noLimit(
      { PH: null, PD: null, NPH: null, NPD: null, CPLH: null, CPLD: null },
      'TLPs and 16 B',
      'that an end can hold',
    ),
  },
  devices: [
    engine('dma0', '00:01.0'),
    engine('dma1', '00:02.0'),
    engine('dma2', '00:03.0'),
    { name: 'nic0', model: 'nic', at: '00:04.0', ...NIC, lineRate: network },
  ],
};
