/**
 * A study: one question about a model, asked at every point of a grid of parameters. It is declared as data and one function,
 * which gives the same row for the same parameters and seed wherever it runs.
 */
import type { Point as Published } from '../machine/index.ts';
import type { Parameter, Value } from './parameter.ts';

/** One value for each parameter. */
export type GridPoint = Readonly<Record<string, Value>>;
/** What was found at a point; null where there is nothing to find. */
export type Row = Readonly<Record<string, number | null>>;

export interface Outcome {
  readonly unit: string;
  readonly meaning: string;
}

/** Columns of a chart: parameters or outcomes. */
export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** One line for each value of this parameter, and one chart for each value of that. */
  readonly series?: string;
  readonly facet?: string;
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Only points with these values. */
  readonly where?: GridPoint;
}

/** Where a published value stands in the grid: whatever parameters it says something about, and the outcome. */
export interface Placed {
  readonly point: GridPoint;
  readonly outcome: string;
}

/** Published measurements that a study is compared with. */
export interface Curve {
  readonly groups: readonly string[];
  /** Nothing for a value that is about something else. */
  place(point: Published): Placed | undefined;
}

type Parameters = Readonly<Record<string, Parameter>>;
type ValueOf<P> = P extends Parameter<infer V> ? V : never;
export type PointOf<P extends Parameters> = { readonly [K in keyof P]: ValueOf<P[K]> };

export interface StudyDefinition<P extends Parameters, O extends Readonly<Record<string, Outcome>>> {
  readonly name: string;
  /** One sentence. */
  readonly question: string;
  /** What is simulated, and what is left out, in a few sentences. */
  readonly setUp: string;
  /** What a reader learns from its own grid, in a few sentences. */
  readonly findings?: string;
  readonly parameters: P;
  readonly outcomes: O;
  readonly published?: Curve;
  readonly plots: readonly Plot[];
  /** Points of the grid that make no sense. */
  omit?(point: PointOf<P>): boolean;
  /** Pure: the same for the same point and seed. */
  run(point: PointOf<P>, seed: number): { readonly [K in keyof O]: number | null };
}

/** A study of whatever parameters. */
export interface Study {
  readonly name: string;
  readonly question: string;
  readonly setUp: string;
  readonly findings?: string;
  readonly parameters: Parameters;
  readonly outcomes: Readonly<Record<string, Outcome>>;
  readonly published?: Curve;
  readonly plots: readonly Plot[];
  omit(point: GridPoint): boolean;
  run(point: GridPoint, seed: number): Row;
}

/** Checks that a declaration names only what it has. */
export function study<const P extends Parameters, const O extends Readonly<Record<string, Outcome>>>(
  definition: StudyDefinition<P, O>,
): Study {
  const { name, parameters, outcomes, plots } = definition;
  const both = Object.keys(parameters).filter((one) => Object.hasOwn(outcomes, one));
  if (both.length > 0) throw new Error(`${name}: ${both[0]} is a parameter and an outcome`);
  for (const { x, y, series = x, facet = x, where = {} } of plots) {
    for (const column of [x, y, series, facet, ...Object.keys(where)]) {
      if (columnOf(definition, column) === undefined) throw new Error(`${name}: a plot of ${column}, which it has not`);
    }
  }
  for (const [parameter, { values, schema }] of Object.entries(parameters)) {
    for (const value of values) {
      if (!schema.safeParse(value).success) throw new Error(`${name}: ${parameter} may not be ${value}`);
    }
  }
  // The grid is made of values that the schemas have accepted.
  return { ...definition, omit: definition.omit ?? (() => false) } as unknown as Study;
}

interface Columns {
  readonly parameters: Parameters;
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

/** A parameter or an outcome. */
export function columnOf({ parameters, outcomes }: Columns, name: string): Outcome | undefined {
  if (Object.hasOwn(parameters, name)) return parameters[name];
  return Object.hasOwn(outcomes, name) ? outcomes[name] : undefined;
}
