/**
 * A process that takes devices and makes I/O address spaces, in the words of version 1 or 2 of the proposal. What each call did
 * to hardware is told in a note.
 */
import {
  IOASID_ALLOC,
  IOASID_CREATE_NESTING,
  IOASID_FREE,
  IOASID_INVALIDATE_CACHE,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IOMMU_DEVICE_GET_INFO,
  IOMMU_INVALIDATE_CACHE,
  IOMMU_IOASID_ALLOC,
  type IOMMU_IOASID_ATTRIBUTES,
  IOMMU_IOASID_FREE,
  IOMMU_MAP_DMA,
  IOMMU_UNMAP_DMA,
  IoasidGranularity,
  IoasidMapFlag,
  IommuCache,
  IommuGranularity,
  IommuIoasidType,
  type ObjectOf,
  type Program,
  type Script,
  type Stage,
  type Struct,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DETACH_IOASID_2,
} from '../../src/index.ts';

export type Version = 1 | 2;
export type Attributes = typeof IOMMU_IOASID_ATTRIBUTES extends Struct<infer M> ? Partial<ObjectOf<M>> : never;

export interface Mapping {
  readonly ioasid: number;
  readonly iova: bigint;
  /** Of the process; in a nested space of the parent. */
  readonly vaddr: bigint;
  readonly pages: number;
  /** Left out: reading and writing. */
  readonly flags?: number;
}

const { READ, WRITE } = IoasidMapFlag;
const PAGE = 0x1000n;

export class User {
  readonly stage: Stage;
  readonly program: Program;
  readonly version: Version;
  /** The notes tell of the tables of requests with this PASID; 0: without. */
  pasid = 0;
  readonly #fds = new Map<string, number>();
  /** Which devices' tables are looked at when something happens to a space. */
  readonly #attached = new Map<number, Set<string>>();
  #fd = -1;
  /** Bits of an I/O virtual address that the devices' IOMMU has; version 1 does not ask. */
  #width = 0;

  constructor(stage: Stage, version: Version, name = 'vmm') {
    this.stage = stage;
    this.version = version;
    this.program = stage.process(name);
  }

  /** Its open `/dev/ioasid` or `/dev/iommu`. */
  get fd(): number {
    return this.#fd;
  }

  fdOf(device: string): number {
    return this.#fds.get(device)!;
  }

  /** What the program calls a device: any number, as long as it is another one for each. */
  cookieOf(device: string): bigint {
    return 0xc001_0000n + BigInt(this.fdOf(device));
  }

  /** Opens the descriptor and the devices' files. */
  *open(...devices: readonly string[]): Script {
    this.#fd = yield* this.program.open(this.version === 1 ? '/dev/ioasid' : '/dev/iommu');
    for (const device of devices) yield* this.openDevice(device);
  }

  *openDevice(device: string): Script {
    this.#fds.set(device, yield* this.program.open(`/dev/vfio/devices/${device}`));
  }

  /** Binds a device; with version 2 it asks what its IOMMU can do, too. */
  *bind(device: string): Script<number> {
    const { program, version } = this;
    const fd = this.fdOf(device);
    if (version === 1) {
      const call = program.ioctl(fd, VFIO_BIND_IOASID_FD, { ioasid_fd: this.#fd });
      return yield* this.told(`${device}_fd: VFIO_BIND_IOASID_FD`, call, [device]);
    }
    const cookie = this.cookieOf(device);
    const call = program.ioctl(fd, VFIO_BIND_IOMMU_FD, { iommu_fd: this.#fd, cookie });
    const result = yield* this.told(`${device}_fd: VFIO_BIND_IOMMU_FD`, call, [device]);
    const { value } = yield* program.exchange(this.#fd, IOMMU_DEVICE_GET_INFO, { dev_cookie: cookie });
    this.#width = value.addr_width;
    return result;
  }

  /** A space; the attributes are version 2's. */
  *alloc(attributes: Attributes = {}): Script<number> {
    const { program } = this;
    if (this.version === 1) return yield* this.told('ioasid_fd: IOASID_ALLOC', program.ioctl(this.#fd, IOASID_ALLOC));
    const kernelManaged = { type: IommuIoasidType.KERNEL_TYPE1V2, addr_width: this.#width };
    const call = program.ioctl(this.#fd, IOMMU_IOASID_ALLOC, { ...kernelManaged, ...attributes });
    return yield* this.told('iommu_fd: IOMMU_IOASID_ALLOC', call);
  }

  /** A space nested on another, with a table of the kernel. */
  nest(parent: number): Script<number> {
    if (this.version === 2) return this.alloc({ parent_ioasid: parent });
    const call = this.program.ioctl(this.#fd, IOASID_CREATE_NESTING, { parent_ioasid: parent });
    return this.told(`ioasid_fd: IOASID_CREATE_NESTING(${parent})`, call);
  }

  *attach(device: string, ioasid: number): Script<number> {
    const fd = this.fdOf(device);
    const call =
      this.version === 1
        ? this.program.ioctl(fd, VFIO_ATTACH_IOASID, { ioasid })
        : this.program.ioctl(fd, VFIO_ATTACH_IOASID_2, { iommu_fd: this.#fd, ioasid });
    const result = yield* this.told(`${device}_fd: VFIO_ATTACH_IOASID(${ioasid})`, call, [device]);
    if (result === 0) this.#attached.set(ioasid, new Set([...this.devicesOf(ioasid), device]));
    return result;
  }

  /** The note looks at the tables of those that are `watched`. */
  *detach(device: string, ioasid: number, watched: readonly string[] = [device]): Script<number> {
    const fd = this.fdOf(device);
    const call =
      this.version === 1
        ? this.program.ioctl(fd, VFIO_DETACH_IOASID, { ioasid })
        : this.program.ioctl(fd, VFIO_DETACH_IOASID_2, { iommu_fd: this.#fd, ioasid });
    this.#attached.get(ioasid)?.delete(device);
    return yield* this.told(`${device}_fd: VFIO_DETACH_IOASID(${ioasid})`, call, watched);
  }

  map({ ioasid, iova, vaddr, pages, flags = READ | WRITE }: Mapping): Script<number> {
    const command = this.version === 1 ? IOASID_MAP_DMA : IOMMU_MAP_DMA;
    const argument = { ioasid, flags, vaddr, iova, size: BigInt(pages) * PAGE };
    const call = this.program.ioctl(this.#fd, command, argument);
    const words = `${this.name}: ${command.name}(${ioasid}, 0x${iova.toString(16)}, ${pages === 1 ? '1 page' : `${pages} pages`})`;
    return this.told(words, call, this.devicesOf(ioasid), iova);
  }

  unmap({ ioasid, iova, pages }: Pick<Mapping, 'ioasid' | 'iova' | 'pages'>): Script<number> {
    const command = this.version === 1 ? IOASID_UNMAP_DMA : IOMMU_UNMAP_DMA;
    const call = this.program.ioctl(this.#fd, command, { ioasid, iova, size: BigInt(pages) * PAGE });
    const words = `${this.name}: ${command.name}(${ioasid}, 0x${iova.toString(16)}, ${pages === 1 ? '1 page' : `${pages} pages`})`;
    return this.told(words, call, this.devicesOf(ioasid), iova);
  }

  /** Hardware is to look again at a table of the process: at what is said of a page, or, left out, of everything. */
  forget(ioasid: number, page?: bigint): Script<number> {
    const command = this.version === 1 ? IOASID_INVALIDATE_CACHE : IOMMU_INVALIDATE_CACHE;
    const words = `${this.name}: ${command.name}(${ioasid}, ${page === undefined ? 'all' : `0x${page.toString(16)}, 1 page`})`;
    const call = this.version === 1 ? this.#forgetIn1(ioasid, page) : this.#forgetIn2(ioasid, page);
    return this.told(words, call, this.devicesOf(ioasid), page);
  }

  #forgetIn1(child_ioasid: number, page?: bigint): Script<number> {
    const what =
      page === undefined
        ? { granularity: IoasidGranularity.ALL }
        : { granularity: IoasidGranularity.RANGE, iova: page, size: PAGE };
    return this.program.ioctl(this.#fd, IOASID_INVALIDATE_CACHE, { child_ioasid, ...what });
  }

  #forgetIn2(child_ioasid: number, page?: bigint): Script<number> {
    const what =
      page === undefined
        ? { granularity: IommuGranularity.DOMAIN }
        : { granularity: IommuGranularity.ADDR, addr: page, granule_size: PAGE, nb_granules: 1n };
    return this.program.ioctl(this.#fd, IOMMU_INVALIDATE_CACHE, { child_ioasid, cache: IommuCache.IOTLB, ...what });
  }

  free(ioasid: number): Script<number> {
    const command = this.version === 1 ? IOASID_FREE : IOMMU_IOASID_FREE;
    return this.told(`${this.name}: ${command.name}(${ioasid})`, this.program.ioctl(this.#fd, command, { ioasid }));
  }

  told(words: string, call: Script<number>, devices: readonly string[] = [], address = 0n): Script<number> {
    return this.stage.told(words, call, { devices, address, pasid: this.pasid });
  }

  /** What the notes call its open file. */
  get name(): string {
    return this.version === 1 ? 'ioasid_fd' : 'iommu_fd';
  }

  /** Names of those that it has attached there. */
  devicesOf(ioasid: number): string[] {
    return [...(this.#attached.get(ioasid) ?? [])];
  }
}
