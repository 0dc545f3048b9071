/** What a kernel is told at its start: limits, policies, and mistakes that scenarios ask for. */
import type { DefaultDomainType, DmaPolicy } from './dma/index.ts';

export interface KernelOptions {
  /** False leaves out the invalidation after an unmap: a driver bug, for scenarios. */
  readonly invalidateOnUnmap: boolean;
  /** RLIMIT_MEMLOCK of new processes, in pages. */
  readonly lockLimit: number;
  /** RLIMIT_NOFILE of all processes. */
  readonly fileLimit: number;
  /** Mappings that one I/O address space may have: type1's limit. */
  readonly mappingLimit: number;
  /** I/O address spaces that one open `/dev/ioasid` or `/dev/iommu` may have. */
  readonly spaceLimit: number;
  /** `auto`: an IOMMU works in the newest mode that it has; `legacy`: in its oldest. */
  readonly iommuMode: 'auto' | 'legacy';
  /** Page requests that the queue of an IOMMU has places for, a power of two from 256 to 16384; `null`: as many as its driver thinks right. */
  readonly pageRequestPlaces: number | null;
  /** Devices may raise only the interrupts that the kernel has given them, where IOMMUs can see to that. */
  readonly remapInterrupts: boolean;
  /** Bridges let requests of devices up when translation is on, and not as soon as they are found. */
  readonly openBridgesLate: boolean;
  /** A device that a process gives back is reset, so that it forgets what it was told. */
  readonly resetOnRelease: boolean;
  /** Devices of processes may keep translations, ask for pages and send PASIDs, where they and their IOMMU can. */
  readonly trustDevices: boolean;
  /** What devices of drivers inside the kernel reach: what is mapped for them, or all memory as it is. */
  readonly defaultDomain: DefaultDomainType;
  /** When the addresses and tables of such a device can be used again: when its unmap returns, or after one flush of many. */
  readonly dmaPolicy: DmaPolicy;
  /** Names for `/dev/vfio/devices/NAME` beside the address, by requester id. */
  readonly deviceNames: Readonly<Record<number, string>>;
}

export const DEFAULT_OPTIONS: KernelOptions = {
  invalidateOnUnmap: true,
  lockLimit: 2 ** 22,
  fileLimit: 1024,
  mappingLimit: 65_535,
  spaceLimit: 2 ** 20,
  iommuMode: 'auto',
  pageRequestPlaces: null,
  remapInterrupts: false,
  openBridgesLate: false,
  resetOnRelease: false,
  trustDevices: false,
  defaultDomain: 'dma',
  dmaPolicy: 'strict',
  deviceNames: {},
};
