/** All benchmarks of host speed, in the order of the report. */
import type { BenchCase } from '../case.ts';
import { amdHit, amdMiss4, amdNested } from './amd-translation.ts';
import { events1k, OPS } from './events1k.ts';
import { mapping, page, pending } from './memory.ts';
import { amdTimedHit, amdTimedWalk, looseHit, looseWalk, timedHit, timedHitTraced, timedWalk } from './timed.ts';
import { hit, miss4, nested } from './translation.ts';

export const cases: readonly BenchCase[] = [
  hit,
  miss4,
  nested,
  amdHit,
  amdMiss4,
  amdNested,
  timedHit,
  timedWalk,
  amdTimedHit,
  amdTimedWalk,
  looseHit,
  looseWalk,
  timedHitTraced,
  { ...events1k, operation: 'event scheduled and fired, 1,000 pending', operations: OPS },
  page,
  mapping,
  pending,
];
