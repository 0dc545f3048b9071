/** What the second dimension of a walk costs. */
import { choice, STAGES, study, ways, wholeNumber } from '../../src/index.ts';
import { IOTLB, readOnWorkbench, STAGES_MEANING, TRANSFERS, VENDOR, WORKBENCH } from './common.ts';

export default study({
  name: 'nested',
  question: 'What does a device of a guest pay for translation in two stages instead of one?',
  setUp: `${WORKBENCH} The IOTLB has 128 entries; reads go to any line of any page. Tables have four levels.`,
  parameters: {
    vendor: VENDOR,
    stages: choice(STAGES_MEANING, STAGES),
    pageSize: choice('of the pages of the buffer, at each stage', ['4K', '2M']),
    structures: wholeNumber("entries of each stage's paging-structure cache", '', { least: 0, most: 4096 }, [0, 32]),
    pages: wholeNumber('in use', '', { least: 1, most: 65_536 }, [64, 128, 160, 192, 256, 512, 1024]),
    transfers: TRANSFERS,
  },
  outcomes: {
    bandwidth: { unit: 'Gb/s', meaning: 'of data' },
    latency: { unit: 'ns', meaning: 'of a read under this load, on its way' },
    reads: { unit: '', meaning: 'accesses of memory for translation, for each read of the device' },
    hits: { unit: '%', meaning: 'reads that the IOTLB answers' },
  },
  plots: (['bandwidth', 'reads'] as const).flatMap((y) =>
    [0, 32].map((structures) => ({
      title: y === 'bandwidth' ? 'Bandwidth' : 'Accesses of memory for each read',
      x: 'pages',
      y,
      series: 'stages',
      facet: 'vendor',
      logX: true,
      where: { pageSize: '4K', structures },
    })),
  ),
  run: ({ vendor, stages, pageSize, structures, pages, transfers }, seed) => {
    const cache = ways(structures);
    const { gigabits, latency, walkReads, hitsPct } = readOnWorkbench(
      {
        vendor,
        stages,
        pageSize,
        pages,
        caches: { iotlb: IOTLB, hostStructures: cache, guestStructures: cache },
        transfers,
      },
      seed,
    );
    return { bandwidth: gigabits, latency, reads: walkReads, hits: hitsPct };
  },
});
