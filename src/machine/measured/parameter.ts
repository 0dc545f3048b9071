/** A value of a machine that no specification says: with its unit, where it comes from, and how sure that is. */

/**
 * - `published`: printed in the source;
 * - `derived`: computed from published values in one step, which the source states;
 * - `fitted`: chosen so that calibration points come out;
 * - `assumed`: plausible, and nothing measured says otherwise;
 * - `inherited`: of another machine, because no point says anything about this one.
 */
export type Certainty = 'published' | 'derived' | 'fitted' | 'assumed' | 'inherited';
/** From the surest to the least sure. */
const CERTAINTIES: readonly Certainty[] = ['published', 'derived', 'fitted', 'inherited', 'assumed'];

export interface Parameter<T = number> {
  readonly value: T;
  readonly unit: string;
  readonly meaning: string;
  readonly source: string;
  readonly certainty: Certainty;
}

export function parameter<const T = number>(
  value: T,
  unit: string,
  meaning: string,
  certainty: Certainty,
  source: string,
): Parameter<T> {
  return { value, unit, meaning, source, certainty };
}

/** Values without where they come from. */
export function plainValues<Name extends string>(
  parameters: Readonly<Record<Name, Parameter>>,
): Readonly<Record<Name, number>> {
  const entries = Object.entries<Parameter>(parameters).map(([name, { value }]) => [name, value]);
  return Object.fromEntries(entries) as Record<Name, number>;
}

/** A value that follows from others: as sure as the least sure of them, and never more than derived. */
export function following<const T>(
  value: T,
  unit: string,
  meaning: string,
  from: Readonly<Record<string, Parameter<unknown>>>,
): Parameter<T> {
  const worst = Math.max(1, ...Object.values(from).map(({ certainty }) => CERTAINTIES.indexOf(certainty)));
  const source = Object.entries(from)
    .map(([name, { value: one, unit: its }]) => `${name} ${String(one)} ${its}`)
    .join(', ');
  return parameter(value, unit, meaning, CERTAINTIES[worst]!, `from ${source}`);
}

/** The same of another machine. */
export function inherited<T>(from: Parameter<T>, why: string): Parameter<T> {
  return { ...from, certainty: 'inherited', source: why };
}
