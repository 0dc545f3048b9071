/** Machines that are ready to run, by name. Each is complete; a machine file or a setting changes what it names. */
import { DMA_ENGINE } from '../../hardware/devices/dma-engine/index.ts';
import { DEFAULT_COSTS } from '../kernel/costs.ts';
import type { MachineSpec } from './schema.ts';

/**
 * A small server. Timing follows published measurements of such machines: an IOTLB of 128 entries, about 6 walks at a
 * time, 90 ns per table read, a Gen3 x8 link.
 */
const INTEL_LEGACY: MachineSpec = {
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
    iotlb: { sets: 1, ways: 128 },
    contextCache: { sets: 16, ways: 4 },
    faultCompression: true,
    lookup: 2,
    requests: 64,
    walkers: 6,
  },
  rootComplex: { latency: 25, configAccess: 200, mmioAccess: 50, maxPayload: 256, readCompletionBoundary: 64 },
  link: { generation: 3, width: 8, latency: 150, credits: { posted: 32, nonPosted: 32 } },
  devices: [
    { name: 'dma0', model: 'dma-engine', at: '00:01.0', ...DMA_ENGINE },
    { name: 'dma1', model: 'dma-engine', at: '00:02.0', ...DMA_ENGINE },
    { name: 'dma2', model: 'dma-engine', at: '00:03.0', ...DMA_ENGINE },
  ],
  kernel: { invalidate: 'strict', costs: DEFAULT_COSTS },
};

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
};
