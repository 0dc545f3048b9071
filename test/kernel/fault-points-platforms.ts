/** On which machines programs are refused allocations. */
import type { Script } from '../../hardware/sim/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { Bench } from './bench.ts';
import type { Trial } from './fault-points-bench.ts';
import { version1, version2 } from './fault-points-programs.ts';
import type { MachineBench, MachineOptions } from './machine-bench.ts';
import { SCALABLE } from './scalable-bench.ts';

interface Platform {
  readonly make: (options?: MachineOptions) => MachineBench;
  /** The unit walks tables of processes. */
  readonly nests: boolean;
}

const PLATFORMS: Readonly<Record<string, Platform>> = {
  'VT-d in legacy mode': { make: (options) => new Bench(options), nests: false },
  'VT-d in scalable mode': { make: (options) => new Bench({ ...SCALABLE, ...options }), nests: true },
  'AMD-Vi with host tables': { make: (options) => new AmdBench(options), nests: false },
  'AMD-Vi with all it has': {
    make: (options) => new AmdBench({ efr: GUEST_EFR, efr2: { GCR3TRPModeSup: 1 }, ...options }),
    nests: true,
  },
};

/** Each machine, not booted, with each program. */
export const PROGRAMS: readonly (readonly [
  platform: string,
  path: string,
  make: Platform['make'],
  program: (trial: Trial) => Script,
])[] = Object.entries(PLATFORMS).flatMap(([platform, { make, nests }]) => [
  [platform, '/dev/ioasid', make, (trial) => version1(trial, nests)],
  [platform, '/dev/iommu', make, (trial) => version2(trial, nests)],
]);
