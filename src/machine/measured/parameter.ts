/** What a measured machine is known by: each value with its unit, where it comes from, and how sure that is. */

/**
 * - `published`: printed in the source;
 * - `derived`: computed from published values in one step, which the source states;
 * - `fitted`: chosen so that calibration points come out;
 * - `assumed`: plausible, and nothing measured says otherwise;
 * - `inherited`: of another machine, because no point says anything about this one.
 */
export type Certainty = 'published' | 'derived' | 'fitted' | 'assumed' | 'inherited';

export interface Parameter {
  readonly value: number;
  readonly unit: string;
  readonly meaning: string;
  readonly source: string;
  readonly certainty: Certainty;
}

/** What a machine says differently from those like it. */
export type Override = Pick<Parameter, 'value' | 'source' | 'certainty'>;

export function parameter(
  value: number,
  unit: string,
  meaning: string,
  certainty: Certainty,
  source: string,
): Parameter {
  return { value, unit, meaning, source, certainty };
}

export function override(value: number, certainty: Certainty, source: string): Override {
  return { value, source, certainty };
}
