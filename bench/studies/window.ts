/** Random transfers within a window, on the machines that pcie-bench was run on. */
import {
  choice,
  experimentOfPcieBench,
  MEASURED_MACHINES,
  type MeasuredMachineName,
  measureBandwidth,
  measureLatency,
  study,
  usualEngine,
  wholeNumber,
} from '../../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const WINDOWS = [4, 16, 64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 16_384, 65_536].map((size) => size * KIB);
const machines = Object.keys(MEASURED_MACHINES) as MeasuredMachineName[];
/** Before those that count. */
const WARM_UP = 4000;

export default study({
  name: 'window',
  question: 'How much do random DMAs lose to translation as their window outgrows the IOTLB?',
  setUp:
    'A device with 28 reads under way transfers at random within a window of one buffer, on a link of generation 3 with 8 lanes; then ' +
    'it reads once at a time. The servers are those of pcie-bench (SIGCOMM 2018), with the values and sources that ' +
    'src/machine/measured states; their IOMMUs are VT-d units with real tables. A posted write has no latency that a device could see.',
  parameters: {
    machine: choice('the server', machines, ['bdw']),
    translation: choice('off, pages of 4 KiB only, or of 2 MiB', ['off', '4K', 'superpages']),
    kind: choice('transfers', ['read', 'write', 'readWrite'], ['read', 'write']),
    bytes: wholeNumber('of a transfer', 'B', { least: 1, most: 4096 }, [64, 256, 512]),
    window: wholeNumber('within which transfers lie', 'B', { least: 4 * KIB, most: 64 * MIB }, WINDOWS),
    cache: choice('whether the last-level cache has the window', ['warm', 'cold'], ['warm']),
    transfers: wholeNumber('transfers that count', '', { least: 1, most: 1e9 }, [12_000]),
  },
  outcomes: {
    bandwidth: { unit: 'Gb/s', meaning: 'of data' },
    hits: { unit: '%', meaning: 'requests that the IOTLB answers' },
    mean: { unit: 'ns', meaning: 'of one read' },
    median: { unit: 'ns', meaning: 'of one read' },
    p95: { unit: 'ns', meaning: 'of one read' },
  },
  published: {
    groups: ['pciebench-window', 'pciebench-lat'],
    place: (published) => {
      const experiment = experimentOfPcieBench(published);
      if (experiment === undefined || experiment.node === 'remote' || experiment.offset !== 0) return undefined;
      const { machine, iommu: translation, kind, bytes, window, cache, engine, measure } = experiment;
      const outcome = measure === 'bandwidth' ? measure : STATISTICS.find((name) => name === measure);
      const isSame = measure === 'bandwidth' ? kind !== 'writeRead' : kind === 'read' && engine === usualEngine(bytes);
      if (outcome === undefined || !isSame || published.unit !== (measure === 'bandwidth' ? 'Gb/s' : 'ns')) {
        return undefined;
      }
      return { point: { machine, translation, kind, bytes, window, cache }, outcome };
    },
  },
  plots: [
    {
      title: 'Bandwidth of reads',
      x: 'window',
      y: 'bandwidth',
      series: 'translation',
      facet: 'machine',
      logX: true,
      where: { kind: 'read', bytes: 64, cache: 'warm' },
    },
    {
      title: 'Bandwidth of writes',
      x: 'window',
      y: 'bandwidth',
      series: 'bytes',
      facet: 'machine',
      logX: true,
      where: { kind: 'write', translation: '4K', cache: 'warm' },
    },
    {
      title: 'One read at a time',
      x: 'window',
      y: 'mean',
      series: 'translation',
      facet: 'machine',
      logX: true,
      where: { kind: 'read', bytes: 64, cache: 'warm' },
    },
    {
      title: 'Hits in the IOTLB',
      x: 'window',
      y: 'hits',
      series: 'translation',
      facet: 'machine',
      logX: true,
      where: { kind: 'read', bytes: 64, cache: 'warm' },
    },
  ],
  omit: ({ bytes, window }) => bytes > window,
  run: ({ machine, translation: iommu, kind, bytes, window, cache, transfers }, seed) => {
    const setUp = { machine, iommu, node: 'local', bytes, window, offset: 0, cache, seed } as const;
    const count = { warmUp: WARM_UP, transfers };
    const { gigabits, hitsPct } = measureBandwidth(setUp, kind, count);
    const latency = kind === 'read' ? measureLatency(setUp, count) : { mean: null, median: null, p95: null };
    return { bandwidth: gigabits, hits: hitsPct, ...latency };
  },
});

const STATISTICS = ['mean', 'median', 'p95'] as const;
