/**
 * Group `faults`: page faults of devices, and what they have to do with their TLBs. How long software takes for one fault is what a
 * machine is built from; what larger transfers take is run on the page requests and the queue of a VT-d unit.
 */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { type FaultService, timeOfFaults } from '../measured/page-faults.ts';
import { savedByBatching } from '../measured/queue-owner.ts';
import { inTime } from './invalidations.ts';
import type { Point } from './point.ts';
import { bytesOf } from './sizes.ts';
import type { Experiment, GroupModel } from './validate.ts';
import { choose, find, timeIn, wordsOf } from './words.ts';

const FAULT = /\b(?:page[ -]?)?fault|\bNPFs?\b|\bwould take\b/i;
const OF_A_CORE = /\bCPU (?:page )?fault/i;
const SERVICES: readonly (readonly [FaultService, RegExp])[] = [
  ['guest', /\bVMs?\b|\bguest\b/i],
  ['gpu', /\bGPU\b|\bPPR\b/i],
  ['connectx', /\bNPFs?\b|\bConnect-?(?:X|IB)/i],
];
const MESSAGE = [
  /\b(\d+(?:\.\d+)?[ -]?[KMG]i?B)[ -](?:\w+[ -])?(?:message|transfer|buffer)/i,
  /\b(?:message|transfer|buffer)(?: size)?(?: of)?[ =:]*(\d+(?:\.\d+)?[ -]?[KMG]i?B)/i,
] as const;
/** Each fault is about one page. */
const UNBATCHED =
  /\bone page (?:per|a|for each) (?:page )?request|\bpage by page\b|\bun-?batched|\b(?:not|without) batch/i;
/** Pages that a simulation asks for at most. */
const MOST_PAGES = 2 ** 18;

const SHOOTDOWN = /\b(?:GPU|dev(?:ice)?)[ -]?TLB shootdown/i;
const BATCH_SAVING = /\bsav(?:ing|es|ed)\b.*\bbatch|\bbatch.*\bsav(?:ing|es|ed)\b/i;

const OF_A_CORE_REASON =
  'A page fault of a core: no IOMMU has a part in it, and the time that software takes is its own.';

const BATCH_REASON =
  'Of this machine nothing else is published: from core to unit and from unit to memory it is as far as in a Broadwell server, and its clock is assumed.';

export const FAULTS_MODEL: GroupModel = {
  group: 'faults',
  recognise,
  reason: ({ quantity }) =>
    OF_A_CORE.test(quantity) ? OF_A_CORE_REASON : BATCH_SAVING.test(quantity) ? BATCH_REASON : undefined,
};

function recognise(point: Point): Experiment | 'parameter' | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const texts = [quantity, conditions, id];
  // A device's answer to an invalidation of its TLB is what a machine is built from.
  if (SHOOTDOWN.test(quantity)) return timeIn(point.unit) && 'parameter';
  if (BATCH_SAVING.test(quantity)) return batchSaving(point);
  if (OF_A_CORE.test(quantity) || !FAULT.test(quantity)) return undefined;
  const service = choose(texts, SERVICES);
  const inUnit = timeIn(point.unit);
  if (service === undefined || inUnit === undefined) return undefined;
  const pages = Math.ceil(bytesOf(find([conditions, quantity], ...MESSAGE) ?? `${PAGE_SIZE}`) / PAGE_SIZE);
  if (pages <= 1) return 'parameter';
  const batch = texts.some((text) => UNBATCHED.test(text)) ? 1 : pages;
  return pages > MOST_PAGES ? undefined : () => inUnit(timeOfFaults(service, pages, batch));
}

function batchSaving({ unit }: Point): Experiment | undefined {
  return inTime(unit, 'dsa', () => savedByBatching('dsa'));
}
