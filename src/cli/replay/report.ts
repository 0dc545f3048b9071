/** Counts and words for one replayed file. */
import type { CheckRule } from './checks.ts';
import type { Verdict } from './compare.ts';
import type { Contested, Corpus } from './corpus.ts';
import type { DmaRule } from './deviations.ts';
import { type CaseResult, type Failure, judgeCase } from './judge-case.ts';
import type { MakeRig } from './replay.ts';

/** What `--json` prints for a file. The six last counts add up to `dmas`. */
export interface Tally extends Record<Verdict | 'notSupported', number> {
  readonly file: string;
  cases: number;
  dmas: number;
}

export interface FileReport {
  readonly tally: Tally;
  readonly failures: readonly Failure[];
  /** How often each rule explained the recorder. */
  readonly rules: ReadonlyMap<DmaRule | CheckRule, number>;
  /** Number of cases by the reason why the rig cannot run them. */
  readonly notSupported: ReadonlyMap<string, number>;
}

/** Replays every case of a corpus. */
export function replayCorpus(file: string, corpus: Corpus, contested: Contested, make: MakeRig): FileReport {
  const tally: Tally = {
    file,
    cases: 0,
    dmas: 0,
    agree: 0,
    stale: 0,
    deviation: 0,
    contested: 0,
    notSupported: 0,
    fail: 0,
  };
  const failures: Failure[] = [];
  const rules = new Map<DmaRule | CheckRule, number>();
  const notSupported = new Map<string, number>();
  for (const recorded of corpus.cases) {
    const result: CaseResult = judgeCase(corpus, recorded, contested, make);
    tally.cases++;
    tally.dmas += result.verdicts.length;
    for (const verdict of result.verdicts) tally[verdict]++;
    for (const rule of result.rules) rules.set(rule, (rules.get(rule) ?? 0) + 1);
    failures.push(...result.failures);
    const why = result.notSupported;
    if (why !== null) notSupported.set(why, (notSupported.get(why) ?? 0) + 1);
  }
  return { tally, failures, rules, notSupported };
}

/** One line per failure. */
export function failureLines({ failures }: FileReport): string[] {
  return failures.map(({ id, step, wanted, got }) => `FAIL ${id} step ${step}: wanted ${wanted}, got ${got}`);
}

/** What a reader wants to know about a file beside its failures. */
export function summaryLines({ tally, rules, notSupported }: FileReport): string[] {
  const { file, cases, dmas, agree, stale, deviation, contested, fail } = tally;
  return [
    `${file}: ${cases} cases, ${dmas} DMAs: ${agree} agree, ${stale} stale, ${deviation} deviation, ` +
      `${contested} contested, ${tally.notSupported} not supported, ${fail} fail`,
    ...[...rules].map(
      ([{ number, sentence }, uses]) => `  recorder's deviation ${number}, ${times(uses)}: ${sentence}`,
    ),
    ...[...notSupported].map(([why, uses]) => `  not supported, ${uses} cases: ${why}`),
  ];
}

const times = (n: number) => (n === 1 ? 'once' : `${n} times`);
