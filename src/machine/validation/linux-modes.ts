/**
 * Group `linux-modes`: what the ways in which Linux invalidates cost. How long a core waits for its invalidation is run on the
 * queue of a VT-d unit.
 */
import { invalidationOf } from './invalidations.ts';
import type { GroupModel } from './validate.ts';
import { choose, wordsOf } from './words.ts';

const SILVER = /\bsilver 4314\b|\bice ?lake\b/i;

const REASONS: readonly (readonly [string, RegExp])[] = [
  ['The IOMMU is an SMMUv3, of which there is no model.', /\bSMMU/i],
  ['Whole drives with their firmware and the block layer above them are not timed.', /\bIOPS\b|\bNVMe\b|\brandread\b/i],
  ["The processing of packets by Linux's network stack is not timed.", /\bnetperf\b|\bUDP\b|\bTCP\b/i],
];

export const LINUX_MODES_MODEL: GroupModel = {
  group: 'linux-modes',
  recognise: (point) => (SILVER.test(point.conditions) ? invalidationOf(point, 'silver') : undefined),
  reason: (point) => {
    const { quantity, conditions, id } = wordsOf(point);
    return choose([`${conditions} ${quantity} ${id} ${point.unit}`], REASONS);
  },
};
