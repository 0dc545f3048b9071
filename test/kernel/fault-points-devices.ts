/** Programs whose devices have an MMU of their own, and drivers inside the kernel. */
import type { Script } from '../../hardware/sim/index.ts';
import type { DeviceRights } from '../../src/kernel/drivers/index.ts';
import { DmaEngineDriver, type KernelDriver, registersOf } from '../../src/machine/index.ts';
import {
  IOASID_ALLOC,
  IOASID_CREATE_NESTING,
  IOASID_MAP_DMA,
  IOMMU_IOASID_ALLOC,
  IOMMU_MAP_DMA,
  IommuIoasidType,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DETACH_IOASID_2,
} from '../../src/uapi/index.ts';
import { byteAt, marked } from './dma-bench.ts';
import type { Trial } from './fault-points-bench.ts';
import { ASTRIDE, atOnce, GPA, memory, UNMAPPED, watched } from './fault-points-parts.ts';
import { PAGE, RW } from './machine-bench.ts';

const K4 = BigInt(PAGE);

/** A device whose MMU the kernel keeps in step, in a space and in one that is nested on it. */
export function* withOwnMmu(trial: Trial, path: string): Script {
  const program = trial.program('program');
  yield* program.ioctl(-1, IOASID_MAP_DMA);
  const at = yield* memory(trial, program);
  const fd = yield* trial.call('open /dev/ioasid', () => program.open('/dev/ioasid'));
  const device = yield* trial.call('open a device', () => program.open(path));
  yield* trial.call('bind', () => program.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: fd }));
  const map = (ioasid: number, iova: bigint, vaddr: bigint) =>
    trial.call('map', () => program.ioctl(fd, IOASID_MAP_DMA, { ioasid, flags: RW, vaddr, iova, size: 2n * K4 }));
  const attach = (ioasid: number) => trial.call('attach', () => program.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }));
  const root = yield* trial.call('alloc', () => program.ioctl(fd, IOASID_ALLOC));
  yield* attach(root);
  yield* watched(trial, program, device, GPA, ASTRIDE, 0x2000n);
  yield* map(root, GPA, at);
  yield* map(root, ASTRIDE, at);
  const child = yield* trial.call('nest', () => program.ioctl(fd, IOASID_CREATE_NESTING, { parent_ioasid: root }));
  yield* attach(child);
  yield* map(child, 0x2000n, GPA);
  yield* trial.call('detach', () => program.ioctl(device, VFIO_DETACH_IOASID, { ioasid: child }));
}

/** The same through `/dev/iommu`. */
export function* withOwnMmu2(trial: Trial, path: string): Script {
  const program = trial.program('program');
  yield* program.ioctl(-1, IOMMU_MAP_DMA);
  const at = yield* memory(trial, program);
  const fd = yield* trial.call('open /dev/iommu', () => program.open('/dev/iommu'));
  const device = yield* trial.call('open a device', () => program.open(path));
  yield* trial.call('bind', () => program.ioctl(device, VFIO_BIND_IOMMU_FD, { iommu_fd: fd, cookie: 1n }));
  const attributes = { type: IommuIoasidType.KERNEL_TYPE1V2, addr_width: 32 };
  const alloc = (more: object = {}) =>
    trial.call('alloc', () => program.ioctl(fd, IOMMU_IOASID_ALLOC, { ...attributes, ...more }));
  const attach = (ioasid: number) =>
    trial.call('attach', () => program.ioctl(device, VFIO_ATTACH_IOASID_2, { iommu_fd: fd, ioasid }));
  const root = yield* alloc();
  const range = { ioasid: root, flags: RW, vaddr: at, iova: GPA, size: 2n * K4 };
  yield* trial.call('map', () => program.ioctl(fd, IOMMU_MAP_DMA, range));
  yield* attach(root);
  yield* watched(trial, program, device, GPA);
  const child = yield* alloc({ parent_ioasid: root });
  yield* attach(child);
  yield* trial.call('detach', () => program.ioctl(device, VFIO_DETACH_IOASID_2, { iommu_fd: fd, ioasid: child }));
}

/** A driver inside the kernel, and what it lends its device. */
export function* inKernel(trial: Trial, device: string, rights?: DeviceRights): Script {
  const take = atOnce<KernelDriver | number>(() => trial.kernel.driver(device));
  const driver = (yield* trial.call('take a device', take)) as KernelDriver;
  const dma = new DmaEngineDriver(registersOf(driver, 0));
  trial.atEnd(() => driver.release());
  yield* driver.setBusMaster(true);
  if (rights !== undefined) yield* trial.call('permit', () => driver.permit(rights));
  const buffer = marked(driver, 3, 0x60);
  // The default domain is made for the first, and stays until the device is given back.
  const made = yield* trial.call('map the first', () => driver.dma.map(buffer, 'both'), { prepares: true });
  yield* driver.dma.unmap(BigInt(made));
  const first = yield* trial.call('map a buffer', () => driver.dma.map(buffer, 'both'));
  trial.watch(() => byteAt(dma, BigInt(first)));
  trial.watch(() => byteAt(dma, UNMAPPED));
  yield* trial.call('request an interrupt', () =>
    driver.requestInterrupt(
      0,
      atOnce(() => undefined),
    ),
  );
  yield* trial.call('allocate coherent memory', () => driver.dma.allocCoherent(2 * PAGE));
  const pieces = [{ buffer, offset: 5 }, { buffer }];
  yield* trial.call('map pieces', () => driver.dma.mapSg(pieces, 'to device'));
  yield* trial.call(
    'allocate memory in a row',
    atOnce(() => driver.memory.allocate(3, { contiguous: true })),
  );
  const domain = yield* trial.call('make a domain', () => driver.domain());
  yield* trial.call('let go of what was lent', () => driver.dma.release());
  if (typeof domain !== 'number') yield* trial.call('attach', () => driver.attach(domain));
}

/** Virtual functions, and devices that are software. */
export function* late(trial: Trial, device: string): Script {
  const { kernel } = trial;
  yield* trial.call('enable virtual functions', () => kernel.enableVfs(device, 3));
  yield* trial.call('disable them', () => kernel.disableVfs(device));
  yield* trial.call('enable one', () => kernel.enableVfs(device, 1));
  yield* trial.call(
    'add a device that is software',
    atOnce(() => kernel.addMediated('soft0')),
  );
  trial.atEnd(function* () {
    kernel.removeMediated('soft0');
    yield* kernel.disableVfs(device);
  });
}
