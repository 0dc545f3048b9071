/** What a machine specification may say of memory: DRAM, the cache in front of it, and what of it belongs to another socket. */

import type { z } from 'zod';
import { LINE_BYTES } from '../../hardware/memory/index.ts';
import { between, powerOfTwo, section, whole } from './kinds.ts';

const LATENCY = between(0, 100_000, 'nanoseconds');

const BANKS = section({
  /** Of a channel. */
  count: whole(1, 1024),
  rowBytes: powerOfTwo(65_536).refine((bytes) => bytes >= LINE_BYTES, {
    error: `${LINE_BYTES} bytes, a line, or more`,
  }),
  /** Nanoseconds for which a bank is taken that opens another row. */
  busy: LATENCY,
});

const LAST_LEVEL_CACHE = section({
  kibibytes: whole(1, 2 ** 20),
  ways: whole(1, 64),
  /** Of these, those into which devices write. */
  deviceWays: whole(1, 64),
  /** Nanoseconds of an access that the cache serves. */
  latency: LATENCY,
  /** Nanoseconds more of a write of a device for which a written line has to go back to DRAM first. */
  allocate: LATENCY,
}).refine(({ ways, deviceWays }) => deviceWays <= ways, {
  path: ['deviceWays'],
  error: 'no more than the ways of the cache (lastLevelCache.ways)',
});

export const MEMORY_SECTION = section({
  megabytes: whole(64, 1_048_576),
  /** Nanoseconds from a request's turn to its first byte from DRAM. */
  latency: LATENCY,
  /** Of all channels together. */
  bytesPerNanosecond: between(0.001, 10_000, 'bytes per nanosecond'),
  channels: whole(1, 64).default(1),
  banks: BANKS.nullable().default(null),
  lastLevelCache: LAST_LEVEL_CACHE.nullable().default(null),
  /** This share of memory, at its end, is another socket's: each access takes the hop more. */
  otherSocket: section({ share: between(0, 1, 'parts of the whole'), hop: LATENCY })
    .nullable()
    .default(null),
});

export type MemorySpec = z.output<typeof MEMORY_SECTION>;
