/** A process with a device that tells of missing pages in its own way, on a kernel that trusts devices. */
import { STALL_ENGINE, StallEngine } from '../../hardware/devices/stall-engine/index.ts';
import type { Script, Task } from '../../hardware/sim/index.ts';
import type { KernelOptions } from '../../src/kernel/index.ts';
import { VFIO_BIND_IOMMU_FD } from '../../src/uapi/index.ts';
import type { DmaOptions, DmaResult } from '../../src/user/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { held, type MachineBench, type MachineOptions } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { type Fault, Software } from './software-bench.ts';

const REQUESTER = 0x0028;
export const STALL_DEV = '/dev/vfio/devices/stall0';
/** Index among the program's devices, and what it calls it. */
export const STALL = 3;
export const STALL_COOKIE = 0x57a11n;
const ANSWER = 0x1c;

const UNITS: readonly (readonly [vendor: string, make: (options: MachineOptions) => MachineBench])[] = [
  ['VT-d', (options) => scalableBench(options)],
  ['AMD-Vi', (options) => AmdBench.up({ efr: GUEST_EFR, ...options })],
];

export interface StallBench {
  readonly bench: MachineBench;
  readonly device: StallEngine;
  /** What the device has been answered: number of the stop, and whether to look again. */
  readonly answers: (readonly [number: number, retry: boolean])[];
}

export type MakeStalls = (kernel?: Partial<KernelOptions>) => StallBench;

export const STALL_BENCHES: readonly (readonly [vendor: string, make: MakeStalls])[] = UNITS.map(([vendor, make]) => [
  vendor,
  (kernel = {}) => {
    let device: StallEngine | undefined;
    const bench = make({
      kernel: { trustDevices: true, ...kernel },
      more: (engine) => {
        device = new StallEngine(engine, { ...STALL_ENGINE, pasidWidth: 20, name: 'stall0', requester: REQUESTER });
        return [device];
      },
    });
    const answers: (readonly [number, boolean])[] = [];
    const { stalls } = device!;
    const write = stalls.registerWrite.bind(stalls);
    stalls.registerWrite = (offset, from, length) => {
      if (offset === ANSWER) answers.push([from[2]! | (from[3]! << 8), (from[0]! & 2) === 0]);
      write(offset, from, length);
    };
    return { bench, device: device!, answers };
  },
]);

export class Stalling extends Software {
  readonly all: StallBench;
  root = -1;

  constructor(all: StallBench) {
    super(all.bench);
    this.all = all;
  }

  /** Binds the device and leads its requests to an empty space. */
  *start(): Script<this> {
    yield* this.begin();
    const fd = yield* this.program.open(STALL_DEV);
    this.deviceFds[STALL] = fd;
    const bound = yield* this.bindStall();
    this.root = yield* this.alloc({ addr_width: 39 });
    const attached = yield* this.attach(STALL, this.root);
    if (bound !== 0 || attached !== 0) throw new Error(`bind and attach give ${bound}, ${attached}`);
    return this;
  }

  bindStall(): Script<number> {
    const argument = { iommu_fd: this.iommuFd, cookie: STALL_COOKIE };
    return this.program.ioctl(this.deviceFds[STALL]!, VFIO_BIND_IOMMU_FD, argument);
  }

  /** Lets the device write to a page that is not there, and waits until its program is told: the fault, and the transfer. */
  *stop(iova: bigint, options?: DmaOptions): Script<{ readonly fault: Fault; readonly write: Task<DmaResult> }> {
    const engine = yield* this.engine(STALL);
    const write = this.bench.engine.spawn(engine.write(iova, Uint8Array.of(1, 2, 3, 4), options));
    if ((yield* this.program.poll(this.iommuFd, 1e6)) !== 1) throw new Error('nobody is told of the stop');
    const faults = yield* this.faults();
    if (typeof faults === 'number' || faults[0] === undefined) throw new Error(`the faults give ${faults}`);
    return { fault: faults[0], write };
  }

  answer(group: number, code: number, ioasid = this.root): Script<number> {
    return this.respond(ioasid, group, code, STALL_COOKIE);
  }
}

/** Everything that is given out, interrupt vectors too. */
export function everything({ bench }: StallBench): object {
  const { kernel } = bench;
  const vectors = kernel.interrupts.counts.handled.map(({ name }) => name);
  return { ...held(bench), pinned: kernel.pages.pinned, vectors };
}
