/** Many tenants of one device. */
import { HYPERTRIO_CACHES, measureTenants, study, wholeNumber } from '../../src/index.ts';
import { VENDOR } from './common.ts';

const TENANTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/** As in HyperTRIO; no IOTLB beside them. */
const CACHES = {
  iotlb: null,
  devices: HYPERTRIO_CACHES.context.value,
  guestStructures: HYPERTRIO_CACHES.level2.value,
  hostStructures: HYPERTRIO_CACHES.level3.value,
} as const;
const TLB_WAYS = HYPERTRIO_CACHES.deviceTlb.value.ways;
const LEAST_WARM_UP = 1000;

export default study({
  name: 'tenants',
  question: 'How many tenants can share a fast network device before their translations hold it up?',
  setUp:
    'The set-up of HyperTRIO (ISCA 2020): a device on a network of 200 Gb/s with packets of 1,542 bytes, each of which needs three ' +
    'translations (ring, data, mailbox), 450 ns away from the IOMMU, and memory whose every access takes 50 ns. Each tenant is a guest ' +
    'with a virtual function of its own, its tables and those of its host have four levels, and its pages are of 2 MiB: one for ' +
    "the ring, one for the mailbox, and data. Tenants take turns. The sizes of caches are that simulator's; here those of page " +
    'tables are one for each stage. Its partitions and its prefetcher are not modelled, and its ' +
    'traces, which are not published, are replaced by buffers used one after the other.',
  parameters: {
    vendor: VENDOR,
    tenants: wholeNumber('virtual functions, each of a guest', '', { least: 1, most: 1024 }, TENANTS),
    burst: wholeNumber('packets of a tenant in a row', '', { least: 1, most: 1024 }, [1]),
    dataPages: wholeNumber('of 2 MiB of each tenant', '', { least: 1, most: 64 }, [4]),
    deviceTlb: wholeNumber('entries of the TLB of the device, of 8 ways', '', { least: 8, most: 65_536 }, [64, 1024]),
    pending: wholeNumber('translation requests under way', '', { least: 1, most: 256 }, [1, 8, 32]),
    packets: wholeNumber('that count', '', { least: 1, most: 1e9 }, [6000]),
  },
  outcomes: {
    utilisation: { unit: '%', meaning: 'of the network' },
    hits: { unit: '%', meaning: 'translations that the device has' },
    reads: { unit: '', meaning: 'accesses of memory for translation, for each packet' },
  },
  plots: [
    ...[64, 1024].map((deviceTlb) => ({
      title: `Utilisation, ${deviceTlb} entries`,
      x: 'tenants',
      y: 'utilisation',
      series: 'pending',
      facet: 'vendor',
      logX: true,
      where: { deviceTlb },
    })),
    {
      title: 'Accesses of memory',
      x: 'tenants',
      y: 'reads',
      series: 'vendor',
      logX: true,
      where: { deviceTlb: 64, pending: 8 },
    },
    { title: 'Hits', x: 'tenants', y: 'hits', series: 'deviceTlb', logX: true, where: { vendor: 'intel', pending: 8 } },
  ],
  omit: ({ deviceTlb }) => !Number.isInteger(Math.log2(deviceTlb)),
  run: ({ vendor, tenants, burst, dataPages, deviceTlb, pending, packets }) => {
    const tlb = { sets: deviceTlb / TLB_WAYS, ways: TLB_WAYS };
    const spec = { vendor, tenants, burst, dataPages, deviceTlb: tlb, pending, caches: CACHES };
    const { utilisationPct, hitsPct, walkReads } = measureTenants(spec, {
      warmUp: Math.max(3 * tenants * burst, LEAST_WARM_UP),
      packets,
    });
    return { utilisation: utilisationPct, hits: hitsPct, reads: walkReads };
  },
});
