/** Machines that are ready to run, by name. Each is complete; a machine file or a setting changes what it names. */
import { CAPABILITY_HEADER_DEFAULT, COUNTERS } from '../../hardware/amdvi/index.ts';
import { hex } from '../../hardware/bits/index.ts';
import { DMA_ENGINE } from '../../hardware/devices/dma-engine/index.ts';
import { PERFORMANCE, PROTECTED_REGION_N } from '../../hardware/vtd/index.ts';
import { DEFAULT_COSTS } from '../kernel/costs.ts';
import { type AmdCapabilitySet, amdCapabilities, type CapabilitySet, intelCapabilities } from './capabilities.ts';
import type { AmdSpec, IntelSpec } from './iommu/index.ts';
import { fabrics } from './preset-fabrics.ts';
import type { MachineSpec } from './schema.ts';

type With<Unit> = MachineSpec & { readonly iommu: Unit };

/**
 * A small server. Timing follows published measurements of such machines: an IOTLB of 128 entries, about 6 walks at a
 * time, 90 ns per table read, a Gen3 x8 link.
 */
const INTEL_LEGACY: With<IntelSpec> = {
  name: 'intel-legacy',
  description: 'Intel VT-d in legacy mode: 48-bit addresses, 4 KiB, 2 MiB and 1 GiB pages, queued invalidation.',
  seed: 1,
  memory: { megabytes: 2048, latency: 90, bytesPerNanosecond: 23 },
  iommu: {
    vendor: 'intel',
    ver: '0x10',
    cap: '0x80d2008c222f0606',
    ecap: '0xf00f4a',
    hostAddressWidth: 48,
    iotlb: { sets: 1, ways: 128, policy: 'lru', '2M': null, '1G': null },
    contextCache: { sets: 16, ways: 4 },
    pasidCache: { sets: 16, ways: 4 },
    firstStageCache: null,
    secondStageCache: null,
    hostPermissionCache: null,
    interruptEntryCache: { sets: 16, ways: 4 },
    faultCompression: true,
    protectedRegionN: PROTECTED_REGION_N.usual,
    performance: PERFORMANCE,
    lookup: 2,
    requests: 64,
    walkers: 6,
  },
  rootComplex: {
    latency: 25,
    configAccess: 200,
    mmioAccess: 50,
    maxPayload: 256,
    readCompletionBoundary: 64,
    peerToPeer: true,
  },
  link: {
    generation: 3,
    width: 8,
    latency: 150,
    credits: { PH: 32, PD: null, NPH: 32, NPD: null, CPLH: null, CPLD: null },
    updateFc: 0,
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
    costs: DEFAULT_COSTS,
  },
};

const LIKE_LEGACY = 'Like intel-legacy';

/** The same machine around another unit; one that cannot be built yet is data in capabilities.ts only. */
function withUnit(name: string, description: string, unit: CapabilitySet): With<IntelSpec> {
  return { ...INTEL_LEGACY, name, description, iommu: { ...INTEL_LEGACY.iommu, ...unit } };
}

const MODERN = withUnit(
  'intel-scalable',
  'Intel VT-d in scalable mode: PASIDs, two stages of translation, page requests; caches for tables of every kind.',
  intelCapabilities.modern,
);
const STRUCTURES = { sets: 16, ways: 4 };
const INTEL_SCALABLE: MachineSpec = {
  ...MODERN,
  iommu: { ...MODERN.iommu, firstStageCache: STRUCTURES, secondStageCache: STRUCTURES },
};

const CHECKED = withUnit(
  'intel-host-permissions',
  'Like intel-scalable, with host permission tables: what a device has translated itself can be checked.',
  intelCapabilities['modern-host-permissions'],
);
const INTEL_HOST_PERMISSIONS: MachineSpec = {
  ...CHECKED,
  iommu: {
    ...CHECKED.iommu,
    firstStageCache: STRUCTURES,
    secondStageCache: STRUCTURES,
    hostPermissionCache: STRUCTURES,
  },
};

const WITH_UNIT: readonly MachineSpec[] = [
  withUnit(
    'intel-device-tlb',
    `${LIKE_LEGACY}, with device TLBs and address translation services announced.`,
    intelCapabilities['qemu-device-tlb'],
  ),
  withUnit(
    'intel-snoop-control',
    `${LIKE_LEGACY}, with snoop control: mappings can force DMA to be coherent.`,
    intelCapabilities['qemu-snoop-control'],
  ),
  withUnit(
    'intel-sandy-bridge-ep',
    "A Xeon E5's unit (2012): 8 fault records, 256 domains, tables that are not snooped.",
    intelCapabilities['sandy-bridge-ep'],
  ),
  withUnit(
    'intel-ivy-bridge-ep',
    "A Xeon E5 v2's unit (2013): 65,536 domains, tables that are not snooped.",
    intelCapabilities['ivy-bridge-ep'],
  ),
  withUnit(
    'intel-haswell-ep',
    "A Xeon E5 v3's unit (2014): the same with snooped tables.",
    intelCapabilities['haswell-ep'],
  ),
  withUnit(
    'intel-haswell-e3',
    "A Xeon E3 v3's unit (2013): 39-bit addresses in tables of four levels, no large pages, no device TLBs.",
    intelCapabilities['haswell-e3'],
  ),
  withUnit(
    'intel-broadwell-ep',
    "A Xeon E5 v4's unit (2016), also of Xeon Scalable up to Cascade Lake: with posted interrupts.",
    intelCapabilities['broadwell-ep'],
  ),
  withUnit(
    'intel-alder-lake',
    'The unit of 12th generation Core chips (2021): version 5.0, 39-bit addresses, every page size.',
    intelCapabilities['alder-lake'],
  ),
  withUnit(
    'intel-alder-lake-graphics',
    "The same chips' graphics unit: version 4.0, device TLBs, no invalidation by page.",
    intelCapabilities['alder-lake-graphics'],
  ),
];

/** The same machine around a unit of AMD's, with caches of the same sizes. */
function withAmdUnit(name: string, description: string, unit: AmdCapabilitySet): With<AmdSpec> {
  const { iotlb, interruptEntryCache, lookup, requests, walkers } = INTEL_LEGACY.iommu;
  const iommu: AmdSpec = {
    vendor: 'amd',
    ...unit,
    capHeader: hex(CAPABILITY_HEADER_DEFAULT),
    miscInfo1: '0x0',
    iotlb,
    deviceTableCache: STRUCTURES,
    gcr3Cache: STRUCTURES,
    hostDirectoryCache: null,
    guestDirectoryCache: null,
    interruptEntryCache,
    counters: COUNTERS,
    lookup,
    requests,
    walkers,
  };
  return { ...INTEL_LEGACY, name, description, iommu };
}

const AMD_ALL = withAmdUnit(
  'amd-full',
  'AMD-Vi with everything: guest tables, PASIDs, page requests, flags in host tables; caches for tables of every kind.',
  amdCapabilities.full,
);

const AMD_FULL: MachineSpec = {
  ...AMD_ALL,
  iommu: { ...AMD_ALL.iommu, hostDirectoryCache: STRUCTURES, guestDirectoryCache: STRUCTURES },
};

const WITH_AMD_UNIT: readonly MachineSpec[] = [
  withAmdUnit(
    'amd-v1',
    'AMD-Vi with host (v1) tables of up to six levels, of 4 KiB pages and every larger power of two.',
    amdCapabilities['host-tables'],
  ),
  AMD_FULL,
  withAmdUnit(
    'amd-zen',
    'The unit of Ryzen and EPYC with Zen (2017): guest tables of four levels, page requests, counters.',
    amdCapabilities.zen,
  ),
  withAmdUnit(
    'amd-zen-apu',
    'The unit of Ryzen APUs with Zen (2018): the same with typed invalidations of device TLBs.',
    amdCapabilities['zen-apu'],
  ),
  withAmdUnit(
    'amd-zen2-desktop',
    'The unit of Ryzen desktop chips with Zen 2 and Zen 3 (2019): no virtual APIC.',
    amdCapabilities['zen2-desktop'],
  ),
  withAmdUnit(
    'amd-zen2-server',
    'The unit of EPYC and Threadripper with Zen 2 and Zen 3 (2019): the virtual APIC, x2APIC destinations.',
    amdCapabilities['zen2-server'],
  ),
  withAmdUnit(
    'amd-zen2-apu',
    'The unit of Ryzen APUs with Zen 2 and Zen 3 (2020): x2APIC destinations, no accessed flags in host tables.',
    amdCapabilities['zen2-apu'],
  ),
  withAmdUnit(
    'amd-zen4',
    'The unit of Ryzen with Zen 4 (2022): secure ATS, no x2APIC destinations.',
    amdCapabilities.zen4,
  ),
  withAmdUnit(
    'amd-epyc-four-segments',
    'An EPYC unit of a machine with four PCI segments: guest tables of five levels, dirty flags in host tables.',
    amdCapabilities['epyc-four-segments'],
  ),
];

export const presets: Readonly<Record<string, MachineSpec>> = {
  'intel-legacy': INTEL_LEGACY,
  'intel-legacy-39': {
    ...INTEL_LEGACY,
    name: 'intel-legacy-39',
    description: 'The same with 39-bit addresses, so tables of three levels.',
    iommu: { ...INTEL_LEGACY.iommu, cap: '0x80d2008c22260206' },
  },
  'intel-caching-mode': {
    ...INTEL_LEGACY,
    name: 'intel-caching-mode',
    description:
      'The same with caching mode: entries that are not present may be cached too, as virtual IOMMUs ask for.',
    iommu: { ...INTEL_LEGACY.iommu, cap: '0x80d2008c222f0686' },
  },
  'intel-scalable': INTEL_SCALABLE,
  'intel-host-permissions': INTEL_HOST_PERMISSIONS,
  ...Object.fromEntries(
    [...WITH_UNIT, ...WITH_AMD_UNIT, ...fabrics(INTEL_SCALABLE, AMD_FULL)].map((machine) => [machine.name, machine]),
  ),
};
