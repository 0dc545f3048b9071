/** What a case's rounds say together, and how it stands to its goal, to the bound and to the figures kept. */
import type { BenchCase } from './case.ts';
import { type Measurement, median } from './measure.ts';

export interface Figures {
  readonly name: string;
  /** Median over the rounds of each round's best: what else the host does only adds, so that a best says most. */
  readonly nsPerOp: number;
  /** Median over the rounds of each round's median. */
  readonly medianNsPerOp: number;
  readonly goalNsPerOp?: number;
  readonly calibrationNs: number;
  /** Of the host's memory, where an operation leaves something. */
  readonly bytesPerOp?: number;
}

/** Of each case: how many rounds of the calibration loop one operation takes, as it once was. */
export type Baseline = Readonly<Record<string, number>>;

export function summarise(benchCase: BenchCase, rounds: readonly Measurement[]): Figures {
  const { name, goalNsPerOp } = benchCase;
  const bytes = rounds.flatMap(({ bytesPerOp }) => bytesPerOp ?? []);
  return {
    name,
    nsPerOp: median(rounds.map(({ bestNsPerOp }) => bestNsPerOp)),
    medianNsPerOp: median(rounds.map(({ medianNsPerOp }) => medianNsPerOp)),
    ...(goalNsPerOp === undefined ? {} : { goalNsPerOp }),
    calibrationNs: median(rounds.map(({ calibrationNs }) => calibrationNs)),
    ...(bytes.length === 0 ? {} : { bytesPerOp: median(bytes) }),
  };
}

export function loops({ nsPerOp, calibrationNs }: Figures): number {
  return rounded(nsPerOp / calibrationNs);
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

export const HEADING = row(['case', 'ns/op', 'median', 'goal', 'bound', 'loops', 'kept', 'bytes'], '');

export const LEGEND =
  'ns/op: median over the rounds of the best sample of each; median: of all samples; bound: the same algorithm in C, without\n' +
  'checks; loops: ns/op in rounds of the calibration loop beside it; kept: the loops in baseline.json; bytes: of the host, for\n' +
  'what one operation leaves.';

export function line(figures: Figures, { operation, bound }: BenchCase, baseline: Baseline): string {
  const { name, nsPerOp, medianNsPerOp, goalNsPerOp, bytesPerOp } = figures;
  const verdict = goalNsPerOp === undefined ? '' : nsPerOp <= goalNsPerOp ? 'goal met: ' : 'BELOW THE GOAL: ';
  const cells = [
    nsPerOp.toFixed(1),
    medianNsPerOp.toFixed(1),
    goalNsPerOp?.toString(),
    bound && `x ${(nsPerOp / bound.nsPerOp).toFixed(2)}`,
    loops(figures).toFixed(1),
    baseline[name]?.toFixed(1),
    bytesPerOp?.toFixed(1),
  ];
  return row([name, ...cells.map((cell) => cell ?? '-')], `${verdict}${operation}`);
}

/** How far a case is from what the same took in C, and what stands between. */
export function distance({ name, nsPerOp }: Figures, { bound }: BenchCase): string | undefined {
  if (bound === undefined) return undefined;
  const times = nsPerOp / bound.nsPerOp;
  const far = times > 1 ? `${times.toFixed(1)} times` : `${(100 * times).toFixed(0)} % of`;
  return `${name} takes ${far} the ${bound.nsPerOp} ns of the bound: ${bound.between}.`;
}

function row([name, ...cells]: readonly string[], text: string): string {
  return `${name!.padEnd(12)}${cells.map((cell) => cell.padStart(8)).join('')}   ${text}`.trimEnd();
}
