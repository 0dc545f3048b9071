/**
 * Machines whose DMA API somebody has measured. What single operations take is known of one only, a Linux of 2012: the others have
 * its times where their Linux does the same, and none where it does nothing any more.
 */
import { INVALIDATING_MACHINES, type InvalidatingMachineName } from '../invalidating-machines.ts';
import { inherited, type Parameter, parameter, plainValues } from '../parameter.ts';
import type { DmaApiValues } from './values.ts';

export type DmaApiParameters = Readonly<Record<Exclude<keyof DmaApiValues, 'machine'>, Parameter>>;

const TABLE =
  'Malka et al., "rIOMMU" (ASPLOS 2015), Table 1, cycles of 3.1 GHz as handed down, not checked against the print';
const CLOCK = INVALIDATING_MACHINES.riommu.clock.value;

/** Columns of the table: with the allocator of Linux 3.4, or one in constant time (+); each unmap waits, or a list is flushed. */
export const RIOMMU_COLUMNS = ['strict', 'strict+', 'defer', 'defer+'] as const;
export type RiommuColumn = (typeof RIOMMU_COLUMNS)[number];

/** Rows of the table but for the invalidation, which is simulated. */
const ROWS: Readonly<Record<RiommuColumn, readonly number[]>> = {
  // map: iova_alloc, page_table, other; unmap: iova_find, iova_free, page_table, other
  strict: [3986, 588, 44, 249, 159, 438, 26],
  'strict+': [92, 590, 45, 418, 62, 427, 25],
  defer: [1674, 533, 44, 263, 189, 471, 205],
  'defer+': [108, 577, 42, 454, 57, 504, 216],
};

const NOT_MEASURED = 'rIOMMU: of Linux 3.4 on 3.1 GHz';
const TRANSFER = parameter(
  54,
  'ns',
  "a modified cache line from another core's cache",
  'assumed',
  'David et al. (SOSP 2013): about 115 cycles of 2.13 GHz within a Xeon, from memory',
);
const ATOMIC = parameter(0, 'ns', 'a lock that this core had last', 'derived', 'within the times of operations');
const ONE_UNIT = parameter(1, 'units', 'IOMMUs, each with a queue', 'assumed', '');
const NO_DOMAIN_LOCK = parameter(0, '0 or 1', 'a lock of the domain is kept', 'published', 'VT-d in Linux up to 6.9');
const DOMAIN_LOCK = (source: string): Parameter =>
  parameter(1, '0 or 1', 'a lock of the domain is kept', 'published', source);
const TIMEOUT = parameter(10e6, 'ns', 'the first of a list may wait', 'published', 'Linux: 10 ms');

/** The machine of a column of the table. */
export function riommuParameters(column: RiommuColumn): DmaApiParameters {
  const cycles = (row: number, meaning: string): Parameter =>
    parameter(ROWS[column][row]! / CLOCK, 'ns', meaning, 'published', `${TABLE}: ${ROWS[column][row]}`);
  const allocate = cycles(0, 'an address is found');
  const free = cycles(4, 'an address is given back');
  return {
    units: ONE_UNIT,
    domainLock: NO_DOMAIN_LOCK,
    transfer: TRANSFER,
    atomic: ATOMIC,
    caches: parameter(0, '0 or 1', 'caches of addresses for each CPU', 'published', 'Linux 3.4 has none'),
    depot: parameter(0, 'magazines', 'behind caches', 'published', 'Linux 3.4 has none'),
    allocateCached: allocate,
    freeCached: free,
    allocateSearched: allocate,
    freeSearched: free,
    find: cycles(3, 'what an address belongs to is found'),
    mapTable: cycles(1, 'entries are written'),
    unmapTable: cycles(5, 'entries are cleared'),
    furtherPage: parameter(5, 'ns', 'each further entry', 'assumed', 'src/kernel/costs.ts'),
    mapOther: cycles(2, 'the rest of a map'),
    unmapOther: cycles(6, 'the rest of an unmap, noting for later among it'),
    note: parameter(0, 'ns', 'noting for later', 'derived', 'within the rest of an unmap'),
    flushEntries: parameter(250, 'entries', 'of a list that are flushed at once', 'published', 'Linux 3.4'),
    flushTimeout: TIMEOUT,
  };
}

/** Linux since 6.7: with caches of addresses, whose tree is hardly ever asked and not at all what an address belongs to. */
function modern(units: Parameter): DmaApiParameters {
  const [fast, slow] = [riommuParameters('strict+'), riommuParameters('strict')];
  const old = (from: Parameter): Parameter => inherited(from, `${NOT_MEASURED}: ${from.meaning}`);
  const noting = (ROWS['defer+'][6]! - ROWS['strict+'][6]!) / CLOCK;
  return {
    ...fast,
    units,
    caches: parameter(1, '0 or 1', 'caches of addresses for each CPU', 'published', 'Linux since 4.9'),
    depot: parameter(Infinity, 'magazines', 'behind caches', 'published', 'Linux: 32 up to 6.6, then as many as come'),
    allocateCached: old(fast.allocateCached),
    freeCached: old(fast.freeCached),
    allocateSearched: old(slow.allocateSearched),
    freeSearched: old(slow.freeSearched),
    find: parameter(0, 'ns', 'nothing looks what an address belongs to', 'published', 'dma-iommu of Linux'),
    mapTable: old(fast.mapTable),
    unmapTable: old(fast.unmapTable),
    mapOther: old(fast.mapOther),
    unmapOther: old(fast.unmapOther),
    note: parameter(noting, 'ns', 'noting for later', 'inherited', `${NOT_MEASURED}: other, defer+ less strict+`),
    flushEntries: parameter(255, 'entries', 'of a list that are flushed at once', 'published', 'Linux: 256, one free'),
  };
}

/** One VT-d unit, a queue, and a Linux of today. */
export const MODERN_LINUX = modern(ONE_UNIT);
/** Drives of each socket are behind one root port, and so behind one IOMMU. */
export const TWO_SOCKETS = modern(parameter(2, 'units', 'one for each socket', 'published', 'NVIDIA/NV-Kernels #182'));

/** All CPUs use one domain. */
const MODERN_ONE_DOMAIN = { ...MODERN_LINUX, domainLock: DOMAIN_LOCK('cache_lock of VT-d in Linux since 6.10') };
const MODERN_AMD = { ...MODERN_LINUX, domainLock: DOMAIN_LOCK('lock of a protection domain of AMD-Vi in Linux') };

/** Linux of today with one IOMMU or two, with a lock of the domain, and on AMD, of which no times are known; Linux 3.4, with the times of its table where each unmap waits and where a list is flushed. */
const MACHINES = {
  'linux-6': [MODERN_LINUX, 'silver'],
  'linux-6.10': [MODERN_ONE_DOMAIN, 'silver'],
  'linux-6-amd': [MODERN_AMD, 'epyc'],
  'linux-6-two-units': [TWO_SOCKETS, 'silver'],
  'linux-3.4-strict': [riommuParameters('strict'), 'riommu'],
  'linux-3.4-lazy': [riommuParameters('defer'), 'riommu'],
} as const satisfies Readonly<Record<string, readonly [DmaApiParameters, InvalidatingMachineName]>>;
export const DMA_API_MACHINES = Object.keys(MACHINES) as (keyof typeof MACHINES)[];

/** The values of a machine by its name; any of them may be replaced. */
export function dmaApiValues(name: keyof typeof MACHINES): DmaApiValues {
  const [parameters, machine] = MACHINES[name];
  return valuesOf(parameters, machine);
}

export function valuesOf(parameters: DmaApiParameters, machine: InvalidatingMachineName): DmaApiValues {
  return { ...plainValues(parameters), machine };
}
