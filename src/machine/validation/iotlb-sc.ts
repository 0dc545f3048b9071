/**
 * Group `iotlb-sc`: what an FPGA card sees of the IOTLB by the time of its reads (Tiemann et al., "IOTLB-SC", ASIACCS 2023): the card
 * does on a VT-d unit what the attack did.
 */
import { firstAccess, IOTLB_SC, nextAccess, smallestEvictionSet } from '../measured/iotlb-sc.ts';
import { invalidationOf } from './invalidations.ts';
import type { Point } from './point.ts';
import type { Experiment, GroupModel } from './validate.ts';
import { choose, timeIn, wordsOf } from './words.ts';

const CARD_CYCLES = /^FPGA cycles\b/i;
const EVICTION_SET = /\beviction set\b/i;
const SIZES = /^(?:addresses|pages|entries)\b/i;

type Latency = 'parameter' | (() => number);
/** Of a read, by the words for its translation, the first that fit. */
const LATENCIES: readonly (readonly [Latency, RegExp])[] = [
  [
    () => firstAccess() - nextAccess(),
    /\bmiss (?:minus|-|vs\.?|and) hit|\bhit[ /-]miss (?:gap|difference)|\bdifference\b/i,
  ],
  ['parameter', /\bIOMMU (?:is )?off\b|\bno IOMMU\b|\bwithout (?:an? |the )?IOMMU\b/i],
  [firstAccess, /\bmiss\b|\bfirst access\b/i],
  [nextAccess, /\bhit\b/i],
];

const REASONS: readonly (readonly [string, RegExp])[] = [
  [
    'What besides the invalidation is in it is not known; a core alone has a unit do a global one and waits for it in about a microsecond here.',
    /\bflush/i,
  ],
  [
    'Of this host nothing is published but these times: its walks take as long as those of a Broadwell server.',
    /\bdifference\b|\bgap\b|\bmiss\b/i,
  ],
  [
    'What a database leaves in the IOTLB depends on what its GPU reads: no such trace is published.',
    /\bGPU\b|\bquery\b/i,
  ],
];

export const IOTLB_SC_MODEL: GroupModel = {
  group: 'iotlb-sc',
  recognise,
  reason: (point) => {
    const { quantity, conditions, id } = wordsOf(point);
    return choose([quantity, conditions, id], REASONS);
  },
};

function recognise(point: Point): Experiment | 'parameter' | undefined {
  const { quantity, conditions } = wordsOf(point);
  if (EVICTION_SET.test(quantity) && SIZES.test(point.unit)) return () => smallestEvictionSet()!;
  const inUnit = CARD_CYCLES.test(point.unit) ? inCycles : timeIn(point.unit);
  if (inUnit === undefined) return undefined;
  const latency = /\blatency\b/i.test(quantity) ? choose([quantity, conditions], LATENCIES) : undefined;
  if (latency === undefined) return invalidationOf(point, 'pac');
  return latency === 'parameter' ? latency : () => inUnit(latency());
}

function inCycles(nanoseconds: number): number {
  return (nanoseconds * IOTLB_SC.clock.value) / 1000;
}
