/** The two versions of the proposal, as a program that ends needs them. */
import type { Script } from '../../hardware/sim/index.ts';
import {
  IOASID_ALLOC,
  IOASID_CREATE_NESTING,
  IOASID_MAP_DMA,
  IOASID_PAGE_RESPONSE,
  IOASID_UNMAP_DMA,
  IOMMU_IOASID_ALLOC,
  IOMMU_MAP_DMA,
  IOMMU_PAGE_RESPONSE,
  IOMMU_UNMAP_DMA,
  IommuIoasidType,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DETACH_IOASID_2,
} from '../../src/uapi/index.ts';
import { DmaEngineDriver, type Program } from '../../src/user/index.ts';
import { RW } from './machine-bench.ts';

interface Range {
  readonly ioasid: number;
  readonly iova: bigint;
  readonly vaddr: bigint;
  readonly size: bigint;
}

export interface Personality {
  readonly path: string;
  bind(program: Program, device: number, fd: number, cookie: bigint): Script<number>;
  alloc(program: Program, fd: number): Script<number>;
  nest(program: Program, fd: number, parent: number): Script<number>;
  attach(program: Program, device: number, fd: number, ioasid: number): Script<number>;
  detach(program: Program, device: number, fd: number, ioasid: number): Script<number>;
  map(program: Program, fd: number, range: Range): Script<number>;
  unmap(program: Program, fd: number, range: Omit<Range, 'vaddr'>): Script<number>;
  /** An answer to a group of page requests, by the number that the program knows. */
  respond(program: Program, fd: number, ioasid: number, group: number): Script<number>;
  writing(program: Program, device: number, iova: bigint, bytes: number): Script;
}

/** The device writes again and again, until its registers cannot be reached any more. */
function* writing(program: Program, device: number, iova: bigint, bytes: number): Script {
  const engine = yield* DmaEngineDriver.open(program, device);
  for (let round = 0; typeof engine !== 'number'; round++) {
    try {
      const written = yield* engine.write(iova, new Uint8Array(bytes).fill(round));
      if (!written.ok && written.error.startsWith('E')) return;
    } catch {
      // The process has ended under its thread.
      return;
    }
  }
}

const kernelManaged = { type: IommuIoasidType.KERNEL_TYPE1V2, addr_width: 39 };

export const PERSONALITIES: readonly Personality[] = [
  {
    path: '/dev/ioasid',
    bind: (program, device, fd) => program.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: fd }),
    alloc: (program, fd) => program.ioctl(fd, IOASID_ALLOC),
    nest: (program, fd, parent) => program.ioctl(fd, IOASID_CREATE_NESTING, { parent_ioasid: parent }),
    attach: (program, device, _fd, ioasid) => program.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }),
    detach: (program, device, _fd, ioasid) => program.ioctl(device, VFIO_DETACH_IOASID, { ioasid }),
    map: (program, fd, range) => program.ioctl(fd, IOASID_MAP_DMA, { ...range, flags: RW }),
    unmap: (program, fd, range) => program.ioctl(fd, IOASID_UNMAP_DMA, range),
    respond: (program, fd, ioasid, group) =>
      program.writeFile(fd, IOASID_PAGE_RESPONSE.encode({ ioasid, group, code: 0 })),
    writing,
  },
  {
    path: '/dev/iommu',
    bind: (program, device, fd, cookie) => program.ioctl(device, VFIO_BIND_IOMMU_FD, { iommu_fd: fd, cookie }),
    alloc: (program, fd) => program.ioctl(fd, IOMMU_IOASID_ALLOC, kernelManaged),
    nest: (program, fd, parent) => program.ioctl(fd, IOMMU_IOASID_ALLOC, { ...kernelManaged, parent_ioasid: parent }),
    attach: (program, device, fd, ioasid) => program.ioctl(device, VFIO_ATTACH_IOASID_2, { iommu_fd: fd, ioasid }),
    detach: (program, device, fd, ioasid) => program.ioctl(device, VFIO_DETACH_IOASID_2, { iommu_fd: fd, ioasid }),
    map: (program, fd, range) => program.ioctl(fd, IOMMU_MAP_DMA, { ...range, flags: RW }),
    unmap: (program, fd, range) => program.ioctl(fd, IOMMU_UNMAP_DMA, range),
    respond: (program, fd, ioasid, group) =>
      program.writeFile(fd, IOMMU_PAGE_RESPONSE.encode({ ioasid, group, code: 0, dev_cookie: 1n })),
    writing,
  },
];
