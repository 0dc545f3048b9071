/** Validation against published measurements: every group that has a model. */
import { PCIE_MODEL } from './pcie-model/index.ts';
import type { Point } from './point.ts';
import { type GroupModel, judge, type Verdict } from './validate.ts';

export { type Point, readPoints } from './point.ts';
export { type Status, type Summary, summarize, type Verdict } from './validate.ts';

const MODELS: readonly GroupModel[] = [PCIE_MODEL];

/** Simulates what the point was measured from, if there is a model of it. */
export function validatePoint(point: Point): Verdict {
  return judge(point, MODELS);
}
