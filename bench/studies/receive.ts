/** A NIC that receives as fast as its network sends, under an IOMMU. */
import { choice, measureReceiving, PROTECTIONS, study, wholeNumber } from '../../src/index.ts';

/** What the grid varies one of at a time. */
const USUAL = { flows: 5, ring: 256, mtu: 4000 } as const;
const [MOST_FLOWS, MOST_RING] = [400, 8192];
const [LEAST_MTU, MOST_MTU] = [576, 9216];

/** What is published of each, by the names of the data set. */
const OUTCOMES = {
  tput: 'rate',
  drop: 'lost',
  iotlb_miss_per_4KB: 'iotlb',
  ptcL1_miss_per_4KB: 'level1',
  ptcL2_miss_per_4KB: 'level2',
  ptcL3_miss_per_4KB: 'level3',
} as const;

export default study({
  name: 'receive',
  question:
    'What does a NIC of 100 Gb/s lose by each way of protecting memory from it, with more flows, larger rings and other packets?',
  setUp:
    'Senders under DCTCP fill a network of 100 Gb/s. The NIC writes packets into the buffers of its rings, one ring and core for each flow up to five cores; ' +
    'the driver maps and unmaps through the kernel’s own allocator of I/O virtual addresses, and a VT-d unit translates strictly in order with one walk ' +
    'at a time. The host is that of Fast & Safe (SOSP 2024), with the values that src/machine/measured/fands.ts states. Only packets of 4,000 bytes ' +
    'were compared with measurements.',
  parameters: {
    protection: choice('how memory is protected from the NIC', PROTECTIONS, [...PROTECTIONS]),
    flows: wholeNumber('connections, spread over five cores', '', { least: 1, most: MOST_FLOWS }, [5, 10, 20]),
    ring: wholeNumber('packets that a ring has room for', '', { least: 64, most: MOST_RING }, [256, 512, 1024, 2048]),
    mtu: wholeNumber('of a packet', 'bytes', { least: LEAST_MTU, most: MOST_MTU }, [1500, 4000, 9000]),
  },
  outcomes: {
    rate: { unit: 'Gb/s', meaning: 'data that readers got' },
    lost: { unit: '%', meaning: 'packets that were sent and lost' },
    iotlb: { unit: '', meaning: 'requests for each 4 KiB that the IOTLB does not answer' },
    level1: { unit: '', meaning: 'of these, how many lack the topmost table, too' },
    level2: { unit: '', meaning: 'or the one below' },
    level3: { unit: '', meaning: 'or the leaf table' },
    reads: { unit: '', meaning: 'reads of memory by walks for each 4 KiB' },
  },
  published: {
    groups: ['fands-flows', 'fands-ring'],
    place: ({ quantity, conditions }) => {
      const [, name, what = ''] = /^(iommu_off|strict|fands)\.(\w+)$/.exec(quantity) ?? [];
      const [, ring, flows] = /ring (\d+), (\d+) flows/.exec(conditions) ?? [];
      if (name === undefined || ring === undefined || !Object.hasOwn(OUTCOMES, what)) return undefined;
      const protection = name === 'iommu_off' ? 'off' : name;
      const point = { protection, flows: Number(flows), ring: Number(ring), mtu: USUAL.mtu };
      return { point, outcome: OUTCOMES[what as keyof typeof OUTCOMES] };
    },
  },
  plots: [
    { title: 'Flows', x: 'flows', y: 'rate', series: 'protection', where: { ring: USUAL.ring, mtu: USUAL.mtu } },
    {
      title: 'Rings',
      x: 'ring',
      y: 'rate',
      series: 'protection',
      logX: true,
      where: { flows: USUAL.flows, mtu: USUAL.mtu },
    },
    { title: 'Packets', x: 'mtu', y: 'rate', series: 'protection', where: { flows: USUAL.flows, ring: USUAL.ring } },
    {
      title: 'Walks',
      x: 'ring',
      y: 'reads',
      series: 'protection',
      logX: true,
      where: { flows: USUAL.flows, mtu: USUAL.mtu },
    },
  ],
  omit: ({ flows, ring, mtu }) =>
    [flows !== USUAL.flows, ring !== USUAL.ring, mtu !== USUAL.mtu].filter(Boolean).length > 1,
  run: ({ protection, flows, ring, mtu }, seed) => {
    const { gigabits, lostPct, per4K } = measureReceiving({ protection, flows, ring, mtu, seed });
    const { iotlb, level1, level2, level3, reads } = per4K;
    return { rate: gigabits, lost: lostPct, iotlb, level1, level2, level3, reads };
  },
});
