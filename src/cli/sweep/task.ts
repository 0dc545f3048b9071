/** What there is to run, here and in pieces that can be sent anywhere. */
import { type GridPoint, type Result, resultAt, type Study } from '../../study/index.ts';

/** Points of a study, all with the same seed. */
export interface Work {
  readonly study: Study;
  readonly points: readonly GridPoint[];
  readonly seed: number;
}

/** What a thread or another machine is asked. */

export interface Task {
  readonly study: string;
  readonly points: readonly GridPoint[];
  readonly seed: number;
}

/** Runs the points of a task, one after the other, where the studies are known. */
export function runTask({ study: name, points, seed }: Task, studies: readonly Study[]): Result[] {
  const study = studies.find((one) => one.name === name)!;
  return points.map((point) => resultAt(study, point, seed));
}
