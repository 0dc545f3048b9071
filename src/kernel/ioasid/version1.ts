/**
 * `/dev/ioasid`: the commands of version 1. A space is a bare number until a device is attached to it; what it becomes then
 * the program says by what it does with it.
 */
import { pageOf } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  EDEADLK,
  EINVAL,
  IOASID_ALLOC,
  IOASID_BIND_PASID_TABLE,
  IOASID_BIND_PGTABLE,
  IOASID_CHECK_EXTENSION,
  IOASID_CREATE_NESTING,
  IOASID_FREE,
  IOASID_GET_DIRTY_BITMAP,
  IOASID_GET_INFO,
  IOASID_INVALIDATE_CACHE,
  IOASID_MAP_DMA,
  IOASID_REGISTER_MEMORY,
  IOASID_SET_DIRTY_TRACKING,
  IOASID_UNBIND_PASID_TABLE,
  IOASID_UNBIND_PGTABLE,
  IOASID_UNMAP_DMA,
  IOASID_UNREGISTER_MEMORY,
  IoasidDirtyBitmapFlag,
  IoasidDirtyTrackingFlag,
  IoasidPasidTableFlag,
} from '../../uapi/index.ts';
import { type Call, CommandTable, plain, structured } from '../commands.ts';
import { bindPasidTable, bindTable, unbindPasidTable, unbindTable } from './binding.ts';
import type { IoasidContext } from './context.ts';
import { getDirtyBitmap, setDirtyTracking } from './dirty-commands.ts';
import { isPageRange, MAP_FLAGS, mapDma, unmapDma } from './dma-commands.ts';
import { checkExtension } from './extensions.ts';
import { invalidateSpace } from './invalidate.ts';
import type { Ioasid } from './ioasid.ts';
import { ioasidInfo } from './ioasid-info.ts';
import { KernelTable } from './kernel-table.ts';

export const VERSION_1 = new CommandTable<IoasidContext>([
  plain(IOASID_CHECK_EXTENSION, checkExtension),
  structured(IOASID_REGISTER_MEMORY, 0, ({ context, process, argument: { vaddr, size } }) =>
    context.locked(function* () {
      if (!isPageRange(vaddr, size)) return -EINVAL;
      return yield* context.registered.register(process.space, { first: pageOf(vaddr), pages: pageOf(size) });
    }),
  ),
  structured(IOASID_UNREGISTER_MEMORY, 0, ({ context, process, argument: { vaddr, size } }) =>
    context.locked(function* () {
      if (!isPageRange(vaddr, size)) return -EINVAL;
      return yield* context.registered.unregister(process.space, { first: pageOf(vaddr), pages: pageOf(size) });
    }),
  ),
  plain(IOASID_ALLOC, function* ({ context, process }) {
    yield ns(process.cost.allocate);
    return context.allocate((name) => ({
      parent: null,
      table: new KernelTable({ name, parent: null, keepsMappings: false }, context.services),
    }));
  }),
  structured(IOASID_FREE, 0, ({ context, argument }) => context.locked(() => context.free(argument.ioasid))),
  structured(IOASID_GET_INFO, 0, (call) => whenReady(call, call.argument.ioasid, (space) => ioasidInfo(space, call))),
  structured(IOASID_MAP_DMA, MAP_FLAGS, (call) =>
    whenReady(call, call.argument.ioasid, ({ table }) => mapDma(table, call)),
  ),
  structured(IOASID_UNMAP_DMA, 0, (call) =>
    whenReady(call, call.argument.ioasid, ({ table }) => unmapDma(table, call)),
  ),
  structured(IOASID_CREATE_NESTING, 0, (call) =>
    whenReady(call, call.argument.parent_ioasid, function* (parent) {
      const { context, process } = call;
      const above = parent.table;
      yield ns(process.cost.allocate);
      if (!(above instanceof KernelTable)) return -EINVAL;
      return context.allocate((name) => ({
        parent,
        table: new KernelTable({ name, parent: above, keepsMappings: false }, context.services),
      }));
    }),
  ),
  structured(IOASID_BIND_PGTABLE, 0, (call) =>
    whenReady(call, call.argument.child_ioasid, (child) => bindTable(call.context, child, call.argument)),
  ),
  structured(IOASID_UNBIND_PGTABLE, 0, (call) =>
    whenReady(call, call.argument.ioasid, (child) => unbindTable(call.context, child)),
  ),
  structured(IOASID_BIND_PASID_TABLE, IoasidPasidTableFlag.GIOV, (call) =>
    whenReady(call, call.argument.child_ioasid, (child) => bindPasidTable(call.context, child, call.argument)),
  ),
  structured(IOASID_UNBIND_PASID_TABLE, 0, (call) =>
    whenReady(call, call.argument.ioasid, (child) => unbindPasidTable(call.context, child)),
  ),
  structured(IOASID_INVALIDATE_CACHE, 0, (call) =>
    whenReady(call, call.argument.child_ioasid, (child) => invalidateSpace(child, call.argument)),
  ),
  structured(IOASID_SET_DIRTY_TRACKING, IoasidDirtyTrackingFlag.ENABLE, (call) =>
    whenReady(call, call.argument.ioasid, ({ table }) => setDirtyTracking(table, call)),
  ),
  structured(IOASID_GET_DIRTY_BITMAP, IoasidDirtyBitmapFlag.NO_CLEAR, (call) =>
    whenReady(call, call.argument.ioasid, ({ table }) => getDirtyBitmap(table, call)),
  ),
]);

/**
 * Runs a command on a space that accepts commands: -EINVAL when it does not exist or no device is attached, -EDEADLK when only a
 * part of a group is.
 */
function whenReady(
  { context }: Pick<Call<IoasidContext, unknown>, 'context'>,
  id: number,
  body: (ioasid: Ioasid) => Script<number>,
): Script<number> {
  return context.locked(function* () {
    const ioasid = context.get(id);
    if (ioasid === undefined || !ioasid.isUsed) return -EINVAL;
    return ioasid.isPartial ? -EDEADLK : yield* body(ioasid);
  });
}
