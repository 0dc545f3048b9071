/** The kernel's allocator of I/O virtual addresses, and many cores. */
import { choice, IOVA_CACHES, measureIova, study, wholeNumber } from '../../src/index.ts';

const RANGES = 2000;

export default study({
  name: 'iova',
  question: 'How many cores can take I/O virtual addresses from one domain at the same time?',
  setUp:
    'Simulated cores take ranges of one domain: from a tree of free ranges behind a spin lock or, as Linux since 4.9, from two magazines of ' +
    'freed ranges of each core with a depot of full ones behind them all. Each core holds as many ranges as a ring of a device has places; ' +
    'when it takes another it gives the oldest back. What each of these takes, and what it takes to hand a lock over, is stated in ' +
    'src/machine/measured/dma-api/machines.ts (linux-6), mostly by rIOMMU (ASPLOS 2015) of an older Linux; a search of the tree takes as ' +
    'long whatever is in it.',
  parameters: {
    cores: wholeNumber('that map and unmap', '', { least: 1, most: 256 }, [1, 2, 4, 8, 16, 32, 64]),
    caches: choice('of freed ranges: none, or one for each core', IOVA_CACHES),
    pages: wholeNumber('of a range; more than 32 are never cached', '', { least: 1, most: 4096 }, [1, 64]),
    held: wholeNumber('ranges of each core', '', { least: 1, most: 4096 }, [256]),
    work: wholeNumber(
      'of everything else between two ranges, at random around this',
      'ns',
      { least: 0, most: 1_000_000 },
      [0, 1000],
    ),
  },
  outcomes: {
    rate: { unit: 'M/s', meaning: 'ranges that all cores together take and give back' },
    each: { unit: 'ns', meaning: 'of a core for one of them, with waiting' },
  },
  plots: [0, 1000].map((work) => ({
    title: work === 0 ? 'Nothing else to do' : 'With other work',
    x: 'cores',
    y: 'rate',
    series: 'caches',
    logX: true,
    logY: true,
    where: { work },
  })),
  run: ({ cores, caches, pages, held, work }, seed) => {
    const { rate, each } = measureIova({ cores, caches, pages, held, work, seed }, RANGES);
    return { rate, each };
  },
});
