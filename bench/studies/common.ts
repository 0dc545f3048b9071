/** What several studies have in common. */
import { choice, wholeNumber } from '../../src/index.ts';

/** Reads that fill the caches before those that count. */
export const WARM_UP = 4000;

export const VENDOR = choice('VT-d in scalable mode, or AMD-Vi', ['intel', 'amd']);

export const TRANSFERS = wholeNumber('reads that count', '', { least: 1, most: 1e9 }, [20_000]);

/** What a workbench is, for those who read the results. */
export const WORKBENCH =
  'A device with 28 reads of 64 bytes under way, its link, root complex and memory are those of the Broadwell server of pcie-bench; what it reads comes from DRAM. ' +
  'The IOMMU is a VT-d or an AMD-Vi unit with its own registers, tables and caches; whichever the vendor, an access of memory by a walk ' +
  'takes about 280 ns, six walks go on at a time, and misses of one page become one walk.';

export const WALKERS = 6;

/** Of the entries that lead from a requester to its tables: more than there are requesters. */
export const DEVICES = { sets: 1, ways: 8 } as const;
