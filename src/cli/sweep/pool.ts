/** Threads that run points of studies. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Result, Study } from '../../study/index.ts';
import { readWhole } from '../moment/words.ts';
import { optional } from '../optional.ts';
import { packageRoot } from '../package-root.ts';
import { runTask, type Task } from './task.ts';

const MOST_THREADS = 1024;

export interface Pool {
  readonly threads: number;
  run(task: Task): Promise<readonly Result[]>;
  close(): Promise<void>;
}

/** One thread is this one; more are Piscina's. Throws an InputError where they are wanted and Piscina is not installed. */
export async function openPool(threads: number, studies: readonly Study[]): Promise<Pool> {
  if (threads === 1) return { threads, run: async (task) => runTask(task, studies), close: async () => {} };
  return await openThreads(threads);
}

/** The same, in threads of their own however many: this one then stays free to answer others. */
export async function openThreads(threads: number): Promise<Pool> {
  const { Piscina } = await optional('piscina', 'A sweep in several threads', () => import('piscina'));
  const pool = new Piscina({ filename: threadFile(), minThreads: threads, maxThreads: threads });
  return { threads, run: (task) => pool.run(task) as Promise<Result[]>, close: () => pool.close() };
}

/** Threads run what was built, also where this file is run as it stands. */
function threadFile(): string {
  return fileURLToPath(new URL('dist/src/cli/sweep-thread.js', packageRoot()));
}

/** As many as there are cores, unless somebody says how many. */
export function threadsOf(text: string | undefined, least = 1): number {
  return text === undefined ? availableParallelism() : readWhole('--threads', text, least, MOST_THREADS);
}
