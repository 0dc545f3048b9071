/** Which pages devices have written to, as both versions tell it: one bit for each page, in the process's memory. */
import { PAGE_SIZE, pageOf } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  EFAULT,
  EINVAL,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  type IOASID_DIRTY_BITMAP,
  type IOASID_DIRTY_TRACKING,
  IoasidDirtyBitmapFlag,
  IoasidDirtyTrackingFlag,
  type ObjectIn,
} from '../../uapi/index.ts';
import type { Call } from '../commands.ts';
import { copying } from '../costs.ts';
import type { PageRun } from '../page-run.ts';
import type { IoasidContext } from './context.ts';
import { KernelTable } from './kernel-table.ts';
import type { IoTable } from './table.ts';

type Bitmap = ObjectIn<typeof IOASID_DIRTY_BITMAP>;

const PAGE = BigInt(PAGE_SIZE);

/** 0, -EINVAL for a table of a process, -EOPNOTSUPP where writes cannot be tracked, -ENOMEM, -EIO. */
export function* setDirtyTracking(
  table: IoTable,
  { context, argument: { flags } }: Call<IoasidContext, ObjectIn<typeof IOASID_DIRTY_TRACKING>>,
): Script<number> {
  if (!(table instanceof KernelTable)) return -EINVAL;
  if (!table.canTrack) return -EOPNOTSUPP;
  const on = (flags & IoasidDirtyTrackingFlag.ENABLE) !== 0;
  if (on && context.services.faultPoints.refuses('dirty log')) return -ENOMEM;
  return yield* table.log.set(on);
}

/**
 * Adds the bits of written pages to a bitmap, and clears nothing unless all of them have arrived: 0, -EOVERFLOW, -ENOMEM, -EIO;
 * -EFAULT when the bitmap cannot be read or written; -EOPNOTSUPP where writes cannot be tracked; -EINVAL for a table of a process, while nothing
 * is tracked, and for a range that is not mapped as a whole or not made of what one bit stands for.
 */
export function* getDirtyBitmap(
  table: IoTable,
  { context, process, argument }: Call<IoasidContext, Bitmap>,
): Script<number> {
  const { flags, iova, length, page_size: unit, data } = argument;
  if (!(table instanceof KernelTable)) return -EINVAL;
  if (length > 0n && iova + length - 1n >= 2n ** 64n) return -EOVERFLOW;
  const isPower = unit >= PAGE && (unit & (unit - 1n)) === 0n;
  if (!isPower || length === 0n || (iova | length) % unit !== 0n) return -EINVAL;
  const range = { first: pageOf(iova), pages: Number(length / PAGE) };
  if (!table.canTrack) return -EOPNOTSUPP;
  if (!table.log.isOn || !table.mappings.covers(range.first, range.pages)) return -EINVAL;
  if (context.services.faultPoints.refuses('dirty bitmap')) return -ENOMEM;
  const { space, cost } = process;
  const bytes = Number((length / unit + 7n) / 8n);
  yield ns(2 * copying(cost, bytes));
  const old = space.copyFromUser(data, bytes);
  if (old === undefined || space.copyToUser(data, old) < 0) return -EFAULT;
  const runs = yield* table.log.read(range, (flags & IoasidDirtyBitmapFlag.NO_CLEAR) !== 0);
  if (typeof runs === 'number') return runs;
  // The program may have changed it meanwhile, or given it up.
  const bitmap = space.copyFromUser(data, bytes)?.slice();
  if (bitmap === undefined) return -EFAULT;
  for (const run of runs) mark(bitmap, run, { first: range.first, pages: Number(unit / PAGE) });
  if (space.copyToUser(data, bitmap) < 0) return -EFAULT;
  if ((flags & IoasidDirtyBitmapFlag.NO_CLEAR) === 0) table.log.clear(range);
  return 0;
}

/** Sets the bit of each unit that has a page of a run; the bitmap begins with `unit`, the first one. */
function mark(bitmap: Uint8Array, { first, pages }: PageRun, unit: PageRun): void {
  const last = Math.floor((first + pages - 1 - unit.first) / unit.pages);
  for (let bit = Math.floor((first - unit.first) / unit.pages); bit <= last; bit++) {
    const at = Math.floor(bit / 8);
    bitmap[at] = bitmap[at]! | (1 << (bit % 8));
  }
}
