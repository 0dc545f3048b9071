/**
 * A sweep over many machines: points wait in a queue of BullMQ on Redis, workers anywhere take them, and one process, which may
 * stop and come again, gathers results. A point whose worker has fallen silent is given to another.
 */
import { createHash } from 'node:crypto';
import type { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { InputError, quote } from '../../machine/index.ts';
import { type GridPoint, keyOf, type Result, type Study } from '../../study/index.ts';
import { optional } from '../optional.ts';
import type { Pool } from './pool.ts';
import type { Task, Work } from './task.ts';

const PURPOSE = 'A sweep over many machines';
/** Milliseconds between two looks for results. */
const INTERVAL = 200;
/** Results that are taken over in one go. */
const BATCH = 1000;
/** A point is given away again as often as workers die of anything. */
const ALWAYS = 1_000_000;

export interface QueueOptions {
  readonly url: string;
  /** Seconds after which a silent worker counts as dead, and an idle one ends. */
  readonly patience: number;
}

/** One sweep's queue, of which every process with the same plan finds the name. */
export class SweepQueue {
  readonly #redis: Redis;
  readonly #queue: Queue<Task, readonly Result[]>;
  readonly #makeWorker: (pool: Pool) => Worker<Task, readonly Result[]>;
  readonly #patience: number;
  #worker: Worker | null = null;

  private constructor(
    redis: Redis,
    queue: Queue<Task, readonly Result[]>,
    makeWorker: (pool: Pool) => Worker<Task, readonly Result[]>,
    patience: number,
  ) {
    this.#redis = redis;
    this.#queue = queue;
    this.#makeWorker = makeWorker;
    this.#patience = patience * 1000;
  }

  /** Throws an InputError where nobody answers at the address, or a package is missing. */
  static async open(work: Work, { url, patience }: QueueOptions): Promise<SweepQueue> {
    const { Queue: BullQueue, Worker: BullWorker } = await optional('bullmq', PURPOSE, () => import('bullmq'));
    const { Redis: Client } = await optional('ioredis', PURPOSE, () => import('ioredis'));
    const redis = await connect(Client, url);
    const name = `ioasim-${digest(work.points.map((point) => keyOf(work.study, point, work.seed)).join('\n'))}`;
    const milliseconds = patience * 1000;
    const makeWorker = (pool: Pool): Worker<Task, readonly Result[]> =>
      new BullWorker<Task, readonly Result[]>(name, (job) => pool.run(job.data) as Promise<readonly Result[]>, {
        connection: redis,
        concurrency: pool.threads,
        lockDuration: milliseconds,
        stalledInterval: milliseconds,
        maxStalledCount: ALWAYS,
      });
    return new SweepQueue(redis, new BullQueue(name, { connection: redis }), makeWorker, patience);
  }

  /** Takes points from now on. */
  work(pool: Pool): void {
    this.#worker = this.#makeWorker(pool);
    // Redis may be away for a while: the worker goes on when it is back.
    this.#worker.on('error', () => {});
  }

  /** Puts these points into the queue, unless they are there, and gives every result to `take` once. */
  async gather({ study, points, seed }: Work, take: (result: Result) => void): Promise<void> {
    const ids = new Map(points.map((point) => [idOf(study, point, seed), point]));
    const jobs = [...ids].map(([jobId, point]) => ({
      name: study.name,
      data: { study: study.name, points: [point], seed },
      opts: { jobId },
    }));
    await this.#queue.addBulk(jobs);
    while (ids.size > 0) {
      for (const job of await this.#queue.getJobs(['completed'], 0, BATCH - 1)) {
        job.returnvalue.forEach(take);
        ids.delete(job.id!);
        // Only what is in the file leaves the queue.
        await job.remove();
      }
      const [failed] = await this.#queue.getJobs(['failed'], 0, 0);
      if (failed !== undefined) {
        await failed.remove();
        throw new Error(`${study.name} at ${JSON.stringify(failed.data.points[0])}: ${failed.failedReason}`);
      }
      if (ids.size > 0) await sleep(INTERVAL);
    }
    await this.#queue.obliterate({ force: true });
  }

  /** Returns when there has been nothing to do for a while. */
  async untilIdle(): Promise<void> {
    for (let idleSince = Date.now(); Date.now() - idleSince < this.#patience; await sleep(INTERVAL)) {
      const { waiting, active } = await this.#queue.getJobCounts('waiting', 'active');
      if (waiting! + active! > 0) idleSince = Date.now();
    }
  }

  async close(): Promise<void> {
    await this.#worker?.close();
    await this.#queue.close();
    this.#redis.disconnect();
  }
}

async function connect(Client: typeof Redis, url: string): Promise<Redis> {
  if (!/^rediss?:\/\//.test(url)) {
    throw new InputError(`The address of Redis begins with "redis://" or "rediss://", and ${quote(url)} does not.`);
  }
  let isUp = false;
  const redis = new Client(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    // At first nobody waits for it; later it may be away for a while.
    retryStrategy: (times) => (isUp ? Math.min(times * 100, 2000) : null),
  });
  let reason: Error | undefined;
  redis.on('error', (error: Error) => {
    reason ??= error;
  });
  try {
    await redis.connect();
  } catch (error) {
    const { code, message } = (reason ?? error) as NodeJS.ErrnoException;
    throw new InputError(`There is no Redis at ${quote(url)} (${code ?? message}).`);
  }
  isUp = true;
  return redis;
}

function idOf(study: Study, point: GridPoint, seed: number): string {
  return digest(keyOf(study, point, seed));
}

/** Without colons, which Redis keeps for itself, and no number. */
function digest(text: string): string {
  return `h${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
