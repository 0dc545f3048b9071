/** A bench with two devices that have an MMU each, behind units of both vendors. */
import { MMU_ENGINE, MmuEngine, type MmuEngineSpec } from '../../hardware/devices/mmu-engine/index.ts';
import type { IommuProbe } from '../../hardware/iommu/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { KernelOptions } from '../../src/kernel/index.ts';
import { AmdBench } from './amd-bench.ts';
import { Bench } from './bench.ts';
import { held, type MachineBench, type MachineOptions, type Setup } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';

/** Requester ids, and paths. */
export const MMU_RIDS = [0x0020, 0x0028] as const;
export const MMU_DEV = ['/dev/vfio/devices/mmu0', '/dev/vfio/devices/mmu1'] as const;
/** What the driver adds to I/O virtual addresses. */
export const WINDOW = 0x1_0000_0000n;

/** Kinds of units that the driver can stand in front of. */
const UNITS: Readonly<Record<string, (options: MachineOptions) => MachineBench>> = {
  'VT-d in legacy mode': (options) => Bench.up(options),
  'VT-d in scalable mode': (options) => scalableBench({ ...options, ecap: { SSADS: 1 } }),
  'VT-d with first stages alone': (options) => scalableBench({ ...options, ecap: { SSTS: 0, NEST: 0 } }),
  'AMD-Vi': (options) => AmdBench.up({ ...options, efr: { HASup: 1, HDSup: 1 } }),
};

export interface MmuBench {
  readonly bench: MachineBench;
  readonly engines: readonly MmuEngine[];
  /** Bus addresses that the unit was asked for by these devices, in the order of asking. */
  readonly asked: bigint[];
}

/** `specs`: what the devices have that others have not. */
export type MakeBench = (specs?: readonly Partial<MmuEngineSpec>[], kernel?: Partial<KernelOptions>) => MmuBench;

/** By name, how to make each. */
export const BENCHES: readonly (readonly [string, MakeBench])[] = Object.entries(UNITS).map(([name, up]) => [
  name,
  (specs = [], kernel = {}) => {
    const engines: MmuEngine[] = [];
    const bench = up({
      kernel,
      more: (engine) => {
        for (const [i, requester] of MMU_RIDS.entries()) {
          engines.push(new MmuEngine(engine, { ...MMU_ENGINE, ...specs[i], name: `mmu${i}`, requester }));
        }
        return engines;
      },
    });
    const asked: bigint[] = [];
    const note = (requester: number, address: bigint) => {
      if ((MMU_RIDS as readonly number[]).includes(requester)) asked.push(address);
    };
    const silent: IommuProbe = {
      hit: note,
      miss: note,
      cache() {},
      read() {},
      translated() {},
      fault() {},
      invalidated() {},
      registerWritten() {},
      interrupt() {},
    };
    bench.unit.probe = silent;
    return { bench, engines, asked };
  },
]);

/** The device takes flush commands and does nothing about them. */
export function forgetFlushes({ mmu }: MmuEngine): void {
  const write = mmu.registerWrite.bind(mmu);
  mmu.registerWrite = (offset, from, length) => {
    if (offset !== 0x10) write(offset, from, length);
  };
}

/** What the program itself writes to its device's registers, by base address. */
export function poke(s: Setup, bar: number, offset: number, word: number): Script<number> {
  const bytes = new Uint8Array(new Uint32Array([word]).buffer);
  return s.program.pwrite(s.deviceFd, bytes, (BigInt(bar) << 40n) + BigInt(offset));
}

/** Everything that is given out, interrupt vectors too. */
export function everything({ bench }: MmuBench) {
  const { kernel } = bench;
  const vectors = kernel.interrupts.counts.handled.map(({ name }) => name);
  return { ...held(bench), pinned: kernel.pages.pinned, vectors };
}

export function run(all: MmuBench, body: () => Script): void {
  all.bench.run(body());
}
