/** `/dev/iommu`: the commands of version 2. A space has its attributes from the beginning, and can be filled at once. */
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  EINVAL,
  IOMMU_CHECK_EXTENSION,
  IOMMU_DEVICE_GET_INFO,
  IOMMU_GET_DIRTY_BITMAP,
  IOMMU_INVALIDATE_CACHE,
  IOMMU_IOASID_ALLOC,
  IOMMU_IOASID_FREE,
  IOMMU_MAP_DMA,
  IOMMU_SET_DIRTY_TRACKING,
  IOMMU_UNMAP_DMA,
  IoasidDirtyBitmapFlag,
  IoasidDirtyTrackingFlag,
} from '../../uapi/index.ts';
import { type Call, CommandTable, plain, structured } from '../commands.ts';
import { ATTRIBUTE_FLAGS, shapeOf } from './attributes.ts';
import type { IoasidContext } from './context.ts';
import { deviceInfo } from './device-info.ts';
import { getDirtyBitmap, setDirtyTracking } from './dirty-commands.ts';
import { MAP_FLAGS, mapDma, unmapDma } from './dma-commands.ts';
import { checkExtension } from './extensions.ts';
import { INVALIDATE_FLAGS, invalidateCache } from './invalidate.ts';
import type { IoTable } from './table.ts';

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
  structured(IOMMU_MAP_DMA, MAP_FLAGS, (call) => onTable(call, (table) => mapDma(table, call))),
  structured(IOMMU_UNMAP_DMA, 0, (call) => onTable(call, (table) => unmapDma(table, call))),
  structured(IOMMU_INVALIDATE_CACHE, INVALIDATE_FLAGS, (call) => call.context.locked(() => invalidateCache(call))),
  structured(IOMMU_SET_DIRTY_TRACKING, IoasidDirtyTrackingFlag.ENABLE, (call) =>
    onTable(call, (table) => setDirtyTracking(table, call)),
  ),
  structured(IOMMU_GET_DIRTY_BITMAP, IoasidDirtyBitmapFlag.NO_CLEAR, (call) =>
    onTable(call, (table) => getDirtyBitmap(table, call)),
  ),
]);

/** Runs a command on the table of a space: -EINVAL when there is no such space. */
function onTable(
  { context, argument }: Pick<Call<IoasidContext, { readonly ioasid: number }>, 'context' | 'argument'>,
  body: (table: IoTable) => Script<number>,
): Script<number> {
  return context.locked(function* () {
    const ioasid = context.get(argument.ioasid);
    return ioasid === undefined ? -EINVAL : yield* body(ioasid.table);
  });
}
