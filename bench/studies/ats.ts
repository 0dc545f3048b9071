/** Translations that the device keeps itself. */
import { choice, STAGES, study, ways, wholeNumber } from '../../src/index.ts';
import { IOTLB, readOnWorkbench, STAGES_MEANING, TRANSFERS, VENDOR, WORKBENCH } from './common.ts';

const STRUCTURES = ways(32);

export default study({
  name: 'ats',
  question: 'When is it better for a device to translate for itself (ATS) than to leave it to the IOMMU?',
  setUp:
    `${WORKBENCH} The IOTLB has 128 entries, and each stage a paging-structure cache of 32. With ATS the device looks a read up in a ` +
    'TLB of its own, fully associative, asks for what is not there, and sends reads of translated addresses; those whose ' +
    'translation has come pass those that wait. Translation requests take the latency of the link and none of its bandwidth, ' +
    'and nothing is invalidated.',
  parameters: {
    vendor: VENDOR,
    stages: choice(STAGES_MEANING, STAGES, ['host', 'nested']),
    pages: wholeNumber('of 4 KiB in use', '', { least: 1, most: 65_536 }, [64, 128, 256, 512, 1024, 2048]),
    deviceTlb: wholeNumber('entries of the TLB of the device; 0: no ATS', '', { least: 0, most: 4096 }, [0, 64, 512]),
    pending: wholeNumber('translation requests under way', '', { least: 1, most: 256 }, [32]),
    transfers: TRANSFERS,
  },
  outcomes: {
    bandwidth: { unit: 'Gb/s', meaning: 'of data' },
    hits: { unit: '%', meaning: 'reads that the IOTLB, or with ATS the TLB of the device, answers' },
  },
  plots: (['bandwidth', 'hits'] as const).map((y) => ({
    title: { bandwidth: 'Bandwidth', hits: 'Hits' }[y],
    x: 'pages',
    y,
    series: 'deviceTlb',
    facet: 'stages',
    logX: true,
    where: { vendor: 'intel' },
  })),
  run: ({ vendor, stages, pages, deviceTlb, pending, transfers }, seed) => {
    const tlb = ways(deviceTlb);
    const { gigabits, hitsPct } = readOnWorkbench(
      {
        vendor,
        stages,
        pages,
        caches: { iotlb: IOTLB, hostStructures: STRUCTURES, guestStructures: STRUCTURES },
        ats: tlb === null ? null : { tlb: { ...tlb, global: false }, pending },
        transfers,
      },
      seed,
    );
    return { bandwidth: gigabits, hits: hitsPct };
  },
});
