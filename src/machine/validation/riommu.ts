/**
 * Group `riommu`: what remapping costs a core (Malka et al., "rIOMMU", ASPLOS 2015, and what it is compared with). How long a
 * core waits for its invalidation is run on the queue of a VT-d unit.
 */
import { invalidationOf } from './invalidations.ts';
import type { GroupModel } from './validate.ts';
import { choose, wordsOf } from './words.ts';

const REASONS: readonly (readonly [string, RegExp])[] = [
  [
    'A deferred unmap only notes in a list what to forget: so few instructions of a core are not timed.',
    /_inv\b.*\bdefer|\bdefer.*_inv\b/i,
  ],
  [
    'Cycles of the code of Linux 3.4, instruction by instruction: kernel operations here take the times that the machine is told.',
    /\b(?:un)?map[ .]+(?:iova|page[ _]?table|other|sum|total)/i,
  ],
  [
    "The IOMMU is a hypervisor's software, and the traffic is netperf's: neither hypervisor nor network stack is timed.",
    /\bguest\b|\bemulated\b|\bv-?iommu\b/i,
  ],
  [
    "It compares the throughput of netperf with and without a design that no unit here has: the processing of packets by Linux's network stack is not timed.",
    /\bthroughput\b|\bspeed-?up\b|\bnetperf\b/i,
  ],
];

export const RIOMMU_MODEL: GroupModel = {
  group: 'riommu',
  recognise: (point) => invalidationOf(point, 'riommu'),
  reason: (point) => {
    const { quantity, conditions, id } = wordsOf(point);
    return choose([`${quantity} ${conditions} ${id}`], REASONS);
  },
};
