/** What the queue of a vendor's unit is to the core that owns it: its ring, its words, and how its driver waits. */
import type { IommuUnit } from '../../../hardware/iommu/index.ts';
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { PageBlock } from '../../kernel/iommu/routed-translation.ts';

/** Of the device that the unit serves. */
export const REQUESTER = 0x0300;
export const DID = 1;
/** Pages from 0 on that are mapped for it. */
export const MAPPED = 256;
/** Where in memory: the ring of commands, what waits store, page requests, tables, and what is mapped. */
export const [RING, STATUS, REQUESTS, TABLES, END] = [0x2000, 0x4000, 0x6000, 0x10_0000, 0x20_0000];

/** A core among others that have the queue, too: what it is doing, and the lock. */
export interface Submitter {
  enter(doing: 'queue' | 'invalidation'): void;
  lock(): Script;
  unlock(): void;
  /** Which part of a look goes by before the first one of a wait, where looks are as irregular as what takes them. */
  part(): number;
}

/** By its multiples, points of a circle spread most evenly. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** Parts of one that spread as evenly as can be: every wait another. */
export function spreadParts(): () => number {
  let part = 0.5;
  return () => {
    part = (part + GOLDEN) % 1;
    return part;
  };
}

export interface QueueSurroundings {
  readonly memory: PhysicalMemory;
  /** The unit's own interrupts. */
  readonly raise: () => void;
}

export interface UnitQueue<Command> {
  /** It translates for the device, with its queue on. */
  readonly unit: IommuUnit;
  /** Places of the ring, and bytes of each. */
  readonly slots: number;
  readonly slotBytes: number;
  /** The tail register is written for each command, and not once for a batch. */
  readonly tellsEach: boolean;
  /** What has the unit forget pages of the domain, or all of them. */
  forget(what: PageBlock | 'domain'): Command;
  /** What has the device forget them. */
  forgetOnDevice(what: PageBlock): Command;
  /** What answers the device's page requests. */
  answer(): Command;
  describe(command: Command): Uint32Array;
  /** The wait in this place, which stores `sequence` when all before is done; and whether it has. */
  describeWait(slot: number, sequence: number): Uint32Array;
  isDone(slot: number, sequence: number): boolean;
  /** The write of the tail register. */
  tell(tail: number): void;
  /** Looks at what waits store until it is there; the core has the lock of the queue before, and not after. */
  await(core: Submitter, isThere: () => boolean): Script;
  /** Page requests go to memory and raise interrupts from now on. */
  takePageRequests(): void;
  /** What a handler does with registers to take all that are there. */
  readPageRequests(): Script;
}
