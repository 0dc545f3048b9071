/**
 * Machines for the model test, each with four devices, of which the last two share a group: as functions of one device, or behind
 * a bridge to conventional PCI, where their requests carry one id.
 */
import { DMA_ENGINE, DmaEngine } from '../../../hardware/devices/dma-engine/index.ts';
import type { Device } from '../../../hardware/pcie/index.ts';
import type { Engine } from '../../../hardware/sim/index.ts';
import type { KernelOptions } from '../../../src/kernel/index.ts';
import { AmdBench, GUEST_EFR } from '../amd-bench.ts';
import { Bench } from '../bench.ts';
import { scalableBench } from '../scalable-bench.ts';
import { FabricBench, type ModelBench } from './fabric-bench.ts';
import { AMD_HOST, AMD_NESTING, type Facts, INTEL_LEGACY, INTEL_SCALABLE } from './facts.ts';
import type { Limits } from './rules.ts';

const PAIR = [0x0020, 0x0021];
/** The devices that share a group. */
const GROUPS = [[0], [1], [2, 3]];
/** A device that may ask for pages. */
const ASKER = { name: '0000:00:05.0', requester: 0x0028 };

export const LIMITS: Limits = { locked: 544, mappings: 5, spaces: 7, files: 16 };

function pair(engine: Engine): Device[] {
  const engines = PAIR.map(
    (requester) => new DmaEngine(engine, { ...DMA_ENGINE, name: `pair${requester & 7}`, requester }),
  );
  const reset = () => {
    for (const one of engines) one.reset();
  };
  return [{ name: 'pair', functions: engines.flatMap(({ functions }) => functions), state: null, reset }];
}

export interface ModelMachine {
  readonly name: string;
  readonly facts: Facts;
  readonly devices: readonly string[];
  /** The last two devices look alike to the IOMMU, and what they send has no PASID. */
  readonly isBridged: boolean;
  /** The one among them that may ask for pages, if there is one. */
  readonly asker?: string;
  readonly groups: readonly (readonly number[])[];
  readonly up: (kernel?: Partial<KernelOptions>) => ModelBench;
}

const ON_ROOT = {
  groups: GROUPS,
  devices: ['0000:00:02.0', '0000:00:03.0', '0000:00:04.0', '0000:00:04.1'],
  isBridged: false,
};

const limited = (kernel?: Partial<KernelOptions>): Partial<KernelOptions> => ({
  lockLimit: LIMITS.locked,
  mappingLimit: LIMITS.mappings,
  spaceLimit: LIMITS.spaces,
  fileLimit: LIMITS.files,
  ...kernel,
});
const WITH_ASKER = {
  isBridged: false,
  devices: [...ON_ROOT.devices, ASKER.name],
  groups: [...GROUPS, [4]],
  asker: ASKER.name,
};

/** It has everything that page requests need. */
function pairAndAsker(engine: Engine): Device[] {
  const deviceTlb = { sets: 4, ways: 4 };
  const asker = new DmaEngine(engine, { ...DMA_ENGINE, ...ASKER, pasidWidth: 20, deviceTlb, pageRequests: 32 });
  return [...pair(engine), asker];
}

const options = (kernel?: Partial<KernelOptions>) => ({ more: pair, kernel: limited(kernel) });
const asking = (kernel?: Partial<KernelOptions>) => ({
  more: pairAndAsker,
  kernel: { ...limited(kernel), trustDevices: true },
});

export const MODEL_MACHINES: readonly ModelMachine[] = [
  {
    name: 'an Intel unit in legacy mode',
    facts: INTEL_LEGACY,
    ...ON_ROOT,
    up: (kernel) => Bench.up({ ...options(kernel), ecap: { SC: 0 } }),
  },
  {
    name: 'an Intel unit that nests and tracks writes',
    facts: INTEL_SCALABLE,
    ...WITH_ASKER,
    up: (kernel) => scalableBench({ ...asking(kernel), ecap: { SSADS: 1 } }),
  },
  {
    name: 'an Intel unit above ports and bridges',
    facts: INTEL_SCALABLE,
    devices: ['0000:01:00.0', '0000:05:00.0', '0000:08:00.0', '0000:08:01.0'],
    isBridged: true,
    groups: GROUPS,
    up: (kernel) => new FabricBench('intel-fabric', limited(kernel)),
  },
  {
    name: 'an AMD unit without guest tables',
    facts: AMD_HOST,
    ...ON_ROOT,
    up: (kernel) => AmdBench.up(options(kernel)),
  },
  {
    name: 'an AMD unit that nests, also under PASID tables, and tracks writes',
    facts: AMD_NESTING,
    ...WITH_ASKER,
    up: (kernel) =>
      AmdBench.up({ ...asking(kernel), efr: { ...GUEST_EFR, HASup: 1, HDSup: 1 }, efr2: { GCR3TRPModeSup: 1 } }),
  },
];
