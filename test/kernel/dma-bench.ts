/** Machines of both vendors with a driver inside the kernel that lends memory to its device. */
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { Kernel, KernelOptions } from '../../src/kernel/index.ts';
import {
  type DeviceBuffer,
  DmaEngineDriver,
  type DmaOptions,
  type KernelDriver,
  registersOf,
} from '../../src/machine/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { Bench } from './bench.ts';
import type { MachineBench, MachineOptions } from './machine-bench.ts';
import { SCALABLE } from './scalable-bench.ts';

/** Queues of invalidations: where the driver tells a unit that there are more. */
const IQT_OFFSET = 0x88;
const COMMAND_TAIL = 0x2008;

export interface Platform {
  /** A machine whose kernel has not booted. */
  readonly make: (options?: MachineOptions) => MachineBench;
  readonly tail: number;
}

export const PLATFORMS: Readonly<Record<string, Platform>> = {
  'VT-d in legacy mode': { make: (options) => new Bench(options), tail: IQT_OFFSET },
  'VT-d in scalable mode': { make: (options) => new Bench({ ...options, ...SCALABLE }), tail: IQT_OFFSET },
  'VT-d with first stages only': {
    make: (options) => new Bench({ ...options, cap: SCALABLE.cap, ecap: { ...SCALABLE.ecap, SSTS: 0, NEST: 0 } }),
    tail: IQT_OFFSET,
  },
  'VT-d in caching mode': { make: (options) => new Bench({ ...options, cap: { CM: 1 } }), tail: IQT_OFFSET },
  'AMD-Vi with host tables': { make: (options) => new AmdBench(options), tail: COMMAND_TAIL },
  'AMD-Vi with all it has': { make: (options) => new AmdBench({ ...options, efr: GUEST_EFR }), tail: COMMAND_TAIL },
};

/** Platforms whose units can leave addresses as they are. */
export const PASSING = ['VT-d in scalable mode', 'AMD-Vi with host tables', 'AMD-Vi with all it has'] as const;

export interface Driving {
  readonly bench: MachineBench;
  readonly driver: KernelDriver;
  /** What knows the device's registers. */
  readonly dma: DmaEngineDriver;
  /** How often the unit was told to forget something since the last look. */
  invalidations(): number;
}

/** A machine that is up, and a driver that has its first device. */
export function driving(
  { make, tail }: Platform,
  kernel: Partial<KernelOptions> = {},
  more: MachineOptions = {},
): Driving {
  const bench = make({ ...more, kernel }).boot();
  let tails = 0;
  bench.tap = (offset) => {
    if (offset === tail) tails++;
    return true;
  };
  const invalidations = (): number => {
    const since = tails;
    tails = 0;
    return since;
  };
  return { bench, ...take(bench, 'dev0'), invalidations };
}

export function take(bench: MachineBench, name: string): Pick<Driving, 'driver' | 'dma'> {
  const both = taken(bench.kernel, name);
  bench.run(both.driver.setBusMaster(true));
  return both;
}

/** A driver of a device that nobody has. */
export function taken(kernel: Kernel, name: string): Pick<Driving, 'driver' | 'dma'> {
  const driver = kernel.driver(name);
  if (typeof driver === 'number') throw new Error(`no driver for ${name}: ${driver}`);
  return { driver, dma: new DmaEngineDriver(registersOf(driver, 0)) };
}

/** Pages whose first byte says which of them it is, from `mark` on. */
export function marked(driver: KernelDriver, pages: number, mark: number): DeviceBuffer {
  const buffer = driver.memory.allocate(pages);
  if (typeof buffer === 'number') throw new Error(`no pages: ${buffer}`);
  for (let i = 0; i < pages; i++) driver.memory.write(buffer, i * PAGE_SIZE, Uint8Array.of(mark + i));
  return buffer;
}

/** The byte that the device reads, or `null` when it is refused. */
export function* byteAt(dma: DmaEngineDriver, iova: bigint, options: DmaOptions = {}): Script<number | null> {
  const read = yield* dma.read(iova, 1, options);
  return read.ok ? read.data[0]! : null;
}

/** What is an address and no failure. */
export function* address(script: Script<bigint | number>): Script<bigint> {
  const result = yield* script;
  if (typeof result === 'number') throw new Error(`it failed: ${result}`);
  return result;
}
