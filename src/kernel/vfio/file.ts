/** `/dev/vfio/devices/NAME`: the device commands of version 1, and the device's regions by pread and pwrite. */
import type { Script } from '../../../hardware/sim/index.ts';
import {
  type Command,
  EINVAL,
  EOPNOTSUPP,
  IoasidAttachFlag,
  VFIO_ATTACH_IOASID,
  VFIO_BIND_IOASID_FD,
  VFIO_DETACH_IOASID,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_UNBIND_IOASID_FD,
  VfioPciRegion,
  VfioRegionFlag,
} from '../../uapi/index.ts';
import { CommandTable, plain, structured } from '../commands.ts';
import type { FileOperations } from '../files.ts';
import { IoasidFile } from '../ioasid/file.ts';
import type { Process } from '../process.ts';
import type { VfioDevice } from './device.ts';

const TABLE = new CommandTable<VfioFile>([
  // biome-ignore lint/correctness/useYield: nothing to wait for
  structured(VFIO_DEVICE_GET_REGION_INFO, 0, function* ({ context, argument, reply }) {
    if (!context.device.isBoundBy(context) || argument.index > VfioPciRegion.CONFIG) return -EINVAL;
    const { offset, size } = context.device.region(argument.index);
    const flags = size > 0 ? VfioRegionFlag.READ | VfioRegionFlag.WRITE : 0;
    return reply({ ...argument, flags, cap_offset: 0, size: BigInt(size), offset });
  }),
  structured(VFIO_BIND_IOASID_FD, 0, function* ({ context, process, argument }) {
    const file = process.files.get(argument.ioasid_fd);
    if (file === undefined || !(file.operations instanceof IoasidFile)) return -EINVAL;
    // The file stays open until the device holds on to what is behind it.
    file.hold();
    const result = yield* context.device.bind(context, file.operations.context);
    yield* file.drop();
    return result;
  }),
  plain(VFIO_UNBIND_IOASID_FD, ({ context }) => context.device.unbind(context)),
  structured(VFIO_ATTACH_IOASID, IoasidAttachFlag.USER_PASID, function* ({ context, argument }) {
    if ((argument.flags & IoasidAttachFlag.USER_PASID) !== 0) return -EOPNOTSUPP;
    return argument.user_pasid === 0 ? yield* context.device.attach(context, argument.ioasid) : -EINVAL;
  }),
  structured(VFIO_DETACH_IOASID, 0, ({ context, argument }) => context.device.detach(context, argument.ioasid)),
]);

export class VfioFile implements FileOperations {
  readonly device: VfioDevice;

  constructor(device: VfioDevice) {
    this.device = device;
  }

  command(request: number): Command | undefined {
    return TABLE.command(request);
  }

  ioctl(process: Process, request: number, argument: bigint): Script<number> {
    return TABLE.run(this, process, request, argument);
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
