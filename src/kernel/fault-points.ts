/**
 * Where an allocation of the kernel can fail. Each asks here before it takes anything, so that a test can make any of them fail,
 * at any time, as if nothing were left: then the call must fail with its errno and have changed nothing.
 *
 * A page frame's point is the purpose that the allocator is told.
 */
import { EMFILE, ENOMEM, ENOSPC } from '../uapi/index.ts';

/** What is allocated, and how an allocation ends when nothing of it is left. */
export const FAULT_POINTS = {
  // Page frames.
  user: ENOMEM,
  'page table': ENOMEM,
  'I/O page table': ENOMEM,
  'context tables': ENOMEM,
  'PASID tables': ENOMEM,
  'host permission table': ENOMEM,
  'interrupt remapping table': ENOMEM,
  'invalidation queue': ENOMEM,
  'page request queue': ENOMEM,
  'device table': ENOMEM,
  'GCR3 tables': ENOMEM,
  'interrupt table': ENOMEM,
  'command buffer': ENOMEM,
  'event log': ENOMEM,
  'PPR log': ENOMEM,
  'driver memory': ENOMEM,
  // What hardware has a number of.
  'domain id': ENOSPC,
  'interrupt vector': ENOSPC,
  'interrupt remapping entry': ENOSPC,
  'I/O virtual addresses': ENOSPC,
  'table memory of a device': ENOMEM,
  // Objects of the kernel.
  process: ENOMEM,
  'open file': ENOMEM,
  descriptor: EMFILE,
  'memory area': ENOMEM,
  'pinned pages': ENOMEM,
  'mmu notifier': ENOMEM,
  'ioasid context': ENOMEM,
  'bound device': ENOMEM,
  ioasid: ENOMEM,
  mapping: ENOMEM,
  registration: ENOMEM,
  attachment: ENOMEM,
  'software pin': ENOMEM,
  'dirty log': ENOMEM,
  'dirty bitmap': ENOMEM,
  domain: ENOMEM,
  'device file': ENOMEM,
  'iommu group': ENOMEM,
  'PCI function': ENOMEM,
  'remapping unit': ENOMEM,
  'copy of a device’s table': ENOMEM,
  'kernel driver': ENOMEM,
  'DMA space': ENOMEM,
  // Nobody fails without these: a fault is lost and the next one says so, a page request is refused, the lazy policy is strict,
  // a function answers nowhere.
  'fault record': null,
  'page request group': null,
  'flush queue': null,
  'addresses of registers': null,
} as const;

export type FaultPoint = keyof typeof FAULT_POINTS;

export class FaultPoints {
  /** When it says true, there is nothing left. */
  refuse: ((point: string) => boolean) | null = null;

  refuses(point: FaultPoint): boolean {
    return this.refuse?.(point) ?? false;
  }
}
