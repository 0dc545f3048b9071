/** How an IOTLB is built, and what it hits. */
import { choice, PATTERNS, study, ways, wholeNumber } from '../../src/index.ts';
import { readOnWorkbench, TRANSFERS, VENDOR, WORKBENCH } from './common.ts';

const PAGES = 256;
const STRUCTURES = ways(32);

export default study({
  name: 'iotlb',
  question: 'How large, how associative and by which policy has an IOTLB to be for a stream of DMAs?',
  setUp: `${WORKBENCH} Pages are of 4 KiB; what leads to the last level of tables is cached.`,
  parameters: {
    vendor: VENDOR,
    pattern: choice('uniform, by Zipf, line after line, or one line of page after page', PATTERNS),
    pages: wholeNumber('of 4 KiB in use', '', { least: 1, most: 65_536 }, [PAGES]),
    entries: wholeNumber('of the IOTLB', '', { least: 1, most: 4096 }, [16, 32, 64, 128, 256]),
    ways: wholeNumber('entries of a set', '', { least: 1, most: 4096 }, [1, 4, 16]),
    policy: choice('which entry gives way', ['lru', 'fifo', 'random', 'plru']),
    transfers: TRANSFERS,
  },
  outcomes: {
    hits: { unit: '%', meaning: 'reads that the IOTLB answers' },
    bandwidth: { unit: 'Gb/s', meaning: 'of data' },
    latency: { unit: 'ns', meaning: 'of a read under this load, on its way' },
  },
  plots: [
    {
      title: 'Hits by size and ways',
      x: 'entries',
      y: 'hits',
      series: 'ways',
      facet: 'pattern',
      logX: true,
      where: { vendor: 'intel', policy: 'lru' },
    },
    {
      title: 'Hits by size and policy',
      x: 'entries',
      y: 'hits',
      series: 'policy',
      facet: 'pattern',
      logX: true,
      where: { vendor: 'intel', ways: 16 },
    },
    {
      title: 'Bandwidth by size',
      x: 'entries',
      y: 'bandwidth',
      series: 'vendor',
      facet: 'pattern',
      logX: true,
      where: { policy: 'lru', ways: 16 },
    },
  ],
  // Sets are a power of two; the tree of bits of PLRU has a power of two of leaves.
  omit: ({ entries, ways: each, policy }) =>
    !isPowerOfTwo(entries / each) || (policy === 'plru' && !isPowerOfTwo(each)) || (each === 1 && policy !== 'lru'),
  run: ({ vendor, pattern, pages, entries, ways: each, policy, transfers }, seed) => {
    const iotlb = { sets: entries / each, ways: each, policy };
    const { hitsPct, gigabits, latency } = readOnWorkbench(
      {
        vendor,
        pattern,
        pages,
        caches: { iotlb, hostStructures: STRUCTURES, guestStructures: null },
        transfers,
      },
      seed,
    );
    return { hits: hitsPct, bandwidth: gigabits, latency };
  },
});

function isPowerOfTwo(n: number): boolean {
  return Number.isInteger(n) && n >= 1 && (n & (n - 1)) === 0;
}
