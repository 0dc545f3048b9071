/** A sweep over the threads of this machine. */
import type { Result } from '../../study/index.ts';
import type { Pool } from './pool.ts';
import type { Work } from './task.ts';

/** Sending a task to a thread takes a fifth of a millisecond: what takes less time than this is sent by several. */
const SHORT_MS = 20;
const MOST_POINTS = 64;

/** Runs all points; `take` gets each result as it comes, in no order. */
export async function runLocally(
  { study, points, seed }: Work,
  pool: Pool,
  take: (result: Result) => void,
): Promise<void> {
  let next = 0;
  let atOnce = 1;
  const runner = async (): Promise<void> => {
    while (next < points.length) {
      // Towards the end nobody takes so many that the others have nothing left.
      const share = Math.ceil((points.length - next) / pool.threads / 2);
      const some = points.slice(next, next + Math.min(atOnce, share));
      next += some.length;
      const from = performance.now();
      for (const result of await pool.run({ study: study.name, points: some, seed })) take(result);
      if (performance.now() - from < SHORT_MS) atOnce = Math.min(atOnce * 2, MOST_POINTS);
    }
  };
  await Promise.all(Array.from({ length: pool.threads }, runner));
}
