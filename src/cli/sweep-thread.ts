/** What runs in each thread of a sweep: points of one study, one after the other. */
import { studies } from '../../bench/studies/index.ts';
import { type Result, resultAt } from '../study/index.ts';
import type { Task } from './sweep/task.ts';

export default function run({ study: name, points, seed }: Task): Result[] {
  const study = studies.find((one) => one.name === name)!;
  return points.map((point) => resultAt(study, point, seed));
}
