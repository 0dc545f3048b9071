/**
 * Published measurements against simulations of the same: for each point that a model knows, an experiment, and by how
 * much it is off.
 *
 * Surface: `GroupModel`, which one file per group of points provides; `judge` a point; `summarize` the verdicts of groups and of kinds.
 */
import { errorPct } from './error.ts';
import { type Point, partsOf } from './point.ts';
import { KINDS, type Kind, kindOf } from './words.ts';

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
  readonly kind: Kind;
  readonly published: Point['value'];
  /** One number for each quantity of the point. */
  readonly simulated: number | readonly number[] | null;
  /** Simulated minus published, in per cent: see `errorPct`. Of several quantities, that which is farthest off. */
  readonly errorPct: number | null;
  readonly status: Status;
  /** Why it has no model, or why it is off or far from the point, where that is known. */
  readonly reason?: string;
}

/** What is said of several points together. */
export interface Totals {
  readonly points: number;
  /** Points that count: numbers that are no parameters. */
  readonly counted: number;
  /** Of those that count, how many are simulated. */
  readonly simulated: number;
  /** The same in per cent. Null when none counts. */
  readonly coveragePct: number | null;
  /** Mean and largest of the errors, without their signs. */
  readonly meanErrorPct: number | null;
  readonly maxErrorPct: number | null;
  readonly off: number;
}

export interface Summary extends Totals {
  readonly group: string;
}

export interface KindSummary extends Totals {
  readonly kind: Kind;
}

/** Per cent beyond which a point is far from its simulation, whatever it tolerates: then it is said why, too. */
const FAR = 10;

export function judge(point: Point, models: readonly GroupModel[]): Verdict {
  const { id, group, unit, value: published } = point;
  const verdict = { id, group, kind: kindOf(unit), published, simulated: null, errorPct: null };
  if (typeof published === 'string') return { ...verdict, status: 'not-numeric' };
  const model = models.find((one) => one.group === group);
  const whole = model?.recognise(point);
  if (whole === 'parameter') return { ...verdict, status: 'parameter' };
  const parts = partsOf(point);
  const experiments = parts.length === 1 ? [whole] : parts.map((part) => model?.recognise(part));
  const why = (): { reason?: string } => {
    const reason = model?.reason?.(point);
    return reason === undefined ? {} : { reason };
  };
  if (!experiments.every((one) => typeof one === 'function')) return { ...verdict, status: 'no-model', ...why() };
  const simulated = experiments.map((experiment) => experiment());
  const errors = parts.map((part, i) => errorPct(part, simulated[i]!));
  const error = errors.reduce((one, other) => (Math.abs(other) > Math.abs(one) ? other : one));
  const status = statusOf(error, point.suggested_tol_pct);
  const isFar = status === 'off' || Math.abs(error) > FAR;
  const result = simulated.length === 1 ? simulated[0]! : simulated;
  return { ...verdict, simulated: result, errorPct: error, status, ...(isFar ? why() : {}) };
}

function statusOf(error: number, tolerance: number | undefined): Status {
  if (tolerance === undefined) return 'compared';
  return Math.abs(error) <= tolerance ? 'ok' : 'off';
}

/** One summary per group, in the order in which groups first come. */
export function summarize(verdicts: readonly Verdict[]): Summary[] {
  const groups = [...new Set(verdicts.map(({ group }) => group))];
  return groups.map((group) => ({ group, ...totals(verdicts.filter((verdict) => verdict.group === group)) }));
}

/** One summary per kind of quantity that there is. */
export function summarizeKinds(verdicts: readonly Verdict[]): KindSummary[] {
  const kinds = KINDS.filter((kind) => verdicts.some((verdict) => verdict.kind === kind));
  return kinds.map((kind) => ({ kind, ...totals(verdicts.filter((verdict) => verdict.kind === kind)) }));
}

function totals(all: readonly Verdict[]): Totals {
  const counted = all.filter(({ status }) => status !== 'parameter' && status !== 'not-numeric');
  const errors = counted.flatMap((verdict) => (verdict.errorPct === null ? [] : [Math.abs(verdict.errorPct)]));
  const simulated = errors.length;
  return {
    points: all.length,
    counted: counted.length,
    simulated,
    coveragePct: counted.length === 0 ? null : (100 * simulated) / counted.length,
    meanErrorPct: simulated === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / simulated,
    maxErrorPct: simulated === 0 ? null : Math.max(...errors),
    off: counted.filter(({ status }) => status === 'off').length,
  };
}
