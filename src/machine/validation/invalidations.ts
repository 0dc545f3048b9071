/** Points that say how long a core waits for the invalidation queue, in any group. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Invalidation } from '../../kernel/vtd/invalidation.ts';
import { INVALIDATING_MACHINES, type InvalidatingMachineName } from '../measured/invalidating-machines.ts';
import { meanWait } from '../measured/queue-owner.ts';
import type { Point } from './point.ts';
import type { Experiment } from './validate.ts';
import { choose, timeIn, wordsOf } from './words.ts';

const INVALIDATION = /\bio-?tlb[ _-]*(?:inv|flush)|\b(?:inv\w*|flush\w*) (?:of )?(?:the |an? )?io-?tlb/i;
/** Somebody else does it later, or a hypervisor does it. */
const NOT_HERE = /\bdefer|\blazy\b|\bguest\b|\bnested\b|\bemulated\b|\bv-?iommu\b/i;
const SHARE = /\bshare\b|\bsaving|\bratio\b/i;

const DOMAIN = { did: 1 } as const;
const PAGE = { ...DOMAIN, page: 1 as PageNumber, mask: 0, leafOnly: true } as const;
const COMMANDS: readonly (readonly [Invalidation, RegExp])[] = [
  [{ cache: 'iotlb', scope: 'global' }, /\bglobal|\bwhole\b|\bfull\b/i],
  [{ cache: 'iotlb', scope: 'domain', ...DOMAIN }, /\bdomain\b/i],
];
const ONE_PAGE: Invalidation = { cache: 'iotlb', scope: 'page', ...PAGE };

/** One invalidation of the IOTLB, of a page unless something else is said, and the wait for it; in cycles or as a time. */
export function invalidationOf(point: Point, machine: InvalidatingMachineName): Experiment | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const texts = [quantity, conditions, id];
  const isOne = [quantity, conditions].some((text) => INVALIDATION.test(text));
  if (!isOne || SHARE.test(quantity) || texts.some((text) => NOT_HERE.test(text))) return undefined;
  const what = choose(texts, COMMANDS) ?? ONE_PAGE;
  return inTime(point.unit, machine, () => meanWait(machine, [what]));
}

/** A number of nanoseconds in the unit of a point: a time, or cycles of the machine's clock. */
export function inTime(
  unit: string,
  machine: InvalidatingMachineName,
  nanoseconds: () => number,
): Experiment | undefined {
  if (/^(?:cpu )?(?:cycles|clocks)\b/i.test(unit)) {
    return () => nanoseconds() * INVALIDATING_MACHINES[machine].clock.value;
  }
  const inUnit = timeIn(unit);
  return inUnit && (() => inUnit(nanoseconds()));
}
