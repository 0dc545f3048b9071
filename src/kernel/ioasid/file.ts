/** `/dev/ioasid`: the commands of version 1. */
import { PAGE_SIZE, pageOf } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  type Command,
  EINVAL,
  IOASID_ALLOC,
  IOASID_CHECK_EXTENSION,
  IOASID_FREE,
  IOASID_MAP_DMA,
  IOASID_UNMAP_DMA,
  IoasidExtension,
  IoasidMapFlag,
} from '../../uapi/index.ts';
import { CommandTable, plain, structured } from '../commands.ts';
import type { FileOperations } from '../files.ts';
import type { Process } from '../process.ts';
import type { IoasidContext } from './context.ts';

/** Type1's second version: an unmap never cuts a mapping. */
const SUPPORTED: ReadonlySet<bigint> = new Set([BigInt(IoasidExtension.MAP_TYPE1V2)]);

const TABLE = new CommandTable<IoasidContext>([
  // biome-ignore lint/correctness/useYield: nothing to wait for
  plain(IOASID_CHECK_EXTENSION, function* ({ argument }) {
    return SUPPORTED.has(argument) ? 1 : 0;
  }),
  plain(IOASID_ALLOC, function* ({ context, process }) {
    yield ns(process.cost.allocate);
    return context.allocate();
  }),
  structured(IOASID_FREE, 0, ({ context, argument }) =>
    // biome-ignore lint/correctness/useYield: the lock is what is waited for
    context.locked(function* () {
      return context.free(argument.ioasid);
    }),
  ),
  structured(IOASID_MAP_DMA, IoasidMapFlag.READ | IoasidMapFlag.WRITE, ({ context, process, argument }) =>
    context.locked(function* () {
      const { flags, ioasid, vaddr, iova, size } = argument;
      const target = context.get(ioasid);
      if (target === undefined) return -EINVAL;
      if (target.readiness < 0) return target.readiness;
      if (flags === 0 || !isPageRange(iova, size) || !isPageRange(vaddr, size)) return -EINVAL;
      return yield* target.map({
        space: process.space,
        source: pageOf(vaddr),
        first: pageOf(iova),
        pages: pageOf(size),
        read: (flags & IoasidMapFlag.READ) !== 0,
        write: (flags & IoasidMapFlag.WRITE) !== 0,
      });
    }),
  ),
  structured(IOASID_UNMAP_DMA, 0, ({ context, argument, reply }) =>
    context.locked(function* () {
      const { ioasid, iova, size } = argument;
      const target = context.get(ioasid);
      if (target === undefined) return -EINVAL;
      if (target.readiness < 0) return target.readiness;
      if (!isPageRange(iova, size)) return -EINVAL;
      const pages = yield* target.unmap(pageOf(iova), pageOf(size));
      return pages < 0 ? pages : reply({ ...argument, size: BigInt(pages) * BigInt(PAGE_SIZE) });
    }),
  ),
]);

/** True for at least one whole page that does not run over the end of the address space. */
function isPageRange(start: bigint, size: bigint): boolean {
  const unaligned = BigInt.asUintN(12, start | size) !== 0n;
  return !unaligned && size > 0n && BigInt.asUintN(64, start + size - 1n) >= start;
}

export class IoasidFile implements FileOperations {
  readonly context: IoasidContext;

  constructor(context: IoasidContext) {
    this.context = context;
  }

  command(request: number): Command | undefined {
    return TABLE.command(request);
  }

  ioctl(process: Process, request: number, argument: bigint): Script<number> {
    return TABLE.run(this.context, process, request, argument);
  }

  // biome-ignore lint/correctness/useYield: the devices that are still bound do the work when they go
  *release(): Script {
    this.context.put();
  }
}
