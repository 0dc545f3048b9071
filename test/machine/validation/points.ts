/** Published points as the files of measurements have them, for the tests of the groups' models. */
import { type Point, validatePoint } from '../../../src/machine/index.ts';

/** A point of `group` with these fields; what is not named is said by nothing. */
export function pointsOf(group: string): (fields: Partial<Point>) => Point {
  return (fields) => ({ id: 'p', group, conditions: '', quantity: '', value: 1, unit: '', ...fields });
}

/** What a point of one quantity is simulated as; NaN when it is not. */
export function simulate(point: Point): number {
  return Number(validatePoint(point).simulated ?? Number.NaN);
}
