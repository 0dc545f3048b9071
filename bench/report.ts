/** What a case's rounds say together, and how it stands to its goal, to the bound and to the figures kept. */
import type { BenchCase } from './case.ts';
import { type Measurement, median } from './measure.ts';

export interface Figures {
  readonly name: string;
  /** Median over the rounds of each round's best: what else the host does only adds, so that a best says most. */
  readonly nsPerOp: number;
  /** Median over the rounds of each round's median. */
  readonly medianNsPerOp: number;
  readonly goalNsPerOp: number;
  readonly calibrationNs: number;
}

/** Of each case: how many rounds of the calibration loop one operation takes, as it once was. */
export type Baseline = Readonly<Record<string, number>>;

export function summarise(benchCase: BenchCase, rounds: readonly Measurement[]): Figures {
  return {
    name: benchCase.name,
    nsPerOp: median(rounds.map(({ bestNsPerOp }) => bestNsPerOp)),
    medianNsPerOp: median(rounds.map(({ medianNsPerOp }) => medianNsPerOp)),
    goalNsPerOp: benchCase.goalNsPerOp,
    calibrationNs: median(rounds.map(({ calibrationNs }) => calibrationNs)),
  };
}

export function loops({ nsPerOp, calibrationNs }: Figures): number {
  return rounded(nsPerOp / calibrationNs);
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

export const HEADING = row(['case', 'ns/op', 'median', 'goal', 'bound', 'loops', 'kept'], '');

export const LEGEND =
  'ns/op: median over the rounds of the best sample of each; median: of all samples; bound: the same algorithm in C, without\n' +
  'checks; loops: ns/op in rounds of the calibration loop beside it; kept: the loops in baseline.json.';

export function line(figures: Figures, { operation, boundNsPerOp }: BenchCase, baseline: Baseline): string {
  const { name, nsPerOp, medianNsPerOp, goalNsPerOp } = figures;
  const verdict = nsPerOp <= goalNsPerOp ? 'goal met' : 'BELOW THE GOAL';
  const bound = boundNsPerOp === undefined ? '-' : `x ${(nsPerOp / boundNsPerOp).toFixed(2)}`;
  const kept = baseline[name]?.toFixed(1) ?? '-';
  const cells = [
    nsPerOp.toFixed(1),
    medianNsPerOp.toFixed(1),
    String(goalNsPerOp),
    bound,
    loops(figures).toFixed(1),
    kept,
  ];
  return row([name, ...cells], `${verdict}: ${operation}`);
}

function row([name, ...cells]: readonly string[], text: string): string {
  return `${name!.padEnd(12)}${cells.map((cell) => cell.padStart(8)).join('')}   ${text}`.trimEnd();
}
