/** What the DMA API of a machine is known by; times in nanoseconds. */
import { InputError } from '../../input-error.ts';
import type { InvalidatingMachineName } from '../invalidating-machines.ts';
import type { LockValues } from './lock.ts';

export interface DmaApiValues extends LockValues {
  /** Whose invalidation queue. */
  readonly machine: InvalidatingMachineName;
  /** IOMMUs, each with a queue and its lock; CPUs use them in turn. */
  readonly units: number;
  /** 1: who invalidates keeps a lock of the domain until the unit has done it. */
  readonly domainLock: number;
  /** 1: addresses come from caches of each CPU; 0: always from the tree. Full magazines that a depot behind caches has room for. */
  readonly caches: number;
  readonly depot: number;
  /** An address from a cache or into one. */
  readonly allocateCached: number;
  readonly freeCached: number;
  /** In the tree, under its lock: looking for a free address, putting one back, finding what an address belongs to. */
  readonly allocateSearched: number;
  readonly freeSearched: number;
  readonly find: number;
  /** Entries of the first page of a range, and of each further one. */
  readonly mapTable: number;
  readonly unmapTable: number;
  readonly furtherPage: number;
  /** What else mapping and unmapping takes; all that they take where nothing is translated. */
  readonly mapOther: number;
  readonly unmapOther: number;
  /** Noting what was unmapped; entries of the list that are flushed at once, and how long the first may wait. */
  readonly note: number;
  readonly flushEntries: number;
  readonly flushTimeout: number;
}

/** When the IOMMU forgets what was unmapped: before the unmap returns, many at once, or nothing is translated. */
export const DMA_API_MODES = ['strict', 'lazy', 'pass-through'] as const;
export type DmaApiMode = (typeof DMA_API_MODES)[number];

export interface DmaApiSetUp {
  readonly cpus: number;
  readonly mode: DmaApiMode;
  /** Pages of each mapping; 1 when nothing is said. */
  readonly pages?: number;
  /** Mappings that a CPU has before it takes the oldest back; 1 when nothing is said. */
  readonly outstanding?: number;
  /** Mean nanoseconds of other work for each mapping, drawn evenly from 0 to twice as much; 0 when nothing is said. */
  readonly work?: number;
  readonly seed: number;
}

const LIMITS = { cpus: [1, 256], pages: [1, 512], outstanding: [1, 2 ** 14] } as const;

/** Throws an InputError that names what is wrong. */
export function checkSetUp(setUp: Omit<DmaApiSetUp, 'seed'>): void {
  const { mode, work = 0 } = setUp;
  if (!DMA_API_MODES.includes(mode)) {
    throw new InputError(`mode is ${JSON.stringify(mode)}: ${DMA_API_MODES.join(', ')} are accepted.`);
  }
  for (const [name, [least, most]] of Object.entries(LIMITS)) {
    const value = setUp[name as keyof typeof LIMITS] ?? 1;
    if (!(Number.isInteger(value) && value >= least && value <= most)) {
      throw new InputError(`${name} is ${value}: a whole number from ${least} to ${most} is accepted.`);
    }
  }
  if (!(work >= 0 && work <= 1e9)) throw new InputError(`work is ${work}: 0 to 1e9 nanoseconds are accepted.`);
}
