/**
 * Published measurements against simulations of the same: for each point that a model knows, an experiment, and by how
 * much it is off.
 *
 * Surface: `GroupModel`, which one file per group of points provides; `judge` a point; `summarize` the verdicts of a group.
 */
import type { Point } from './point.ts';

/** Runs a simulation and gives the number to compare, in the unit of its point. */
export type Experiment = () => number;

/** What can reproduce the points of one group. */
export interface GroupModel {
  readonly group: string;
  /** What reproduces the point; `parameter` when it is what a machine is built from; nothing when it is not modelled. */
  recognise(point: Point): Experiment | 'parameter' | undefined;
  /** A sentence why a point is not simulated, or why a simulation of it cannot come near. */
  reason?(point: Point): string | undefined;
}

/**
 * - `ok`, `off`: within or beyond the tolerance that the point suggests; `compared` when it suggests none;
 * - `parameter`: an input of the simulation; it counts nowhere;
 * - `not-numeric`: there is nothing to compare; `no-model`: nothing simulates it.
 */
export type Status = 'ok' | 'off' | 'compared' | 'parameter' | 'not-numeric' | 'no-model';

export interface Verdict {
  readonly id: string;
  readonly group: string;
  readonly published: Point['value'];
  readonly simulated: number | null;
  /** Simulated minus published, in per cent: see `errorPct`. */
  readonly errorPct: number | null;
  readonly status: Status;
  /** Why it has no model, or why it is off, where that is known. */
  readonly reason?: string;
}

export interface Summary {
  readonly group: string;
  readonly points: number;
  /** Points that count: numbers that are no parameters. */
  readonly counted: number;
  readonly simulated: number;
  /** Of those that count, how many are simulated. Null when none counts. */
  readonly coveragePct: number | null;
  /** Mean and largest of the errors, without their signs. */
  readonly meanErrorPct: number | null;
  readonly maxErrorPct: number | null;
  readonly off: number;
}

export function judge(point: Point, models: readonly GroupModel[]): Verdict {
  const { id, group, value: published } = point;
  const verdict = { id, group, published, simulated: null, errorPct: null };
  if (typeof published === 'string') return { ...verdict, status: 'not-numeric' };
  const model = models.find((one) => one.group === group);
  const experiment = model?.recognise(point);
  if (experiment === 'parameter') return { ...verdict, status: 'parameter' };
  const because = (): { reason?: string } => {
    const reason = model?.reason?.(point);
    return reason === undefined ? {} : { reason };
  };
  if (experiment === undefined) return { ...verdict, status: 'no-model', ...because() };
  const simulated = experiment();
  const error = errorPct(published, simulated, point.unit);
  const status = statusOf(error, point.suggested_tol_pct);
  return { ...verdict, simulated, errorPct: error, status, ...(status === 'off' ? because() : {}) };
}

function statusOf(error: number, tolerance: number | undefined): Status {
  if (tolerance === undefined) return 'compared';
  return Math.abs(error) <= tolerance ? 'ok' : 'off';
}

/**
 * By how much a simulation is off, in per cent of the published value. What is published in per cent differs by points of
 * it, and what is less than one by hundredths of its unit: relative to next to nothing, everything is far off. A list is
 * a range: within it the error is 0, beyond it that from its nearer end.
 */
export function errorPct(published: number | readonly number[], simulated: number, unit: string): number {
  const ends = typeof published === 'number' ? [published] : published;
  const target = Math.min(Math.max(simulated, Math.min(...ends)), Math.max(...ends));
  const difference = simulated - target;
  if (unit === '%') return difference;
  return (100 * difference) / Math.max(Math.abs(target), 1);
}

/** One summary per group, in the order in which groups first come. */
export function summarize(verdicts: readonly Verdict[]): Summary[] {
  return [...new Set(verdicts.map(({ group }) => group))].map((group) => {
    const all = verdicts.filter((verdict) => verdict.group === group);
    const counted = all.filter(({ status }) => status !== 'parameter' && status !== 'not-numeric');
    const errors = counted.flatMap((verdict) => (verdict.errorPct === null ? [] : [Math.abs(verdict.errorPct)]));
    const simulated = errors.length;
    return {
      group,
      points: all.length,
      counted: counted.length,
      simulated,
      coveragePct: counted.length === 0 ? null : (100 * simulated) / counted.length,
      meanErrorPct: simulated === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / simulated,
      maxErrorPct: simulated === 0 ? null : Math.max(...errors),
      off: counted.filter(({ status }) => status === 'off').length,
    };
  });
}
