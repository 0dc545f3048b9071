/**
 * Whether what a rig did is what a reading of the specifications allows. The order is the corpus' own: `fresh` or its
 * `alt`, else a member of `legal`, else on a contested step either reading. What the recorder did decides nothing; it
 * only has to be explained, by a numbered rule, where it deviates from a reading that the rig shares.
 */
import { formatJson } from '../../recorder/index.ts';
import type { DmaStep, Reading, RecordedCase } from './corpus.ts';
import { type DmaRule, dmaRules, secondReading } from './deviations.ts';
import type { FaultRecord } from './faults.ts';
import { type Observation, piecesOf } from './replay.ts';

export type Verdict = 'agree' | 'stale' | 'deviation' | 'contested' | 'fail';

export interface Judgement {
  readonly verdict: Verdict;
  /** The rule that explains the recorder, where it deviates. */
  readonly rule?: DmaRule;
  /** What was asked for and what came, in words; only where the verdict is `fail`. */
  readonly wanted?: string;
  readonly got?: string;
}

/** What is known about a request beside its step. */
export interface RequestContext {
  readonly vendor: 'intel' | 'amd';
  readonly recorded: RecordedCase;
  readonly source: number;
  /** Width of the addresses that a fault record can hold. */
  readonly addressBits: number;
  /** The two readings, where the step is contested. */
  readonly contested: readonly [first: string, second: string] | undefined;
}

/** Judges one DMA. */
export function judge(step: DmaStep, seen: Observation, context: RequestContext): Judgement {
  const fail = (got: string): Judgement => ({ verdict: 'fail', wanted: wish(step, context), got });
  if (seen.flaws.length > 0) return fail(seen.flaws.join('; '));

  const second = step.fresh2 === undefined ? [] : [withAlternatives(step.fresh2)];
  const fits = (reading: Reading) => difference([reading, ...second], step, seen, context) === null;
  if (fits(step.fresh)) {
    if (step.cls !== 'deviates') return { verdict: step.fresh.kind === 'open' ? 'contested' : 'agree' };
    const ours = [step.fresh, ...second].find(({ kind }) => kind !== 'translated') ?? step.fresh;
    const rule = dmaRules.find((it) => it.vendor === context.vendor && it.matches(step.out, ours));
    if (rule !== undefined) return { verdict: 'deviation', rule };
  }
  if (step.legal.some(fits)) return { verdict: 'stale' };
  const other = secondReading(context.vendor, step, context.recorded);
  if (other !== null && fits(other)) return { verdict: 'contested' };
  if (context.contested?.some((opinion) => readingsOf(opinion, step).some(fits))) return { verdict: 'contested' };
  return fail(
    difference([step.fresh, ...second], step, seen, context) ??
      `that, but no known deviation of the recorder explains its ${outcome(step)}`,
  );
}

/** No right left in a second-stage walk, in scalable mode: the readings name it as alternative to the missing right. */
const NO_RIGHT_LEFT = 0x79;
const RIGHT_MISSING = [0x85, 0x86];

/** The reading of a second piece leaves out the alternatives that those of first pieces have. */
function withAlternatives(reading: Reading): Reading {
  if (reading.kind !== 'blocked' || !reading.codes.some((code) => RIGHT_MISSING.includes(code))) return reading;
  return { ...reading, codes: [...reading.codes, NO_RIGHT_LEFT] };
}

/** How `seen` differs from the readings of the access' pieces, or `null` when it does not. */
function difference(
  readings: readonly Reading[],
  step: DmaStep,
  seen: Observation,
  { source, addressBits }: RequestContext,
): string | null {
  const got = describe(seen);
  const stop = readings.findIndex(({ kind }) => kind !== 'translated');
  const done = readings.slice(0, stop < 0 ? readings.length : stop);
  const addresses = done.map((reading) => (reading.kind === 'translated' ? reading.address : -1n));
  if (seen.translated !== stop < 0) return got;
  if ((seen.translated || step.rw === 'r') && !same(seen.addresses, addresses)) return got;
  if (step.rw === 'w') {
    const astray = seen.landed.findIndex((at, i) => !same(at, addresses.slice(i, i + 1)));
    if (astray >= 0)
      return `${got}, and piece ${astray} was written to ${seen.landed[astray]!.map(hex).join(' and ') || 'nowhere'}`;
  }
  if (stop < 0) return seen.evidence.records.length === 0 ? null : got;

  const wanted = readings[stop]!;
  if (wanted.kind !== 'blocked') return null;
  const { evidence, reported } = seen;
  const record = evidence.records[0];
  const expected = wanted.recorded && evidence.canRecord;
  // A fault whose source has an unread record may be dropped.
  const optional = expected && evidence.waiting.includes(source);
  if (evidence.records.length > 1 || (record === undefined ? expected && !optional : !expected)) return got;
  // The answer may keep quiet about a fault that went unrecorded, but what it says must be so.
  if (reported === null) return record === undefined ? null : `${got}, of which the rig's answer says nothing`;
  if (reported.recorded !== wanted.recorded) return got;
  // Reasons are compared through records. Of a fault that leaves none, nothing but the block can be seen.
  if (!wanted.recorded) return null;
  if (!wanted.codes.includes(reported.code)) return got;
  if (record === undefined) return null;
  const at = step.iova + BigInt(piecesOf(step)[stop]!.offset);
  const exact =
    wanted.codes.includes(record.code) &&
    record.source === source &&
    (record.page === null || pageMatches(record.page, at, addressBits)) &&
    (record.write === null || record.write === (step.rw === 'w'));
  if (!exact) return got;
  const told = reported.code === record.code && reported.requester === source && reported.write === (step.rw === 'w');
  return told && pageMatches(reported.address & ~0xfffn, at, addressBits)
    ? null
    : `${got}, but the rig's answer says ${formatJson(reported)}`;
}

/** A record need not hold address bits that no table translates. */
function pageMatches(page: bigint, address: bigint, addressBits: number): boolean {
  const full = address & ~0xfffn;
  return page === full || page === BigInt.asUintN(addressBits, full);
}

/** What an opinion on a contested step amounts to: `ok` may name no address of its own. */
function readingsOf(opinion: string, step: DmaStep): Reading[] {
  if (opinion === 'none') {
    const codes = step.fresh.kind === 'blocked' ? step.fresh.codes : [];
    return [{ kind: 'blocked', codes, recorded: false, why: '' }];
  }
  if (opinion !== 'ok') return [{ kind: 'blocked', codes: [Number(opinion)], recorded: true, why: '' }];
  if (step.fresh.kind === 'translated') return [step.fresh];
  return step.cand.map((address) => ({ kind: 'translated', address }));
}

function wish(step: DmaStep, { contested }: RequestContext): string {
  const fresh = [step.fresh, ...(step.fresh2 === undefined ? [] : [step.fresh2])].map(name).join(', then ');
  const legal = step.legal.map(name).filter((it) => it !== fresh);
  return [fresh, ...legal, ...(contested === undefined ? [] : [`contested (${contested.join(' or ')})`])].join(' or ');
}

function name(reading: Reading): string {
  if (reading.kind === 'translated') return hex(reading.address);
  if (reading.kind === 'open') return `blocked (${reading.name})`;
  return `fault ${reading.codes.map(hex).join('/')}${reading.recorded ? '' : ' not recorded'}`;
}

function describe({ translated, addresses, reported, evidence: { records, canRecord } }: Observation): string {
  const recorded =
    records.length === 0 ? (canRecord ? 'no record' : 'no free record') : records.map(recordName).join(' and ');
  const begun = addresses.length === 0 ? '' : `${addresses.map(hex).join(', then ')}, then `;
  if (translated) return `${addresses.map(hex).join(', then ')}${records.length === 0 ? '' : ` with ${recorded}`}`;
  return records.length === 0
    ? `blocked by ${reported === null ? 'no fault' : `fault ${hex(reported.code)}`} with ${recorded}`
    : `${begun}${recorded}`;
}

function recordName({ code, source, page, write }: FaultRecord): string {
  const kind = write === null ? 'access' : write ? 'write' : 'read';
  return `fault ${hex(code)} (source ${hex(source)}, page ${page === null ? 'unknown' : hex(page)}, ${kind})`;
}

function outcome({ out }: DmaStep): string {
  if (out.translated) return 'translation';
  return out.code === null ? 'block without a record' : `fault ${hex(out.code)}`;
}

const hex = (value: bigint | number) => `0x${value.toString(16)}`;
const same = (a: readonly bigint[], b: readonly bigint[]) => a.length === b.length && a.every((it, i) => it === b[i]);
