/** What both versions have in common of mapping: type1's checks. */
import { PAGE_SIZE, pageOf } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL, type IOASID_DMA_MAP, type IOASID_DMA_UNMAP, IoasidMapFlag, type ObjectIn } from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import type { IoasidContext } from './context.ts';
import { KernelTable } from './kernel-table.ts';
import type { IoTable } from './table.ts';

export const MAP_FLAGS = IoasidMapFlag.READ | IoasidMapFlag.WRITE;

/** Maps memory of the process, or of the parent space, in a kernel-managed table. */
export function* mapDma(table: IoTable, call: Call<IoasidContext, ObjectIn<typeof IOASID_DMA_MAP>>): Script<number> {
  const { flags, vaddr, iova, size } = call.argument;
  if (!(table instanceof KernelTable)) return -EINVAL;
  if (flags === 0 || !isPageRange(iova, size) || !isPageRange(vaddr, size)) return -EINVAL;
  return yield* table.map({
    space: call.process.space,
    registered: call.context.registered,
    source: pageOf(vaddr),
    first: pageOf(iova),
    pages: pageOf(size),
    protection: { read: (flags & IoasidMapFlag.READ) !== 0, write: (flags & IoasidMapFlag.WRITE) !== 0 },
  });
}

/** Unmaps whole mappings and says how many bytes they were. */
export function* unmapDma(table: IoTable, call: Call<unknown, ObjectIn<typeof IOASID_DMA_UNMAP>>): Script<number> {
  const { iova, size } = call.argument;
  if (!(table instanceof KernelTable) || !isPageRange(iova, size)) return -EINVAL;
  const pages = yield* table.unmap({ first: pageOf(iova), pages: pageOf(size) });
  return pages < 0 ? pages : call.reply({ ...call.argument, size: BigInt(pages) * BigInt(PAGE_SIZE) });
}

/** True for at least one whole page that does not run over the end of the address space. */
export function isPageRange(start: bigint, size: bigint): boolean {
  const unaligned = BigInt.asUintN(12, start | size) !== 0n;
  return !unaligned && size > 0n && BigInt.asUintN(64, start + size - 1n) >= start;
}
