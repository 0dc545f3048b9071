/** How long a core takes that has many pages forgotten: one after the other, in batches with one wait, or in larger pieces. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Command } from '../../kernel/vtd/invalidation.ts';
import { INVALIDATING_MACHINES, type InvalidatingMachineName } from './invalidating-machines.ts';
import { QueueOwner, REQUESTER } from './queue-owner.ts';

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

const DOMAIN = { did: 1 } as const;

/** Nanoseconds for each page, and cycles of the clock in which that machine counts. */
export function measureInvalidation(spec: InvalidationBatches): { readonly ns: number; readonly cycles: number } {
  const { machine, batch, pages } = spec;
  const batches = Array.from({ length: pages / batch }, (_, i) => commandsFor(spec, i * batch));
  const ns = new QueueOwner(machine).nanoseconds(...batches) / pages;
  return { ns, cycles: ns * INVALIDATING_MACHINES[machine].clock.value };
}

function commandsFor({ machine, piece, batch, deviceTlbs }: InvalidationBatches, first: number): Command[] {
  const mask = piece === 'page' ? 0 : Math.log2(batch);
  const starts = piece === 'page' ? Array.from({ length: batch }, (_, i) => first + i) : [first];
  const { scalable } = INVALIDATING_MACHINES[machine];
  return starts.flatMap((start): Command[] => {
    const pages = { page: start as PageNumber, mask };
    const range = { ...DOMAIN, ...pages, leafOnly: true };
    const unit: Command =
      piece === 'domain'
        ? { cache: 'iotlb', scope: 'domain', ...DOMAIN }
        : scalable
          ? { cache: 'pasid iotlb', scope: 'page', pasid: 0, ...range }
          : { cache: 'iotlb', scope: 'page', ...range };
    return deviceTlbs === 0 ? [unit] : [unit, { cache: 'device-tlb', sid: REQUESTER, pasid: 0, ...pages }];
  });
}
