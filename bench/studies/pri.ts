/** Page faults of devices. */
import {
  choice,
  FAULT_SERVICES,
  type FaultService,
  FURTHER_PAGE,
  study,
  timeOfFaults,
  wholeNumber,
} from '../../src/index.ts';
import { VENDOR } from './common.ts';

const services = Object.keys(FAULT_SERVICES) as FaultService[];

export default study({
  name: 'pri',
  question:
    'How long does a device wait for pages that are not there, and what does it gain by asking for several at once?',
  setUp:
    'A device asks for pages, one fault after the other. A VT-d unit puts each into the page-request queue, an AMD-Vi unit into the PPR log; an ' +
    'interrupt starts the handler, which takes it from there and answers through the invalidation queue, or with COMPLETE_PPR_REQUEST through the ' +
    'command buffer. What software makes of a fault is the time that somebody has measured as a whole, on whatever machine that was; a further page of ' +
    'the same fault is allocated, cleared, pinned and entered in a table. How far it is between core, unit and memory is that of Broadwell for both ' +
    'vendors (for AMD assumed); the link of the device takes no time.',
  findings:
    'The time of a fault is that of software: unit, ring and registers are below 2 us of it, with VT-d as with AMD-Vi; the first of a run has to read tables that later ones find cached. So what helps is to ask for many ' +
    'pages in one fault: 1,024 at once take less than two single ones of a NIC, and one after the other a thousand times as long as one. That the vendors ' +
    'differ by fractions of a microsecond says nothing of real machines: the times of AMD are assumed, its driver reads two registers more, and the VT-d unit ' +
    'here keeps no entries of PASID tables and reads them for each request.',
  parameters: {
    service: choice('whose software serves the fault', services),
    pages: wholeNumber('of 4 KiB that are not there', '', { least: 1, most: 2 ** 16 }, [1, 16, 256, 1024]),
    batch: wholeNumber('pages of one fault', '', { least: 1, most: 2 ** 16 }, [1, 16, 256, 1024]),
    vendor: VENDOR,
  },
  outcomes: {
    time: { unit: 'us', meaning: 'until the device has all pages' },
    each: { unit: 'us', meaning: 'of that for each page' },
    path: { unit: 'ns', meaning: 'of each fault that are not the measured time of software: unit, ring and registers' },
  },
  published: {
    groups: ['faults'],
    place: ({ quantity, conditions, unit }) => {
      const [, size = '', prefix = ''] = /minor NPF, (\d+) ([KM])B message/.exec(conditions) ?? [];
      if (unit !== 'us' || size === '' || !/latency/.test(quantity)) return undefined;
      const pages = (Number(size) * (prefix === 'M' ? 1024 : 1)) / 4;
      return { point: { service: 'connectx', pages, batch: pages }, outcome: 'time' };
    },
  },
  plots: [
    {
      title: 'Until all pages are there',
      x: 'pages',
      y: 'time',
      series: 'batch',
      facet: 'service',
      logX: true,
      logY: true,
      where: { vendor: 'intel' },
    },
    {
      title: 'For each of 1,024 pages',
      x: 'batch',
      y: 'each',
      series: 'service',
      logX: true,
      logY: true,
      where: { pages: 1024, vendor: 'intel' },
    },
    {
      title: 'Unit, ring and registers',
      x: 'batch',
      y: 'path',
      series: 'vendor',
      logX: true,
      where: { pages: 1024, service: 'connectx' },
    },
  ],
  omit: ({ pages, batch }) => batch > pages,
  run: ({ service, pages, batch, vendor }) => {
    const time = timeOfFaults(service, pages, batch, vendor);
    const faults = Math.ceil(pages / batch);
    const software = faults * FAULT_SERVICES[service].value * 1000 + (pages - faults) * FURTHER_PAGE.value;
    return { time: time / 1000, each: time / 1000 / pages, path: (time - software) / faults };
  },
});
