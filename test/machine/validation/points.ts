/** Published points as the files of measurements have them, for the tests of the groups' models. */
import type { Point } from '../../../src/machine/index.ts';

/** A point of `group` with these fields; what is not named is said by nothing. */
export function pointsOf(group: string): (fields: Partial<Point>) => Point {
  return (fields) => ({ id: 'p', group, conditions: '', quantity: '', value: 1, unit: '', ...fields });
}
