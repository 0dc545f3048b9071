/**
 * Group `linux-modes`: what the ways in which Linux invalidates cost. Reads of drives are run on CPUs that map and unmap a page for each, and how
 * long a core waits for its invalidation on the queue of a VT-d unit.
 */
import { valuesOf } from '../measured/dma-api/machines.ts';
import { readDrives, type StorageSetUp } from '../measured/dma-api/storage.ts';
import {
  STORAGE_MACHINES,
  type StorageMachine,
  type StorageMachineName,
} from '../measured/dma-api/storage-machines.ts';
import type { DmaApiMode } from '../measured/dma-api/values.ts';
import { plainValues } from '../measured/parameter.ts';
import { invalidationOf } from './invalidations.ts';
import type { Point } from './point.ts';
import { remembered } from './remembered.ts';
import type { Experiment, GroupModel } from './validate.ts';
import { choose, find, wordsOf } from './words.ts';

const SILVER = /\bsilver 4314\b|\bice ?lake\b/i;

const MACHINES: readonly (readonly [StorageMachineName, RegExp])[] = [
  ['c6620', /\bc6620\b/i],
  ['grace', /\bgrace\b/i],
];
/** No IOMMU is no translation either. */
const MODES: readonly (readonly [DmaApiMode, RegExp])[] = [
  ['pass-through', /\bpass-?through\b|\bpt\b|\bno[ _-]?iommu\b|\biommu[ =]off\b/i],
  ['lazy', /\blazy\b|\bdeferred\b/i],
  ['strict', /\bstrict\b/i],
];
const OTHER_LOAD = /\bwrites?\b|\brandwrite|\brandrw|\bseq|\b(?!4 ?k)\d+ ?k(?:i?b)?\b/i;
const CPUS = /\b(?:numjobs|jobs)[ =:]*(\d+)|\b(\d+) jobs\b/i;
const DEPTH = /\b(?:iodepth|QD|queue depth)[ =:]*(\d+)/i;
const MOST_CPUS = 256;
const MOST_UNDER_WAY = 2 ** 14;
const PREFIXES: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6 };

const REASONS: readonly (readonly [string, RegExp])[] = [
  [
    'Whether each unmap waited is not said, nor what its cores need, and the IOMMU is an SMMUv3, of which there is no model.',
    /\bSMMU/i,
  ],
  [
    'Of the IOMMU of this processor nothing else is published: its times are those of a Broadwell server, and the source of the number is not known.',
    SILVER,
  ],
  ["The IOMMU is a hypervisor's software: none is timed here.", /\bvirtio-?iommu\b|\bbounce\b/i],
  [
    'Of these drives, or of this load, nothing is published that a machine could be built from.',
    /\bIOPS\b|\bNVMe\b|\brandread\b/i,
  ],
  [
    "What Linux's network stack needs for a packet decides, and it is not published with it.",
    /\bnetperf\b|\bUDP\b|\bTCP\b/i,
  ],
];

export const LINUX_MODES_MODEL: GroupModel = {
  group: 'linux-modes',
  recognise: (point) => readsOf(point) ?? (SILVER.test(point.conditions) ? invalidationOf(point, 'silver') : undefined),
  reason: (point) => {
    const { quantity, conditions, id } = wordsOf(point);
    return choose([`${conditions} ${quantity} ${id} ${point.unit}`], REASONS);
  },
};

/** Random reads of 4 KiB per second. */
function readsOf(point: Point): Experiment | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const texts = [quantity, conditions, id];
  const scale = PREFIXES[/^\s*([kM]?) ?IOPS\b/.exec(point.unit)?.[1] ?? '-'];
  const machine = choose(texts, MACHINES);
  const mode = choose(texts, MODES);
  if (scale === undefined || machine === undefined || mode === undefined) return undefined;
  if (texts.some((text) => OTHER_LOAD.test(text))) return undefined;
  const { cpus, depth }: StorageMachine = STORAGE_MACHINES[machine];
  const setUp = { mode, cpus: Number(find(texts, CPUS) ?? cpus), depth: Number(find(texts, DEPTH) ?? depth) };
  const isPossible = setUp.cpus >= 1 && setUp.cpus <= MOST_CPUS && setUp.depth >= 1;
  if (!isPossible || setUp.cpus * setUp.depth > MOST_UNDER_WAY) return undefined;
  return () => readsPerSecond([machine, setUp]) / scale;
}

const readsPerSecond = remembered(([name, setUp]: readonly [StorageMachineName, StorageSetUp]): number => {
  const { dmaApi, queue, storage }: StorageMachine = STORAGE_MACHINES[name];
  return readDrives(valuesOf(dmaApi, queue), plainValues(storage), setUp).perSecond;
});
