/** Programs that use everything that allocates: one for each version of the proposal. */
import type { Script } from '../../hardware/sim/index.ts';
import type { Process } from '../../src/kernel/index.ts';
import {
  ENOMEM,
  IOASID_ALLOC,
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CREATE_NESTING,
  IOASID_FREE,
  IOASID_MAP_DMA,
  IOASID_REGISTER_MEMORY,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_UNBIND_PGTABLE,
  IOASID_UNMAP_DMA,
  IOASID_UNREGISTER_MEMORY,
  IOMMU_IOASID_ALLOC,
  IOMMU_IOASID_FREE,
  IOMMU_MAP_DMA,
  IOMMU_UNMAP_DMA,
  IoasidFormat,
  IommuIoasidType,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DETACH_IOASID_2,
} from '../../src/uapi/index.ts';
import { DmaEngineDriver, type Program } from '../../src/user/index.ts';
import { byteAt } from './dma-bench.ts';
import type { Trial } from './fault-points-bench.ts';
import { ASTRIDE, atOnce, GPA, memory, PAGES, TABLE, UNMAPPED, watched } from './fault-points-parts.ts';
import { DEV, PAGE, RW } from './machine-bench.ts';

const K4 = BigInt(PAGE);
const PASID = 0x1234;
const NESTED_PASID = 5;

/** A child that writes to the memory it shares, and leaves. */
function* fork(trial: Trial, program: Program, at: bigint): Script {
  const child = yield* trial.call('fork', () => program.fork('child'));
  if (typeof child === 'number') throw new Error('no child');
  trial.adopt(child);
  const store = (who: Program) => atOnce(() => (who.system.store(at, Uint8Array.of(0x40)) ? 0 : -ENOMEM));
  yield* trial.call('a store of the child', store(child));
  yield* trial.call('a store of the parent', store(program));
  yield* trial.call('munmap in the middle', () => child.munmap(at + K4, PAGE));
  yield* child.exit();
}

/** `/dev/iommu`. `nests`: the unit walks tables of processes. */
export function* version2(trial: Trial, nests: boolean): Script {
  const program = trial.program('program');
  // A page for arguments, so that no call takes one and keeps it.
  yield* program.ioctl(-1, IOMMU_IOASID_ALLOC);
  const at = yield* memory(trial, program);
  const fd = yield* trial.call('open /dev/iommu', () => program.open('/dev/iommu'));
  const devices: number[] = [];
  for (const [i, path] of DEV.entries()) {
    const device = yield* trial.call('open a device', () => program.open(path));
    devices.push(device);
    const binding = { iommu_fd: fd, cookie: BigInt(i) };
    yield* trial.call('bind', () => program.ioctl(device, VFIO_BIND_IOMMU_FD, binding));
  }
  const [first, second] = devices as [number, number];
  const kernelManaged = { type: IommuIoasidType.KERNEL_TYPE1V2, addr_width: 48 };
  const alloc = (what: string, attributes: object = {}) =>
    trial.call(`alloc ${what}`, () => program.ioctl(fd, IOMMU_IOASID_ALLOC, { ...kernelManaged, ...attributes }));
  const map = (ioasid: number, iova: bigint, vaddr: bigint, size: bigint) =>
    trial.call(`map ${ioasid}`, () => program.ioctl(fd, IOMMU_MAP_DMA, { ioasid, flags: RW, vaddr, iova, size }));
  const unmap = (ioasid: number, iova: bigint, size: bigint) =>
    trial.call(`unmap ${ioasid}`, () => program.ioctl(fd, IOMMU_UNMAP_DMA, { ioasid, iova, size }));
  const attach = (what: string, device: number, ioasid: number, more: object = {}) =>
    trial.call(`attach ${what}`, () => program.ioctl(device, VFIO_ATTACH_IOASID_2, { iommu_fd: fd, ioasid, ...more }));
  const detach = (device: number, ioasid: number) =>
    trial.call('detach', () => program.ioctl(device, VFIO_DETACH_IOASID_2, { iommu_fd: fd, ioasid }));

  const root = yield* alloc('root');
  yield* map(root, GPA, at, BigInt(PAGES) * K4);
  yield* attach('first', first, root);
  yield* watched(trial, program, first, GPA, GPA + K4);
  yield* attach('second', second, root);
  const child = yield* alloc('child', { parent_ioasid: root });
  yield* map(child, 0x2000n, GPA + K4, K4);
  yield* watched(trial, program, second, 0x2000n);
  yield* attach('second to child', second, child);
  // The child gains with its parent what the parent maps where it looked for it.
  yield* map(root, ASTRIDE, at, 2n * K4);
  yield* map(child, ASTRIDE, ASTRIDE, 2n * K4);
  yield* unmap(root, ASTRIDE, 2n * K4);
  yield* map(root, ASTRIDE, at, 2n * K4);
  if (nests) {
    yield* detach(second, child);
    const attributes = { flags: 1, type: 0, format: 1, addr: GPA + BigInt(TABLE) * K4, parent_ioasid: root };
    const user = yield* alloc('user table', attributes);
    yield* attach('second to user table', second, user);
    yield* attach('first to user table', first, user, { flags: 1, vpasid: NESTED_PASID });
    yield* detach(second, user);
    yield* detach(first, user);
  }
  if (hasPasidTables(trial)) {
    const attributes = { flags: 2, type: 0, format: 4, addr_width: 9, addr: GPA, parent_ioasid: root };
    const table = yield* alloc('PASID table', attributes);
    yield* attach('second to PASID table', second, table);
    yield* detach(second, table);
  }
  if (nests) yield* pasids(trial, program, { fd, device: first, at, alloc: () => alloc('another', {}) });
  yield* fork(trial, program, at);
  const { space } = program.system as Process;
  yield* trial.call(
    'watch an address space',
    atOnce(() => {
      const leave = space.subscribe({ invalidate: atOnce(() => 0), release: atOnce(() => 0) });
      if (typeof leave === 'function') leave();
      return typeof leave === 'number' ? leave : 0;
    }),
  );
  const lazy = yield* trial.call('a lazy mmap', () => program.mmap(2 * PAGE));
  yield* unmap(root, ASTRIDE, 2n * K4);
  yield* trial.call(
    'touch',
    atOnce(() => (program.system.store(lazy, Uint8Array.of(1)) ? 0 : -ENOMEM)),
  );
  yield* detach(first, root);
  yield* attach('first again', first, root);
  const spare = yield* alloc('spare');
  yield* trial.call('free', () => program.ioctl(fd, IOMMU_IOASID_FREE, { ioasid: spare }));
}

/** The unit finds PASID tables of processes. */
function hasPasidTables({ kernel }: Trial): boolean {
  return kernel.iommu.groups[0]!.driver.abilities.pasidTableBits > 0;
}

interface Marked {
  readonly fd: number;
  readonly device: number;
  readonly at: bigint;
  readonly alloc: () => Script<number>;
}

/** A space for a PASID, where tables for PASIDs can be those of the kernel. */
function* pasids(trial: Trial, program: Program, { fd, device, at, alloc }: Marked): Script {
  const ioasid = yield* alloc();
  const range = { ioasid, flags: RW, vaddr: at, iova: GPA, size: K4 };
  yield* trial.call('map for a PASID', () => program.ioctl(fd, IOMMU_MAP_DMA, range));
  const place = { iommu_fd: fd, ioasid, flags: 1, vpasid: PASID };
  // AMD-Vi has tables for PASIDs in the CPU's format alone.
  if (trial.kernel.iommu.groups[0]!.driver.name.startsWith('amd')) return;
  yield* trial.call('attach a PASID', () => program.ioctl(device, VFIO_ATTACH_IOASID_2, place));
  const engine = yield* DmaEngineDriver.open(program, device);
  if (typeof engine === 'number') throw new Error(`no driver: ${engine}`);
  trial.watch(() => byteAt(engine, GPA, { pasid: PASID }));
  trial.watch(() => byteAt(engine, UNMAPPED, { pasid: PASID }));
}

/** `/dev/ioasid`. */
export function* version1(trial: Trial, nests: boolean): Script {
  const program = trial.program('program');
  yield* program.ioctl(-1, IOASID_MAP_DMA);
  const at = yield* memory(trial, program);
  const fd = yield* trial.call('open /dev/ioasid', () => program.open('/dev/ioasid'));
  const device = yield* trial.call('open a device', () => program.open(DEV[0]));
  yield* trial.call('bind', () => program.ioctl(device, VFIO_BIND_IOASID_FD, { ioasid_fd: fd }));
  const attach = (what: string, ioasid: number) =>
    trial.call(`attach ${what}`, () => program.ioctl(device, VFIO_ATTACH_IOASID, { ioasid }));
  const map = (ioasid: number, iova: bigint, vaddr: bigint, size: bigint) =>
    trial.call(`map ${ioasid}`, () => program.ioctl(fd, IOASID_MAP_DMA, { ioasid, flags: RW, vaddr, iova, size }));
  const unmap = (ioasid: number, iova: bigint, size: bigint) =>
    trial.call(`unmap ${ioasid}`, () => program.ioctl(fd, IOASID_UNMAP_DMA, { ioasid, iova, size }));

  const root = yield* trial.call('alloc', () => program.ioctl(fd, IOASID_ALLOC));
  yield* attach('root', root);
  const all = { vaddr: at, size: BigInt(PAGES) * K4 };
  yield* trial.call('register', () => program.ioctl(fd, IOASID_REGISTER_MEMORY, all));
  yield* map(root, GPA, at, BigInt(PAGES) * K4);
  yield* watched(trial, program, device, GPA, 0x2000n, ASTRIDE);
  yield* map(root, ASTRIDE, at, 2n * K4);
  const child = yield* trial.call('nest', () => program.ioctl(fd, IOASID_CREATE_NESTING, { parent_ioasid: root }));
  yield* attach('child', child);
  yield* map(child, 0x2000n, GPA + K4, K4);
  yield* map(child, ASTRIDE, ASTRIDE, 2n * K4);
  yield* unmap(root, ASTRIDE, 2n * K4);
  yield* map(root, ASTRIDE, at, 2n * K4);
  if (nests) {
    yield* unmap(child, 0x2000n, K4);
    yield* unmap(child, ASTRIDE, 2n * K4);
    const place = { vendor: IoasidFormat.X86, address_width: 48, addr: GPA + BigInt(TABLE) * K4 };
    const table = { child_ioasid: child, ...place };
    yield* trial.call('bind a table', () => program.ioctl(fd, IOASID_BIND_PGTABLE, table));
    yield* trial.call('unbind it', () => program.ioctl(fd, IOASID_UNBIND_PGTABLE, { ioasid: child }));
  }
  if (hasPasidTables(trial)) {
    const table = { child_ioasid: child, vendor: IoasidFormat.AMD_GCR3, addr: GPA, size: 9, address_width: 48 };
    yield* trial.call('bind a PASID table', () => program.ioctl(fd, IOASID_BIND_PASID_TABLE, table));
    const space = yield* trial.call('nest', () => program.ioctl(fd, IOASID_CREATE_NESTING, { parent_ioasid: root }));
    const place = { ioasid: space, flags: 1, user_pasid: NESTED_PASID };
    yield* trial.call('attach by a PASID', () => program.ioctl(device, VFIO_ATTACH_IOASID, place));
    yield* trial.call('detach', () => program.ioctl(device, VFIO_DETACH_IOASID, { ioasid: space }));
    yield* trial.call('unbind it', () => program.ioctl(fd, IOASID_UNBIND_PASID_TABLE, { ioasid: child }));
  }
  yield* fork(trial, program, at);
  yield* trial.call('detach', () => program.ioctl(device, VFIO_DETACH_IOASID, { ioasid: child }));
  yield* trial.call('free', () => program.ioctl(fd, IOASID_FREE, { ioasid: child }));
  yield* unmap(root, GPA, BigInt(PAGES) * K4);
  yield* trial.call('detach', () => program.ioctl(device, VFIO_DETACH_IOASID, { ioasid: root }));
  yield* trial.call('unregister', () => program.ioctl(fd, IOASID_UNREGISTER_MEMORY, all));
}
