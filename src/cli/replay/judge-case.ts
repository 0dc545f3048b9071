/**
 * One case, run and judged. Each DMA gets exactly one verdict. A register or memory read that fails belongs to the DMA
 * before it (to the first, if none came before), whose verdict then is `fail`: that DMA's state was not what it seemed.
 */

import { NotSupported } from '../../../hardware/index.ts';
import { type Check, type CheckRule, type CheckStep, explain } from './checks.ts';
import { judge, type RequestContext, type Verdict } from './compare.ts';
import type { Contested, Corpus, DmaStep, RecordedCase } from './corpus.ts';
import type { DmaRule } from './deviations.ts';
import { type MakeRig, type Observation, replayCase } from './replay.ts';

export interface Failure {
  readonly id: string;
  /** Number of the step and what it is. */
  readonly step: string;
  readonly wanted: string;
  readonly got: string;
}

export interface CaseResult {
  /** One per DMA, in order. */
  readonly verdicts: readonly (Verdict | 'notSupported')[];
  readonly failures: readonly Failure[];
  /** The rules that explained the recorder, once per use. */
  readonly rules: readonly (DmaRule | CheckRule)[];
  /** Why the rig cannot run the case. */
  readonly notSupported: string | null;
}

/** Runs and judges `recorded` on a rig from `make`. */
export function judgeCase(corpus: Corpus, recorded: RecordedCase, contested: Contested, make: MakeRig): CaseResult {
  const verdicts: Verdict[] = [];
  const failures: Failure[] = [];
  const rules: (DmaRule | CheckRule)[] = [];
  const dmas = recorded.steps.filter(({ op }) => op === 'dma').length;
  const { cap, ecap } = corpus.vendor === 'intel' ? corpus.profiles[recorded.profile]! : { cap: 0n, ecap: 0n };
  let checkBeforeFirst = false;
  let reached = 0;

  const dma = (step: DmaStep, index: number, seen: Observation) => {
    const context: RequestContext = {
      vendor: corpus.vendor,
      source: corpus.platform.devices[step.dev]!.sid,
      recorded,
      addressBits: corpus.vendor === 'intel' ? largestAddress(cap) : 64,
      contested: contested.get(`${recorded.id}#${index}`),
    };
    const { verdict, rule, wanted, got } = judge(step, seen, context);
    if (rule !== undefined) rules.push(rule);
    verdicts.push(checkBeforeFirst && verdicts.length === 0 ? 'fail' : verdict);
    if (verdict !== 'fail') return;
    const what = `dma ${step.dev} ${step.rw === 'w' ? 'write' : 'read'} ${hex(step.iova)}`;
    failures.push({ id: recorded.id, step: `${index} (${what})`, wanted: wanted!, got: got! });
  };

  const check = (step: CheckStep, index: number, ours: readonly bigint[]) => {
    const values = step.op === 'chk' ? [step.got] : step.got;
    const place = step.op === 'chk' ? BigInt(step.off) : step.at;
    values.forEach((recorder, i) => {
      if (ours[i] === recorder) return;
      const at = place + BigInt(i * 8);
      const difference: Check = {
        vendor: corpus.vendor,
        cap,
        ecap,
        recorded,
        index,
        step,
        at,
        recorder,
        ours: ours[i]!,
      };
      const rule = explain(difference);
      if (rule !== undefined) {
        rules.push(rule);
        return;
      }
      failures.push({
        id: recorded.id,
        step: `${index} (${step.op} ${hex(at)})`,
        wanted: hex(recorder),
        got: hex(ours[i]!),
      });
      if (verdicts.length === 0) checkBeforeFirst = true;
      else verdicts[verdicts.length - 1] = 'fail';
    });
  };

  try {
    replayCase(corpus, recorded, make, (step, index, seen) => {
      reached = index + 1;
      if (step.op === 'dma') dma(step, index, seen as Observation);
      else if (step.op === 'chk' || step.op === 'memrd') check(step, index, seen as readonly bigint[]);
    });
  } catch (error) {
    if (error instanceof NotSupported) {
      return { verdicts: new Array(dmas).fill('notSupported'), failures: [], rules: [], notSupported: error.message };
    }
    // A model that throws is a bug in the model: the case is lost, the others are not.
    const got = `the model threw ${error instanceof Error ? error.stack?.split('\n', 2).join('') : String(error)}`;
    failures.push({
      id: recorded.id,
      step: `${reached} (${recorded.steps[reached]?.op})`,
      wanted: 'no exception',
      got,
    });
  }
  while (verdicts.length < dmas) verdicts.push('fail');
  return { verdicts, failures, rules, notSupported: null };
}

/** Width of the largest address that a table translates, so that a fault record must hold: CAP.SAGAW. */
function largestAddress(cap: bigint): number {
  return (cap & (1n << 11n)) !== 0n ? 57 : (cap & (1n << 10n)) !== 0n ? 48 : 39;
}

const hex = (value: bigint) => `0x${value.toString(16)}`;
