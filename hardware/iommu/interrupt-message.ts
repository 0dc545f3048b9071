/** A device's write into the interrupt range on its way through an IOMMU, and what becomes of it. */
import { MemoryOperation } from '../memory/index.ts';
import { NO_PASID, Status } from './access.ts';
import type { FaultReason } from './translation.ts';

export class InterruptMessage<Fault extends FaultReason = FaultReason> {
  requester = 0;
  /** Message address as halves, and message data: first the device's, in the end what is delivered. */
  hi = 0;
  lo = 0;
  data = 0;
  readonly pasid = NO_PASID;
  /** When the walk began, in invalidations. */
  era = 0;

  status: number = Status.SUCCESS;
  /** False when nothing is left to deliver: the interrupt was recorded in memory, and nobody has to be told. */
  delivered = true;
  fault: Fault | null = null;
  recorded = false;
  /** Index of the remapping table entry, once it is known. */
  index = 0;
  /** False when only the answer is wanted: no cache, no flag in memory and no count changes. */
  effects = true;
  readonly memory = new MemoryOperation();

  ask(requester: number, hi: number, lo: number, data: number): this {
    this.requester = requester;
    this.hi = hi;
    this.lo = lo;
    this.data = data;
    this.status = Status.SUCCESS;
    this.delivered = true;
    this.fault = null;
    this.recorded = false;
    this.index = 0;
    this.effects = true;
    return this;
  }
}
