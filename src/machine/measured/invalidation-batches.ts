/** How long a core takes that has many pages forgotten: one after the other, in batches with one wait, or in larger pieces. */
import { INVALIDATING_MACHINES, type InvalidatingMachineName } from './invalidating-machines.ts';
import { QueueOwner } from './queue-owner.ts';
import type { UnitQueue } from './unit-queue.ts';

/** A command for each page, one for all consecutive pages of a batch, or one for the whole domain. */
export const INVALIDATION_PIECES = ['page', 'range', 'domain'] as const;

export interface InvalidationBatches {
  readonly machine: InvalidatingMachineName;
  readonly piece: (typeof INVALIDATION_PIECES)[number];
  /** Pages between two waits, a power of two. */
  readonly batch: number;
  /** In all, a multiple of that. */
  readonly pages: number;
  /** Of devices that keep translations: each is told, too. */
  readonly deviceTlbs: 0 | 1;
}

/** Nanoseconds for each page, and cycles of the clock in which that machine counts. */
export function measureInvalidation(spec: InvalidationBatches): { readonly ns: number; readonly cycles: number } {
  const { machine, batch, pages } = spec;
  const core = new QueueOwner(machine);
  const batches = Array.from({ length: pages / batch }, (_, i) => commandsFor(core.ring, spec, i * batch));
  const ns = core.nanoseconds(...batches) / pages;
  return { ns, cycles: ns * INVALIDATING_MACHINES[machine].clock.value };
}

function commandsFor<C>(ring: UnitQueue<C>, { piece, batch, deviceTlbs }: InvalidationBatches, first: number): C[] {
  const mask = piece === 'page' ? 0 : Math.log2(batch);
  const starts = piece === 'page' ? Array.from({ length: batch }, (_, i) => first + i) : [first];
  return starts.flatMap((page) => {
    const pages = { page, mask };
    const unit = ring.forget(piece === 'domain' ? 'domain' : pages);
    return deviceTlbs === 0 ? [unit] : [unit, ring.forgetOnDevice(pages)];
  });
}
