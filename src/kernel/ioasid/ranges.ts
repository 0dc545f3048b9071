/**
 * What an IOMMU can do, as both versions tell it: sizes, widths, and ranges of I/O virtual addresses, which are an array of
 * first and last address in the process's memory.
 */
import { addressOf, ceilingLog2, PAGE_SHIFT, PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EFAULT, EMSGSIZE } from '../../uapi/index.ts';
import { copying } from '../costs.ts';
import type { Abilities, Geometry } from '../iommu/driver.ts';
import type { Process } from '../process.ts';

export type AddressRange = readonly [first: bigint, last: bigint];

const RANGE_BYTES = 16;

/** Where the program wants them, and how many places there are. */
export interface RangeArray {
  readonly num_ranges: number;
  readonly ranges: bigint;
}

/**
 * 0, -EFAULT; -EMSGSIZE when there are more ranges than places, and then nothing is written. With no places at all the number
 * is all that is asked for.
 */
export function* writeRanges(
  { space, cost }: Process,
  { num_ranges, ranges }: RangeArray,
  list: readonly AddressRange[],
): Script<number> {
  if (num_ranges === 0) return 0;
  if (num_ranges < list.length) return -EMSGSIZE;
  const bytes = new Uint8Array(list.length * RANGE_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, [first, last]] of list.entries()) {
    view.setBigUint64(i * RANGE_BYTES, first, true);
    view.setBigUint64(i * RANGE_BYTES + 8, last, true);
  }
  yield ns(copying(cost, bytes.length));
  return space.copyToUser(ranges, bytes) < 0 ? -EFAULT : 0;
}

/** What cannot be mapped of the addresses that there are. */
export function reservedRanges({ last, reserved }: Geometry): AddressRange[] {
  return [...reserved]
    .filter(([start]) => start <= last)
    .sort(([a], [b]) => a - b)
    .map(([start, end]) => rangeOf(start, Math.min(end, last)));
}

/** What is left between the reserved ranges. */
export function permittedRanges({ last, reserved }: Geometry): AddressRange[] {
  const ranges: AddressRange[] = [];
  let next = 0;
  for (const [start, end] of [...reserved].sort(([a], [b]) => a - b)) {
    if (start > next && next <= last) ranges.push(rangeOf(next, Math.min(start - 1, last)));
    next = Math.max(next, end + 1);
  }
  if (next <= last) ranges.push(rangeOf(next, last));
  return ranges;
}

/** Bits of the highest address. */
export function addressWidth({ last }: Geometry): number {
  return PAGE_SHIFT + ceilingLog2(last + 1);
}

/** Sizes of pages, one bit each. */
export function pageSizes({ pageShifts }: Abilities): bigint {
  return pageShifts.reduce((bitmap, shift) => bitmap | (1n << BigInt(shift)), 0n);
}

function rangeOf(firstPage: number, lastPage: number): AddressRange {
  return [addressOf(firstPage), addressOf(lastPage) + BigInt(PAGE_SIZE) - 1n];
}
