/** What runs in each thread of a sweep. */
import { studies } from '../../bench/studies/index.ts';
import type { Result } from '../study/index.ts';
import { runTask, type Task } from './sweep/task.ts';

export default function run(task: Task): Result[] {
  return runTask(task, studies);
}
