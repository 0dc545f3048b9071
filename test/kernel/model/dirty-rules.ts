/** What the commands for dirty tracking give and do, by decision 11: they are those of Linux's iommufd, on spaces. */
import { EFAULT, EINVAL, EOPNOTSUPP, EOVERFLOW } from '../../../src/uapi/index.ts';
import type { RefContext } from './files.ts';
import type { RefProcess } from './memory.ts';
import { named, type Rules } from './rules.ts';
import type { RefSpace } from './spaces.ts';
import { Written } from './written.ts';

const PAGE = 4096n;
const [ENABLE, NO_CLEAR] = [1, 1];

export interface TrackWish {
  readonly ioasid: number;
  readonly flags: number;
}

export interface BitmapWish extends TrackWish {
  readonly iova: bigint;
  readonly length: bigint;
  readonly page_size: bigint;
  readonly data: bigint;
}

/** The space that a command names, if it is one whose table the kernel keeps. */
function ownTable(context: RefContext, id: number): RefSpace | number {
  const space = named(context, id);
  return typeof space === 'number' || space.user === null ? space : -EINVAL;
}

/** Version 1 has no attributes: there the unit decides, which every space that takes a command has. */
function isTrackable({ facts }: Rules, { version }: RefContext, { wanted }: RefSpace): boolean {
  return version === 1 ? facts.tracksDirty : wanted.tracksDirty;
}

export function track(rules: Rules, context: RefContext, { ioasid, flags }: TrackWish): number {
  if ((flags & ~ENABLE) !== 0) return -EINVAL;
  const space = ownTable(context, ioasid);
  if (typeof space === 'number') return space;
  if (!isTrackable(rules, context, space)) return -EOPNOTSUPP;
  space.written = flags === ENABLE ? new Written() : null;
  return 0;
}

/** What each bit has to be, or an errno. */
export function tell(
  rules: Rules,
  context: RefContext,
  process: RefProcess,
  { ioasid, flags, iova, length, page_size: unit, data }: BitmapWish,
): ('yes' | 'maybe' | 'no')[] | number {
  if ((flags & ~NO_CLEAR) !== 0) return -EINVAL;
  const space = ownTable(context, ioasid);
  if (typeof space === 'number') return space;
  if (length > 0n && iova + length > 2n ** 64n) return -EOVERFLOW;
  const isPower = unit >= PAGE && unit.toString(2).lastIndexOf('1') === 0;
  if (!isPower || length === 0n || iova % unit !== 0n || length % unit !== 0n) return -EINVAL;
  if (!isTrackable(rules, context, space)) return -EOPNOTSUPP;
  const [first, pages] = [Number(iova / PAGE), Number(length / PAGE)];
  const { written } = space;
  if (written === null || !space.covers(first, pages)) return -EINVAL;
  const bits = Number(length / unit);
  const [start, end] = [data / PAGE, (data + BigInt(Math.ceil(bits / 8)) - 1n) / PAGE];
  if (process.range(Number(start), Number(end - start) + 1, true) === undefined) return -EFAULT;
  const pagesOfBit = Number(unit / PAGE);
  const told = Array.from({ length: bits }, (_, i) => written.within(first + i * pagesOfBit, pagesOfBit));
  if ((flags & NO_CLEAR) === 0) written.forget(first, pages);
  return told;
}
