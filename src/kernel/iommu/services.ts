/** What every driver of an IOMMU is given. */
import type { Engine } from '../../../hardware/sim/index.ts';
import type { Bus } from '../bus.ts';
import type { FaultLog } from '../fault-log.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { Interrupts } from '../interrupts.ts';
import type { KernelLog } from '../log.ts';
import type { PageAllocator } from '../page-allocator.ts';

export interface IommuServices {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly log: KernelLog;
  readonly faults: FaultLog;
  readonly faultPoints: FaultPoints;
  readonly allocator: PageAllocator;
  readonly interrupts: Interrupts;
  /** The function with this requester id is not there any more: it keeps no translation, and would never say so. */
  readonly isGone: (rid: number) => boolean;
  /** Page requests that the queue of a unit has places for, one of them always free: a power of two; `null`: its driver's choice. */
  readonly pageRequestPlaces: number | null;
}
