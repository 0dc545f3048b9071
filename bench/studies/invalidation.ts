/** How a core has pages forgotten. */
import {
  choice,
  INVALIDATING_MACHINES,
  INVALIDATION_PIECES,
  type InvalidatingMachineName,
  measureInvalidation,
  study,
  wholeNumber,
} from '../../src/index.ts';

const machines = Object.keys(INVALIDATING_MACHINES) as InvalidatingMachineName[];
const PAGES = 256;

export default study({
  name: 'invalidation',
  question: 'What does a core save that waits once for many invalidations instead of once for each?',
  setUp:
    'A core puts descriptors into the invalidation queue of a VT-d unit, then a wait, writes the tail register, and looks at the status ' +
    'until the unit has written it; between two looks it reads a register, as Linux does. On epyc it is the command buffer of an AMD-Vi unit: ' +
    'INVALIDATE_IOMMU_PAGES and INVALIDATE_IOTLB_PAGES, of each of which the tail register tells, and a COMPLETION_WAIT that stores a number; ' +
    'Linux looks at it at once and then once in a microsecond. How far it is from core to unit and from unit to memory is that of a measured ' +
    'server, as src/machine/measured states; no times of an AMD server are published, and those of Broadwell stand for them (assumed). A device that ' +
    'keeps translations answers each invalidation in 4.2 us. What the driver does besides, and its lock, cost nothing.',
  findings:
    'Waiting once for many pages takes a third or less of the time of waiting for each: what is left is the unit, which reads one descriptor after the other ' +
    'from memory. One command for many pages takes as long as one for a page, and so does one for the domain. On AMD a single invalidation takes a little ' +
    'more than the microsecond after which Linux looks for the second time, however much earlier the unit was ready; two fit in the same microsecond, and ' +
    'so a pair costs less for each than on VT-d with the same times. A device that keeps translations is by far the slowest part, but many of its ' +
    'answers are awaited together.',
  parameters: {
    machine: choice('the server', machines, ['riommu', 'silver', 'dsa', 'epyc']),
    piece: choice('a command for each page, for all pages of a batch, or for the domain', INVALIDATION_PIECES),
    batch: wholeNumber('pages between two waits, a power of two', '', { least: 1, most: 64 }, [1, 2, 4, 8, 16, 32, 64]),
    deviceTlbs: wholeNumber('1: the device keeps translations, too', '', { least: 0, most: 1 }, [0, 1]),
  },
  outcomes: {
    time: { unit: 'ns', meaning: 'of the core for each page' },
    cycles: { unit: '', meaning: 'the same in cycles of its clock' },
  },
  published: {
    groups: ['riommu', 'linux-modes'],
    place: ({ quantity, conditions, unit }) => {
      if (!/^cycles$/.test(unit) || !/iotlb[_ ]inv/i.test(quantity)) return undefined;
      const machine = /^strict$/.test(conditions) ? 'riommu' : /Silver 4314/.test(conditions) ? 'silver' : undefined;
      if (machine === undefined) return undefined;
      return { point: { machine, piece: 'page', batch: 1, deviceTlbs: 0 }, outcome: 'cycles' };
    },
  },
  plots: [
    {
      title: 'Without device-TLBs',
      x: 'batch',
      y: 'cycles',
      series: 'piece',
      facet: 'machine',
      logX: true,
      logY: true,
      where: { deviceTlbs: 0 },
    },
    {
      title: 'With device-TLBs',
      x: 'batch',
      y: 'cycles',
      series: 'piece',
      facet: 'machine',
      logX: true,
      logY: true,
      where: { deviceTlbs: 1 },
    },
  ],
  // The units of the older two serve no devices that keep translations.
  omit: ({ machine, batch, deviceTlbs }) =>
    !Number.isInteger(Math.log2(batch)) || (deviceTlbs === 1 && machine !== 'dsa' && machine !== 'epyc'),
  run: ({ machine, piece, batch, deviceTlbs }) => {
    const { ns, cycles } = measureInvalidation({
      machine,
      piece,
      batch,
      pages: PAGES,
      deviceTlbs: deviceTlbs as 0 | 1,
    });
    return { time: ns, cycles };
  },
});
