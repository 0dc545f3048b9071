/** CPUs that map and unmap pages, and what they wait for. */
import {
  choice,
  DMA_API_MACHINES,
  DMA_API_MODES,
  type DmaApiResult,
  dmaApi,
  dmaApiValues,
  INVALIDATING_MACHINES,
  study,
  wholeNumber,
} from '../../src/index.ts';

/** What the table of Linux 3.4 says is of one mode for each of these. */
const ONLY: Readonly<Record<string, string>> = { 'linux-3.4-strict': 'strict', 'linux-3.4-lazy': 'lazy' };
/** Its columns that are machines here, by how they are published. */
const COLUMNS: Readonly<Record<string, { readonly machine: string; readonly mode: string }>> = {
  strict: { machine: 'linux-3.4-strict', mode: 'strict' },
  defer: { machine: 'linux-3.4-lazy', mode: 'lazy' },
};
const ALONE = { cpus: 1, pages: 1, work: 0 };

export default study({
  name: 'contention',
  question: 'How often can CPUs map and unmap through one domain, and what do they wait for when they are many?',
  setUp:
    'Each CPU maps pages, unmaps them and does other work, again and again, through the DMA API of a Linux. Times of what a core computes are those of ' +
    'Linux 3.4 in Table 1 of rIOMMU (ASPLOS 2015), also for newer ones where they do the same. How long a core waits is simulated: for locks, whose ' +
    'line takes 54 ns to the next core (assumed), and for a unit that reads commands from a ring in memory. linux-6 is VT-d up to Linux 6.9, and the ' +
    'same where each CPU has a domain of its own; linux-6-two-units has two of its IOMMUs; linux-6.10 keeps a lock of the domain while the unit ' +
    'forgets a page; so does linux-6-amd, which looks for the end only once in a microsecond. Of AMD no times are published: those of an Intel server ' +
    'stand for them (assumed). The two of Linux 3.4 search a tree for each address, each with the times that its mode had. Tables are times, and no ' +
    'two CPUs wait for the same table; interrupts, NUMA and devices are left out.',
  findings:
    'Strict protection stops scaling at two to four CPUs, because invalidations of one queue are done one after the other: about 1.5 million in a second on ' +
    'VT-d, 1.0 million where a lock of the domain is kept meanwhile, 0.85 million where the driver looks only once in a microsecond. More CPUs do no more; ' +
    '64 spend over 95 % of their time on locks. Other work between two mappings delays that limit and does not move it; a second IOMMU moves it to twice as many. ' +
    'Lazy flushing waits for the unit once in 255 mappings and scales with the number of CPUs, as long as addresses come from their own caches. Where ' +
    'they come from the tree, as those of 64 pages do and all of Linux 3.4, its lock is the limit instead, and no way to flush helps. (A search is as long as in ' +
    'Linux 3.4 here: in linux-6 as its strict column has it, which is longer than its deferred one, and so linux-6 is slower with 64 pages.) One CPU of ' +
    'Linux 3.4 takes 7,791 cycles for map and unmap where Table 1 adds up to 7,617, and 3,388 with deferred flushes, as it has; all but the ' +
    'invalidation are inputs, and the sums were handed down, not checked against the print.',
  parameters: {
    machine: choice('the kernel and its IOMMU', DMA_API_MACHINES),
    mode: choice(
      'the IOMMU forgets a page before its unmap returns, many at once, or translates nothing',
      DMA_API_MODES,
    ),
    cpus: wholeNumber('that map and unmap', '', { least: 1, most: 256 }, [1, 2, 4, 8, 16, 32, 64]),
    pages: wholeNumber('of a mapping; more than 32 have addresses from the tree', '', { least: 1, most: 512 }, [1, 64]),
    work: wholeNumber(
      'of everything else for a mapping, at random around this',
      'ns',
      { least: 0, most: 1e9 },
      [0, 1000],
    ),
  },
  outcomes: {
    rate: { unit: 'M/s', meaning: 'mappings that all CPUs together make and take back' },
    map: { unit: 'ns', meaning: 'from the call of map to its return' },
    unmap: { unit: 'ns', meaning: 'the same of unmap' },
    cycles: { unit: '', meaning: 'of both, in cycles of the clock that the machine counts in' },
    flush: {
      unit: 'cycles',
      meaning: 'of that, for the queue: its lock, descriptors, and until the unit has forgotten',
    },
    addresses: { unit: '%', meaning: 'of the time of all CPUs: addresses' },
    addressLock: { unit: '%', meaning: 'the lock of the tree, or of the depot' },
    tables: { unit: '%', meaning: 'entries of page tables' },
    queueLock: { unit: '%', meaning: 'locks of the queue and of the domain' },
    unit: { unit: '%', meaning: 'descriptors, and until the unit has forgotten' },
    other: { unit: '%', meaning: 'the rest of the DMA API' },
    elsewhere: { unit: '%', meaning: 'other work' },
  },
  published: {
    groups: ['riommu', 'linux-modes'],
    place: ({ quantity, conditions, unit }) => {
      if (unit !== 'cycles') return undefined;
      const at = /Silver 4314/.test(conditions) ? { machine: 'linux-6', mode: 'strict' } : COLUMNS[conditions];
      const outcome = /iotlb[_ ]inv/i.test(quantity)
        ? 'flush'
        : /^map ?\+ ?unmap/i.test(quantity)
          ? 'cycles'
          : undefined;
      return at === undefined || outcome === undefined ? undefined : { point: { ...at, ...ALONE }, outcome };
    },
  },
  plots: [
    {
      title: 'Nothing else to do',
      x: 'cpus',
      y: 'rate',
      series: 'machine',
      facet: 'mode',
      logX: true,
      logY: true,
      where: { pages: 1, work: 0 },
    },
    {
      title: 'With other work',
      x: 'cpus',
      y: 'rate',
      series: 'machine',
      logX: true,
      logY: true,
      where: { mode: 'strict', pages: 1, work: 1000 },
    },
    {
      title: 'Mappings of 64 pages',
      x: 'cpus',
      y: 'rate',
      series: 'machine',
      facet: 'mode',
      logX: true,
      logY: true,
      where: { pages: 64, work: 0 },
    },
    {
      title: 'For the queue, of map and unmap',
      x: 'cpus',
      y: 'flush',
      series: 'machine',
      logX: true,
      logY: true,
      where: { mode: 'strict', pages: 1, work: 0 },
    },
    {
      title: 'Waiting for locks of queue and domain, with other work',
      x: 'cpus',
      y: 'queueLock',
      series: 'machine',
      logX: true,
      where: { mode: 'strict', pages: 1, work: 1000 },
    },
    {
      title: 'Waiting for the tree of addresses, mappings of 64 pages',
      x: 'cpus',
      y: 'addressLock',
      series: 'machine',
      logX: true,
      where: { mode: 'lazy', pages: 64, work: 0 },
    },
  ],
  // Where nothing is translated a page more costs nothing.
  omit: ({ machine, mode, pages }) => (ONLY[machine] ?? mode) !== mode || (mode === 'pass-through' && pages > 1),
  run: ({ machine, mode, cpus, pages, work }, seed) => {
    const values = dmaApiValues(machine);
    const found = dmaApi(values, { cpus, mode, pages, work, seed });
    const { perSecond, map, unmap, time, shares } = found;
    const clock = INVALIDATING_MACHINES[values.machine].clock.value;
    const share = (...names: readonly (keyof DmaApiResult['shares'])[]): number =>
      names.reduce((sum, name) => sum + (100 * shares[name]) / time, 0);
    return {
      rate: perSecond / 1e6,
      map,
      unmap,
      cycles: (map + unmap) * clock,
      flush: (share('queue-lock', 'queue', 'invalidation') / 100) * (1e9 / perSecond) * cpus * clock,
      addresses: share('iova'),
      addressLock: share('iova-lock'),
      tables: share('page-table'),
      queueLock: share('queue-lock'),
      unit: share('queue', 'invalidation'),
      other: share('flush-queue', 'other'),
      elsewhere: share('work', 'idle'),
    };
  },
});
