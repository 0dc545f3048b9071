/** Page faults of devices. */
import { choice, FAULT_SERVICES, type FaultService, study, timeOfFaults, wholeNumber } from '../../src/index.ts';

const services = Object.keys(FAULT_SERVICES) as FaultService[];

export default study({
  name: 'pri',
  question:
    'How long does a device wait for pages that are not there, and what does it gain by asking for several at once?',
  setUp:
    'A device asks for pages through the page-request queue of a VT-d unit, one fault after the other; the handler takes each from the ' +
    'queue and answers through the invalidation queue. What software makes of a fault is the time that somebody has measured as a ' +
    'whole; a further page of the same fault is allocated, cleared, pinned and entered in a table.',
  parameters: {
    service: choice('whose software serves the fault', services),
    pages: wholeNumber('of 4 KiB that are not there', '', { least: 1, most: 2 ** 16 }, [1, 16, 256, 1024]),
    batch: wholeNumber('pages of one fault', '', { least: 1, most: 2 ** 16 }, [1, 16, 256, 1024]),
  },
  outcomes: {
    time: { unit: 'us', meaning: 'until the device has all pages' },
    each: { unit: 'us', meaning: 'of that for each page' },
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
    },
    {
      title: 'For each of 1,024 pages',
      x: 'batch',
      y: 'each',
      series: 'service',
      logX: true,
      logY: true,
      where: { pages: 1024 },
    },
  ],
  omit: ({ pages, batch }) => batch > pages,
  run: ({ service, pages, batch }) => {
    const time = timeOfFaults(service, pages, batch) / 1000;
    return { time, each: time / pages };
  },
});
