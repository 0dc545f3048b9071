/** A process with `/dev/iommu` and a device bound to it: version 2's way to begin. */
import type { Script } from '../../hardware/sim/index.ts';
import {
  IOMMU_IOASID_ALLOC,
  type IOMMU_IOASID_ATTRIBUTES,
  IOMMU_IOASID_FREE,
  IOMMU_MAP_DMA,
  IOMMU_UNMAP_DMA,
  IommuIoasidType,
  type ObjectIn,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID_2,
} from '../../src/uapi/index.ts';
import { DmaEngineDriver, type Program } from '../../src/user/index.ts';
import { DEV, type MachineBench, PAGE, RW } from './machine-bench.ts';

type Attributes = Partial<ObjectIn<typeof IOMMU_IOASID_ATTRIBUTES>>;

export const COOKIES = [0xc00_1e0n, 0xc00_1e1n] as const;

export class Version2 {
  readonly program: Program;
  iommuFd = -1;
  readonly deviceFds: number[] = [];

  constructor(bench: MachineBench, name = 'program') {
    this.program = bench.program(name);
  }

  /** Opens `/dev/iommu` and binds devices to it. */
  *begin(...devices: readonly number[]): Script<this> {
    this.iommuFd = yield* this.program.open('/dev/iommu');
    for (const i of devices) {
      const fd = yield* this.program.open(DEV[i]!);
      this.deviceFds[i] = fd;
      const bound = yield* this.program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: this.iommuFd, cookie: COOKIES[i]! });
      if (bound !== 0) throw new Error(`bind gives ${bound}`);
    }
    return this;
  }

  alloc(attributes: Attributes = {}): Script<number> {
    const kernelManaged = { type: IommuIoasidType.KERNEL_TYPE1V2, addr_width: 48 };
    return this.program.ioctl(this.iommuFd, IOMMU_IOASID_ALLOC, { ...kernelManaged, ...attributes });
  }

  map(ioasid: number, iova: bigint, vaddr: bigint, size: bigint, flags: number = RW): Script<number> {
    return this.program.ioctl(this.iommuFd, IOMMU_MAP_DMA, { ioasid, flags, vaddr, iova, size });
  }

  unmap(ioasid: number, iova: bigint, size: bigint): Script<number> {
    return this.program.ioctl(this.iommuFd, IOMMU_UNMAP_DMA, { ioasid, iova, size });
  }

  attach(device: number, ioasid: number): Script<number> {
    return this.program.ioctl(this.deviceFds[device]!, VFIO_ATTACH_IOASID_2, { iommu_fd: this.iommuFd, ioasid });
  }

  detach(device: number, ioasid: number): Script<number> {
    return this.program.ioctl(this.deviceFds[device]!, VFIO_DETACH_IOASID_2, { iommu_fd: this.iommuFd, ioasid });
  }

  free(ioasid: number): Script<number> {
    return this.program.ioctl(this.iommuFd, IOMMU_IOASID_FREE, { ioasid });
  }

  /** Pages that the program is charged for. */
  get locked(): number {
    return (this.program.system as unknown as { readonly space: { readonly locked: number } }).space.locked;
  }

  /** The program's driver of a device. */
  *engine(device: number): Script<DmaEngineDriver> {
    const driver = yield* DmaEngineDriver.open(this.program, this.deviceFds[device]!);
    if (typeof driver === 'number') throw new Error(`no driver: ${driver}`);
    return driver;
  }

  /** Memory that begins with some bytes. */
  *memory(bytes: Uint8Array, length: number): Script<bigint> {
    const address = yield* this.program.mmap(length);
    this.program.write(address, bytes);
    return address;
  }
}

const GREETING = new TextEncoder().encode('hello, device');
const K4 = BigInt(PAGE);

/** Device 0 in a root space with memory of 4 pages at 0x10000, which holds a greeting. */
export class Standing extends Version2 {
  readonly #bench: MachineBench;
  root = -1;
  buffer = -1n;
  #engine!: DmaEngineDriver;

  constructor(bench: MachineBench) {
    super(bench);
    this.#bench = bench;
  }

  override *begin(): Script<this> {
    yield* super.begin(0);
    this.root = yield* this.alloc();
    this.buffer = yield* this.memory(GREETING, 4 * PAGE);
    yield* this.map(this.root, 0x1_0000n, this.buffer, 4n * K4);
    yield* this.attach(0, this.root);
    this.#engine = yield* this.engine(0);
    return this;
  }

  /** What a command that is refused leaves as it was. */
  *state(): Script<object> {
    const { kernel } = this.#bench;
    const { user: _, ...inUse } = kernel.allocator.inUse;
    const read = yield* this.#engine.read(0x1_0000n, GREETING.length);
    return { locked: this.locked, pinned: kernel.pages.pinned, inUse, read };
  }
}

/** Runs a body that leaves everything that `Standing` has made as it was, and nothing else behind: gives both states. */
export function aroundStanding(
  bench: MachineBench,
  body: (s: Standing) => Script,
): readonly [before: object, after: object] {
  return bench.run(
    (function* () {
      const s = yield* new Standing(bench).begin();
      const before = yield* s.state();
      yield* body(s);
      return [before, yield* s.state()] as const;
    })(),
  );
}
