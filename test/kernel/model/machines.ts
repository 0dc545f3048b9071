/** Machines for the model test: two devices of their own, and two functions of one device, which share a group. */
import { DMA_ENGINE, DmaEngine } from '../../../hardware/devices/dma-engine/index.ts';
import type { Device } from '../../../hardware/pcie/index.ts';
import type { Engine } from '../../../hardware/sim/index.ts';
import type { KernelOptions } from '../../../src/kernel/index.ts';
import { AmdBench, GUEST_EFR } from '../amd-bench.ts';
import { Bench } from '../bench.ts';
import { type MachineBench, RIDS } from '../machine-bench.ts';
import { scalableBench } from '../scalable-bench.ts';
import { AMD_HOST, AMD_NESTING, type Facts, INTEL_LEGACY, INTEL_SCALABLE } from './facts.ts';
import type { Limits } from './rules.ts';

const PAIR = [0x0020, 0x0021];
/** Requester ids and paths, in one order; the last two share a group. */
export const REQUESTERS: readonly number[] = [...RIDS, ...PAIR];
export const PATHS = ['dev0', 'dev1', '0000:00:04.0', '0000:00:04.1'].map((name) => `/dev/vfio/devices/${name}`);
export const GROUPS = [[0], [1], [2, 3]] as const;

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
  readonly up: (kernel?: Partial<KernelOptions>) => MachineBench;
}

const options = (kernel?: Partial<KernelOptions>) => ({
  more: pair,
  kernel: {
    lockLimit: LIMITS.locked,
    mappingLimit: LIMITS.mappings,
    spaceLimit: LIMITS.spaces,
    fileLimit: LIMITS.files,
    ...kernel,
  },
});

export const MODEL_MACHINES: readonly ModelMachine[] = [
  {
    name: 'an Intel unit in legacy mode',
    facts: INTEL_LEGACY,
    up: (kernel) => Bench.up({ ...options(kernel), ecap: { SC: 0 } }),
  },
  { name: 'an Intel unit that nests', facts: INTEL_SCALABLE, up: (kernel) => scalableBench(options(kernel)) },
  { name: 'an AMD unit without guest tables', facts: AMD_HOST, up: (kernel) => AmdBench.up(options(kernel)) },
  {
    name: 'an AMD unit that nests',
    facts: AMD_NESTING,
    up: (kernel) => AmdBench.up({ ...options(kernel), efr: GUEST_EFR }),
  },
];
