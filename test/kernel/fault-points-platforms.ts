/** On which machines programs are refused allocations. */
import type { Engine, Script } from '../../hardware/sim/index.ts';
import type { Kernel } from '../../src/kernel/index.ts';
import { buildMachine, type MachineInput } from '../../src/machine/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { Bench } from './bench.ts';
import type { Trial } from './fault-points-bench.ts';
import { grouped, software, tracked } from './fault-points-groups.ts';
import { version1, version2 } from './fault-points-programs.ts';
import type { Version } from './fault-points-session.ts';
import type { MachineBench } from './machine-bench.ts';
import { SCALABLE } from './scalable-bench.ts';

/** Where a kernel runs. */
export interface Host {
  readonly kernel: Kernel;
  readonly engine: Engine;
}

interface Platform {
  readonly make: () => MachineBench;
  /** The unit walks tables of processes. */
  readonly nests: boolean;
  /** It tells what was written. */
  readonly tracks: boolean;
}

const TRACKS = { HASup: 1, HDSup: 1 };

const PLATFORMS: Readonly<Record<string, Platform>> = {
  'VT-d in legacy mode': { make: () => new Bench(), nests: false, tracks: false },
  'VT-d in scalable mode': {
    make: () => new Bench({ ...SCALABLE, ecap: { ...SCALABLE.ecap, SSADS: 1 } }),
    nests: true,
    tracks: true,
  },
  'AMD-Vi with host tables': { make: () => new AmdBench({ efr: TRACKS }), nests: false, tracks: true },
  'AMD-Vi with all it has': {
    make: () => new AmdBench({ efr: { ...GUEST_EFR, ...TRACKS }, efr2: { GCR3TRPModeSup: 1 } }),
    nests: true,
    tracks: true,
  },
};

/** Ports without access control: what is below the switch is one group, and each device of it has an id of its own. */
const OPEN_SWITCH: MachineInput = { switches: [{ name: 'switch0', at: 'port2:00.0', ports: 2, acs: [], link: null }] };

const GROUPS: readonly (readonly [name: string, more: MachineInput, devices: readonly string[]])[] = [
  ['two devices with one id', {}, ['pci0', 'pci1']],
  ['two devices with ids of their own', OPEN_SWITCH, ['dma2', 'dma3']],
];

/** A machine that is up. */
export function booted(spec: MachineInput): Host {
  const machine = buildMachine(spec);
  machine.engine.spawn(machine.boot());
  machine.engine.run();
  return machine;
}

/** A machine that is up, and what runs there. */
type Case = readonly [platform: string, what: string, make: () => Host, program: (trial: Trial) => Script];

const VERSIONS: readonly (readonly [Version, string])[] = [
  [1, '/dev/ioasid'],
  [2, '/dev/iommu'],
];

const ON_BENCHES: readonly Case[] = Object.entries(PLATFORMS).flatMap(([platform, { make, nests, tracks }]) =>
  VERSIONS.flatMap(([version, path]): Case[] => {
    const up = (): Host => make().boot();
    const withSoftware = (): Host => {
      const bench = make().boot();
      bench.kernel.addMediated('soft0');
      return bench;
    };
    const program = version === 1 ? version1 : version2;
    const soft = (trial: Trial): Script => software(trial, version);
    const withSoft: Case = [platform, `${path}, with a device that is software`, withSoftware, soft];
    return [
      [platform, path, up, (trial) => program(trial, nests)],
      ...(nests ? [withSoft] : []),
      ...(tracks
        ? [[platform, `${path}, tracking writes`, up, (trial: Trial) => tracked(trial, version)] as const]
        : []),
    ];
  }),
);

const ON_FABRICS: readonly Case[] = ['intel-fabric', 'amd-fabric'].flatMap((preset) =>
  GROUPS.flatMap(([group, more, devices]) =>
    VERSIONS.map(([version, path]): Case => {
      const paths = devices.map((name) => `/dev/vfio/devices/${name}`);
      const up = (): Host => booted({ preset, ...more });
      return [preset, `${path}, with ${group}`, up, (trial) => grouped(trial, version, paths)];
    }),
  ),
);

/** Each machine with each program. */
export const PROGRAMS: readonly Case[] = [...ON_BENCHES, ...ON_FABRICS];
