/** Paging-structure caches: how many entries they need. */
import { choice, STAGES, study, ways, wholeNumber } from '../../src/index.ts';
import { IOTLB, readOnWorkbench, STAGES_MEANING, TRANSFERS, VENDOR, WORKBENCH } from './common.ts';

export default study({
  name: 'walk-caches',
  question: 'How much shorter do paging-structure caches make walks, and how many entries do they need?',
  setUp: `${WORKBENCH} The IOTLB has 128 entries; reads go to any line of any page of 4 KiB.`,
  parameters: {
    vendor: VENDOR,
    stages: choice(STAGES_MEANING, STAGES, ['host', 'nested']),
    pages: wholeNumber('of 4 KiB in use', '', { least: 1, most: 65_536 }, [1024, 16_384]),
    entries: wholeNumber('of the cache of each stage', '', { least: 0, most: 4096 }, [0, 1, 2, 4, 8, 16, 32, 64]),
    transfers: TRANSFERS,
  },
  outcomes: {
    reads: { unit: '', meaning: 'accesses of memory for translation, for each read of the device' },
    walk: { unit: 'ns', meaning: 'that a read waits for a walk, on the average' },
    bandwidth: { unit: 'Gb/s', meaning: 'of data' },
    hits: { unit: '%', meaning: 'reads that the IOTLB answers' },
  },
  plots: (['reads', 'walk', 'bandwidth'] as const).map((y) => ({
    title: { reads: 'Accesses of memory for each read', walk: 'Waiting for walks', bandwidth: 'Bandwidth' }[y],
    x: 'entries',
    y,
    series: 'stages',
    facet: 'vendor',
  })),
  run: ({ vendor, stages, pages, entries, transfers }, seed) => {
    const structures = ways(entries);
    const { walkReads, walk, gigabits, hitsPct } = readOnWorkbench(
      {
        vendor,
        stages,
        pages,
        caches: { iotlb: IOTLB, hostStructures: structures, guestStructures: structures },
        transfers,
      },
      seed,
    );
    return { reads: walkReads, walk, bandwidth: gigabits, hits: hitsPct };
  },
});
