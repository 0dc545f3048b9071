/** `/dev/ioasid`: the commands of version 1. A space is a bare number until a device is attached to it. */
import { ns } from '../../../hardware/sim/index.ts';
import {
  EDEADLK,
  EINVAL,
  IOASID_ALLOC,
  IOASID_CHECK_EXTENSION,
  IOASID_FREE,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidExtension,
} from '../../uapi/index.ts';
import { CommandTable, plain, structured } from '../commands.ts';
import type { IoasidContext } from './context.ts';
import { MAP_FLAGS, mapDma, unmapDma } from './dma-commands.ts';
import type { Ioasid } from './ioasid.ts';
import { KernelTable } from './kernel-table.ts';

/** Type1's second version: an unmap never cuts a mapping. */
const SUPPORTED: ReadonlySet<bigint> = new Set([BigInt(IoasidExtension.MAP_TYPE1V2)]);

export const VERSION_1 = new CommandTable<IoasidContext>([
  // biome-ignore lint/correctness/useYield: nothing to wait for
  plain(IOASID_CHECK_EXTENSION, function* ({ argument }) {
    return SUPPORTED.has(argument) ? 1 : 0;
  }),
  plain(IOASID_ALLOC, function* ({ context, process }) {
    yield ns(process.cost.allocate);
    return context.allocate((name) => ({
      parent: null,
      table: new KernelTable({ name, parent: null, keepsMappings: false }, context.services),
    }));
  }),
  structured(IOASID_FREE, 0, ({ context, argument }) => context.locked(() => context.free(argument.ioasid))),
  structured(IOASID_MAP_DMA, MAP_FLAGS, (call) =>
    call.context.locked(function* () {
      const ioasid = ready(call.context, call.argument.ioasid);
      return typeof ioasid === 'number' ? ioasid : yield* mapDma(ioasid.table, call);
    }),
  ),
  structured(IOASID_UNMAP_DMA, 0, (call) =>
    call.context.locked(function* () {
      const ioasid = ready(call.context, call.argument.ioasid);
      return typeof ioasid === 'number' ? ioasid : yield* unmapDma(ioasid.table, call);
    }),
  ),
]);

/** A space that accepts commands: -EINVAL when it does not exist or no device is attached, -EDEADLK when a part of a group is. */
function ready(context: IoasidContext, id: number): Ioasid | number {
  const ioasid = context.get(id);
  if (ioasid === undefined || ioasid.attachments.length === 0) return -EINVAL;
  return ioasid.isPartial ? -EDEADLK : ioasid;
}
