/**
 * Group `host-network`: the domains of "Understanding the host network" (SIGCOMM 2024), most of whose figures are what a
 * machine is built from; and how many credits the writes of devices hold at some rate, or what rate their credits allow.
 */
import { deviceWrites, type HOST_NETWORK } from '../measured/host-network.ts';
import { numberBefore, type ParameterWords, parameterOf } from './inputs.ts';
import type { Point } from './point.ts';
import type { Experiment, GroupModel } from './validate.ts';
import { rateIn, wordsOf } from './words.ts';

const PARAMETERS: ParameterWords<keyof typeof HOST_NETWORK> = {
  coreRead: /\bC2M[ -]read\b.*\blatency/i,
  coreWrite: /\bC2M[ -]write\b.*\blatency/i,
  deviceWrite: /\bP2M[ -]write\b.*\blatency/i,
  coreLines: /\b(?:LFB|line fill buffer)s?\b.*\bcredits|\bLFBs? (?:per|of a) core/i,
  writeLines: /\bIIO[ -]write\b.*\bcredits/i,
  readLines: /\bIIO[ -]read\b.*\bcredits/i,
  bank: /\bbank processing|\bt[ _-]?proc\b/i,
  banks: /\bbanks per\b|\bnumber of banks/i,
  line: /\bchannel transmission|\bt[ _-]?trans\b/i,
  writeThreshold: /\boccupancy\b.*\bthreshold/i,
};

const DEVICE_WRITES = /\bP2M[ -]?writes?\b|\bwrites? (?:of|by|from) devices\b/i;
const CREDITS = /\bcredits\b.*\b(?:needed|used|in use|held|for)\b|\bcredits_at\b/i;
const MOST = /\b(?:max(?:imum)?|cap|peak|highest|limit)\b|\bthroughput\b.*\bcredits/i;
const GIGABYTES = /\s?GB(?:\/s|ps)/i;
/** Bytes per nanosecond: more than the credits allow. */
const ENDLESS = 100;

export const HOST_NETWORK_MODEL: GroupModel = { group: 'host-network', recognise };

function recognise(point: Point): Experiment | 'parameter' | undefined {
  return outcomeOf(point) ?? (parameterOf(PARAMETERS, point) === undefined ? undefined : 'parameter');
}

function outcomeOf(point: Point): Experiment | undefined {
  const { quantity, conditions, id } = wordsOf(point);
  if (!DEVICE_WRITES.test(quantity)) return undefined;
  const rate = numberBefore([quantity, id, conditions], GIGABYTES);
  if (CREDITS.test(quantity)) return rate && rate > 0 ? () => deviceWrites(rate).credits : undefined;
  const inUnit = rateIn(point.unit);
  if (inUnit === undefined || !MOST.test(quantity)) return undefined;
  return () => {
    const { rate: bytes } = deviceWrites(ENDLESS);
    return inUnit({ gigabits: bytes * 8, transactions: (bytes * 1e9) / 64 });
  };
}
