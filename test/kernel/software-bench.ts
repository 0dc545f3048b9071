/** A process with a device that is software, beside one in hardware, on `/dev/iommu`. */
import type { Script } from '../../hardware/sim/index.ts';
import { IOMMU_FAULT, IOMMU_PAGE_RESPONSE, type ObjectIn, VFIO_BIND_IOMMU_FD } from '../../src/uapi/index.ts';
import type { DmaEngineDriver } from '../../src/user/index.ts';
import type { MachineBench } from './machine-bench.ts';
import { Version2 } from './v2-bench.ts';

/** Index among the program's devices, path, and what the program calls it. */
export const SOFT = 7;
export const SOFT_DEV = '/dev/vfio/devices/soft0';
export const SOFT_COOKIE = 0x50f7n;

export type Fault = ObjectIn<typeof IOMMU_FAULT>;

export class Software extends Version2 {
  readonly bench: MachineBench;

  constructor(bench: MachineBench, name?: string) {
    super(bench, name);
    this.bench = bench;
    bench.kernel.addMediated('soft0');
  }

  /** Binds the software device, and devices in hardware. */
  override *begin(...devices: readonly number[]): Script<this> {
    yield* super.begin(...devices);
    const fd = yield* this.program.open(SOFT_DEV);
    this.deviceFds[SOFT] = fd;
    const bound = yield* this.bindSoft();
    if (bound !== 0) throw new Error(`bind gives ${bound}`);
    return this;
  }

  bindSoft(cookie = SOFT_COOKIE): Script<number> {
    return this.program.ioctl(this.deviceFds[SOFT]!, VFIO_BIND_IOMMU_FD, { iommu_fd: this.iommuFd, cookie });
  }

  /** The device in a space with 4 pages of memory, which begin with a greeting, at 0x10000. */
  *standing(): Script<{ readonly root: number; readonly memory: bigint; readonly engine: DmaEngineDriver }> {
    const root = yield* this.alloc();
    const memory = yield* this.memory(GREETING, 4 * 4096);
    const results = [yield* this.map(root, AT, memory, 4n * 4096n), yield* this.attach(SOFT, root)];
    if (results.some((result) => result !== 0)) throw new Error(`map and attach give ${results}`);
    return { root, memory, engine: yield* this.engine(SOFT) };
  }

  *faults(): Script<Fault[] | number> {
    const bytes = yield* this.program.readFile(this.iommuFd, 64 * IOMMU_FAULT.bytes);
    if (typeof bytes === 'number') return bytes;
    const count = bytes.length / IOMMU_FAULT.bytes;
    return Array.from({ length: count }, (_, i) => IOMMU_FAULT.decode(bytes.subarray(i * IOMMU_FAULT.bytes)));
  }

  respond(ioasid: number, group: number, code: number, cookie = SOFT_COOKIE): Script<number> {
    const response = { ioasid, group, code, dev_cookie: cookie };
    return this.program.writeFile(this.iommuFd, IOMMU_PAGE_RESPONSE.encode(response));
  }
}

export const AT = 0x1_0000n;
export const GREETING = new TextEncoder().encode('hello, software');

/** Registers and buffer of the data sheet. */
export const REGISTER = { ADDRESS: 0x08n, LENGTH: 0x10n, COMMAND: 0x18n, STATUS: 0x1cn, BUFFER: 0x1000n } as const;

/** Words as they stand in registers. */
export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function on(bench: MachineBench, body: (s: Software) => Script): void {
  bench.run(body(new Software(bench)));
}
