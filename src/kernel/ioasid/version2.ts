/** `/dev/iommu`: the commands of version 2. A space has its attributes from the beginning, and can be filled at once. */
import { ns } from '../../../hardware/sim/index.ts';
import {
  EINVAL,
  IOMMU_CHECK_EXTENSION,
  IOMMU_DEVICE_GET_INFO,
  IOMMU_INVALIDATE_CACHE,
  IOMMU_IOASID_ALLOC,
  IOMMU_IOASID_FREE,
  IOMMU_MAP_DMA,
  IOMMU_UNMAP_DMA,
} from '../../uapi/index.ts';
import { CommandTable, plain, structured } from '../commands.ts';
import { ATTRIBUTE_FLAGS, shapeOf } from './attributes.ts';
import type { IoasidContext } from './context.ts';
import { deviceInfo } from './device-info.ts';
import { MAP_FLAGS, mapDma, unmapDma } from './dma-commands.ts';
import { checkExtension } from './extensions.ts';
import { INVALIDATE_FLAGS, invalidateCache } from './invalidate.ts';

export const VERSION_2 = new CommandTable<IoasidContext>([
  plain(IOMMU_CHECK_EXTENSION, checkExtension),
  structured(IOMMU_DEVICE_GET_INFO, 0, (call) => deviceInfo(call)),
  structured(IOMMU_IOASID_ALLOC, ATTRIBUTE_FLAGS, ({ context, process, argument }) =>
    context.locked(function* () {
      yield ns(process.cost.allocate);
      const shape = shapeOf(context, argument);
      return typeof shape === 'number' ? shape : context.allocate(shape);
    }),
  ),
  structured(IOMMU_IOASID_FREE, 0, ({ context, argument }) => context.locked(() => context.free(argument.ioasid))),
  structured(IOMMU_MAP_DMA, MAP_FLAGS, (call) =>
    call.context.locked(function* () {
      const ioasid = call.context.get(call.argument.ioasid);
      return ioasid === undefined ? -EINVAL : yield* mapDma(ioasid.table, call);
    }),
  ),
  structured(IOMMU_UNMAP_DMA, 0, (call) =>
    call.context.locked(function* () {
      const ioasid = call.context.get(call.argument.ioasid);
      return ioasid === undefined ? -EINVAL : yield* unmapDma(ioasid.table, call);
    }),
  ),
  structured(IOMMU_INVALIDATE_CACHE, INVALIDATE_FLAGS, (call) => call.context.locked(() => invalidateCache(call))),
]);
