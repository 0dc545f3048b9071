/** By how much a simulation is off. */
import type { Point } from './point.ts';

/** How a quantity ends of which a least or a largest value is published. */
const AT_LEAST = /\b(?:(?:more|longer|larger) than|at least|over)$/i;
const AT_MOST = /\b(?:(?:less|shorter|smaller) than|at most|up to|under)$/i;

/**
 * In per cent of the published value. What is published in per cent differs by points of it, and what is less than one by
 * hundredths of its unit: relative to next to nothing, everything is far off. A list is a range, and so is a bound: within it the
 * error is 0, beyond it that from its nearer end.
 */
export function errorPct(point: Pick<Point, 'value' | 'quantity' | 'unit'>, simulated: number): number {
  const { quantity, unit } = point;
  const ends = [point.value].flat().map(Number);
  const least = AT_MOST.test(quantity) ? -Infinity : Math.min(...ends);
  const most = AT_LEAST.test(quantity) ? Infinity : Math.max(...ends);
  const target = Math.min(Math.max(simulated, least), most);
  const difference = simulated - target;
  if (unit === '%') return difference;
  return (100 * difference) / Math.max(Math.abs(target), 1);
}
