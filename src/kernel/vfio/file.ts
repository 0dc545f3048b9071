/** `/dev/vfio/devices/NAME`: the device commands of both versions, and the device's regions by pread and pwrite. */
import { wordsOf } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import {
  type Command,
  EINVAL,
  IoasidAttachFlag,
  type ObjectIn,
  VFIO_ATTACH_IOASID,
  VFIO_ATTACH_IOASID_2,
  VFIO_BIND_2,
  VFIO_BIND_IOASID_FD,
  VFIO_BIND_IOMMU_FD,
  VFIO_DETACH_IOASID,
  VFIO_DETACH_IOASID_2,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  type VFIO_DEVICE_INFO,
  type VFIO_REGION_INFO,
  VFIO_UNBIND_IOASID_FD,
  VfioAttachFlag,
  VfioPciRegion,
  VfioRegionFlag,
} from '../../uapi/index.ts';
import { type Call, CommandTable, plain, structured } from '../commands.ts';
import type { FileOperations } from '../files.ts';
import { IoasidFile, type Version } from '../ioasid/file.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import type { Process } from '../process.ts';
import type { VfioDevice } from './device.ts';
import { deviceInfo } from './device-info.ts';

type InfoCall = Call<VfioFile, ObjectIn<typeof VFIO_DEVICE_INFO>>;
type RegionCall = Call<VfioFile, ObjectIn<typeof VFIO_REGION_INFO>>;

// biome-ignore lint/correctness/useYield: nothing to wait for
const REGION_INFO = structured(VFIO_DEVICE_GET_REGION_INFO, 0, function* (call: RegionCall) {
  const { context, argument, reply } = call;
  if (!context.device.isBoundBy(context) || argument.index > VfioPciRegion.CONFIG) return -EINVAL;
  const { offset, size } = context.device.region(argument.index);
  const flags = size > 0 ? VfioRegionFlag.READ | VfioRegionFlag.WRITE : 0;
  return reply({ ...argument, flags, cap_offset: 0, size: BigInt(size), offset });
});

const INFO = structured(VFIO_DEVICE_GET_INFO, 0, (call: InfoCall) => deviceInfo(call));

const TABLES: Readonly<Record<Version, CommandTable<VfioFile>>> = {
  1: new CommandTable<VfioFile>([
    INFO,
    REGION_INFO,
    structured(VFIO_BIND_IOASID_FD, 0, ({ context, process, argument }) =>
      bind(context, process, { fd: argument.ioasid_fd, version: 1, cookie: 0n }),
    ),
    plain(VFIO_UNBIND_IOASID_FD, ({ context }) => context.device.unbind(context)),
    structured(VFIO_ATTACH_IOASID, IoasidAttachFlag.USER_PASID, function* ({ context, argument }) {
      const pasid = pasidOf((argument.flags & IoasidAttachFlag.USER_PASID) !== 0, argument.user_pasid);
      if (pasid === undefined) return -EINVAL;
      return yield* context.device.attach(context, { ioasid: argument.ioasid, pasid });
    }),
    structured(VFIO_DETACH_IOASID, 0, ({ context, argument }) =>
      context.device.detach(context, { ioasid: argument.ioasid }),
    ),
  ]),
  2: new CommandTable<VfioFile>([
    INFO,
    REGION_INFO,
    structured(VFIO_BIND_IOMMU_FD, 0, ({ context, process, argument }) =>
      bind(context, process, { fd: argument.iommu_fd, version: 2, cookie: argument.cookie }),
    ),
    structured(VFIO_ATTACH_IOASID_2, VfioAttachFlag.VPASID, function* ({ context, process, argument }) {
      const { flags, iommu_fd: fd, ioasid, vpasid } = argument;
      const pasid = pasidOf((flags & VfioAttachFlag.VPASID) !== 0, vpasid);
      const file = ioasidFileOf(process, fd, 2);
      if (pasid === undefined || file === undefined) return -EINVAL;
      return yield* context.device.attach(context, { ioasid, pasid, context: file.context });
    }),
    structured(VFIO_DETACH_IOASID_2, 0, function* ({ context, process, argument }) {
      const file = ioasidFileOf(process, argument.iommu_fd, 2);
      if (file === undefined) return -EINVAL;
      return yield* context.device.detach(context, { ioasid: argument.ioasid, context: file.context });
    }),
  ]),
};

interface Binding {
  readonly fd: number;
  readonly version: Version;
  readonly cookie: bigint;
}

/** -EINVAL when the descriptor is not an open file of that version. */
function* bind(file: VfioFile, process: Process, { fd, version, cookie }: Binding): Script<number> {
  const operations = ioasidFileOf(process, fd, version);
  if (operations === undefined) return -EINVAL;
  // The file stays open until the device holds on to what is behind it.
  const open = process.files.get(fd)!;
  open.hold();
  const result = yield* file.device.bind(file, operations, cookie);
  yield* open.drop();
  return result;
}

function ioasidFileOf(process: Process, fd: number, version?: Version): IoasidFile | undefined {
  const operations = process.files.get(fd)?.operations;
  if (!(operations instanceof IoasidFile)) return undefined;
  return version === undefined || operations.version === version ? operations : undefined;
}

/** `undefined` when there is one that is not meant. */
function pasidOf(isGiven: boolean, pasid: number): number | undefined {
  if (isGiven) return pasid;
  return pasid === 0 ? NO_PASID : undefined;
}

/** Both versions' structures of a bind begin with their size and flags; then comes the descriptor. */
const BIND_HEADER = 12;

export class VfioFile implements FileOperations {
  readonly device: VfioDevice;

  constructor(device: VfioDevice) {
    this.device = device;
  }

  command(request: number, process: Process, argument: bigint): Command | undefined {
    return this.#table(process, process.space.peek(argument, BIND_HEADER)).command(request);
  }

  ioctl(process: Process, request: number, argument: bigint): Script<number> {
    const header = process.space.copyFromUser(argument, BIND_HEADER);
    return this.#table(process, header).run(this, process, request, argument);
  }

  /**
   * Of the version that the file is bound to; before, that of the descriptor that a bind would name. Of a descriptor that is
   * neither, the size tells which version the program means, so that it learns what is wrong.
   */
  #table(process: Process, header: Uint8Array | undefined): CommandTable<VfioFile> {
    const version = this.device.versionOf(this);
    if (version !== undefined) return TABLES[version];
    if (header === undefined) return TABLES[1];
    const [argsz, , fd] = wordsOf(header) as unknown as readonly [number, number, number];
    return TABLES[ioasidFileOf(process, fd | 0)?.version ?? (argsz < VFIO_BIND_2.bytes ? 1 : 2)];
  }

  /** A device is inert before it is bound: its registers cannot be reached. */
  *pread(process: Process, address: bigint, length: number, offset: bigint): Script<number> {
    return this.device.isBoundBy(this) ? yield* this.device.read(process, address, length, offset) : -EINVAL;
  }

  *pwrite(process: Process, address: bigint, length: number, offset: bigint): Script<number> {
    return this.device.isBoundBy(this) ? yield* this.device.write(process, address, length, offset) : -EINVAL;
  }

  *enqcmd(process: Process, pasid: number, address: bigint, offset: bigint): Script<number> {
    return this.device.isBoundBy(this) ? yield* this.device.enqueue(process, pasid, address, offset) : -EINVAL;
  }

  *release(): Script {
    if (this.device.isBoundBy(this)) yield* this.device.unbind(this);
  }
}
