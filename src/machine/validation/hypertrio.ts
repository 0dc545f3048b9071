/**
 * Group `hypertrio`: the constants of the simulator of HyperTRIO (ISCA 2020), most of which are what a machine is built from;
 * and what follows from them, run on the tables and the walks of a VT-d unit.
 */
import {
  coldContextEntry,
  coldTranslation,
  fullTranslation,
  type HYPERTRIO,
  type Levels,
  type WalkDepth,
} from '../measured/hypertrio.ts';
import { type ParameterWords, parameterOf } from './inputs.ts';
import type { Point } from './point.ts';
import type { Experiment, GroupModel } from './validate.ts';
import { oneOf, timeIn, wordsOf } from './words.ts';

const PARAMETERS: ParameterWords<keyof typeof HYPERTRIO> = {
  oneWay: /one[ -]way/i,
  deviceTlbHit: /\b(?:dev(?:ice)?[ -]?|io)tlb\b.*\bhit/i,
  prefetchHit: /prefetch.*\bhit/i,
  contextHit: /\b(?:context|cc)\b.*\bhit/i,
  pageHit: /\b(?:page|pde|p ?cache)\b.*\bhit/i,
  packet: /\bpacket size|\bpkt\b/i,
  network: /\blink\b/i,
  translations: /translations (?:per|of a) packet/i,
  pending: /pending translation/i,
  memory: /\b(?:dram|ddr|memory) access latency/i,
};

const WALK_READS = /\b(?:page|table)[ -]?walk.*\b(?:access|read)|\bptw\b/i;
const CONTEXT_ENTRY = /\bcontext[ -]entry\b|\bCE read/i;
const FULL_TRANSLATION = /\b(?:full|cold|whole) .*translation|\b(?:RTT|round[ -]trip).*\b(?:DDR|DRAM|memory)\b/i;

export const HYPERTRIO_MODEL: GroupModel = { group: 'hypertrio', recognise };

function recognise(point: Point): Experiment | 'parameter' | undefined {
  return outcomeOf(point) ?? (parameterOf(PARAMETERS, point) === undefined ? undefined : 'parameter');
}

function outcomeOf(point: Point): Experiment | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  const depth = depthOf([quantity, conditions, id]);
  const says = (pattern: RegExp): boolean => pattern.test(quantity);
  if (depth === undefined) return undefined;
  const inUnit = timeIn(point.unit);
  if (inUnit === undefined) {
    const counts = /^(?:memory )?(?:access|read)/i.test(point.unit);
    return says(WALK_READS) && counts ? () => coldTranslation(depth).reads : undefined;
  }
  if (says(CONTEXT_ENTRY)) return () => inUnit(coldContextEntry().nanoseconds);
  return says(FULL_TRANSLATION) ? () => inUnit(fullTranslation(depth)) : undefined;
}

const NESTED: WalkDepth = { first: 4, second: 4 };
const LEVELS: readonly Levels[] = [4, 5];

/** Nested unless something else is said, as there: "5x4" is a first stage of 5 levels on a second of 4. Nothing for other depths. */
function depthOf(texts: readonly string[]): WalkDepth | undefined {
  for (const text of texts) {
    const [, first, second] = /\b(\d)[ -]?(?:levels?[ -])?[x×][ -]?(\d)\b/i.exec(text) ?? [];
    if (first !== undefined) return walkDepth(oneOf(LEVELS, Number(first)), oneOf(LEVELS, Number(second)));
    const [, only] = /\b(\d)[ -]levels?\b/i.exec(text) ?? [];
    const isNested = /\bnested|two[ -](?:stage|dimension)/i.test(text);
    if (only !== undefined) {
      const levels = oneOf(LEVELS, Number(only));
      return isNested ? walkDepth(levels, levels) : walkDepth(null, levels);
    }
  }
  return NESTED;
}

function walkDepth(first: Levels | null | undefined, second: Levels | undefined): WalkDepth | undefined {
  return first === undefined || second === undefined ? undefined : { first, second };
}
