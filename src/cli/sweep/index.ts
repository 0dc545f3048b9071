/** `ioasim sweep`: a grid of a study over threads or machines, which goes on where it was stopped. */
import { Command, Option } from 'commander';
import { InputError, quote } from '../../machine/index.ts';
import type { Result, Study } from '../../study/index.ts';
import { Progress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import { runLocally } from './local.ts';
import { readPlan, shardOf } from './plan.ts';
import { openPool, openThreads, threadsOf } from './pool.ts';
import { SweepQueue } from './queue.ts';
import { ResultFile } from './result-file.ts';
import type { Work } from './task.ts';

interface Options {
  readonly output?: string;
  readonly threads?: string;
  readonly shard?: string;
  readonly engine: 'threads' | 'bullmq';
  readonly redis?: string;
  readonly patience: string;
  readonly worker?: true;
}

const HELP = `
A sweep file names a study and, where its own grid is not wanted, values of its parameters:

  study: window
  seed: 1
  parameters:
    machine: [bdw, ivb]
    window: [256K, 1M, 4M]

Each result is a line of JSON. Points whose results are in the file are not run again; files of shards, or of several
sweeps, are joined by putting one behind the other, and \`ioasim study NAME --from FILE\` shows them.`;

export function sweepCommand(studies: readonly Study[], terminal: Terminal): Command {
  return new Command('sweep')
    .description('run a grid of a study over threads or machines; a second run goes on where the first was stopped')
    .argument('<file.yaml>', 'what to run')
    .option('-o, --output <file.jsonl>', 'where results go, instead of beside the sweep file')
    .option('--threads <number>', 'instead of one for each core')
    .option('--shard <i/n>', 'only every n-th point, from the i-th on: for one task of a batch job')
    .addOption(new Option('--engine <name>', 'who runs it').choices(['threads', 'bullmq']).default('threads'))
    .option('--redis <url>', 'where the queue of bullmq is')
    .option('--patience <seconds>', 'after which a silent worker of bullmq counts as dead, and an idle one ends', '30')
    .option('--worker', 'only take points from the queue; results go to the run without it')
    .addHelpText('after', HELP)
    .action(async (file: string, options: Options) => {
      const plan = readPlan(file, studies);
      const wanted = { ...plan, points: shardOf(plan.points, options.shard) };
      if (options.engine === 'bullmq') await overMachines(file, wanted, options, terminal);
      else await overThreads(file, wanted, options, studies, terminal);
    });
}

async function overThreads(
  file: string,
  wanted: Work,
  options: Options,
  studies: readonly Study[],
  terminal: Terminal,
): Promise<void> {
  if (options.worker || options.redis !== undefined) {
    throw new InputError('Only --engine bullmq has a queue: --redis and --worker go with it.');
  }
  const threads = threadsOf(options.threads);
  const run = new SweepRun(file, wanted, options, terminal);
  const pool = await openPool(Math.max(Math.min(threads, run.work.points.length), 1), studies);
  try {
    await runLocally(run.work, pool, (result) => run.take(result));
  } finally {
    await pool.close();
  }
  run.end(` on ${pool.threads} ${pool.threads === 1 ? 'thread' : 'threads'}`);
}

async function overMachines(file: string, wanted: Work, options: Options, terminal: Terminal): Promise<void> {
  const { redis: url, worker: worksOnly = false } = options;
  if (url === undefined) throw new InputError('--engine bullmq needs --redis URL: where its queue is.');
  const patience = Number(options.patience);
  if (!(patience > 0)) throw new InputError(`--patience is a number of seconds, and not ${quote(options.patience)}.`);
  const threads = threadsOf(options.threads, worksOnly ? 1 : 0);
  const queue = await SweepQueue.open(wanted, { url, patience });
  const pool = threads === 0 ? null : await openThreads(threads);
  try {
    const run = worksOnly ? null : new SweepRun(file, wanted, options, terminal);
    if (pool !== null) queue.work(pool);
    if (run === null) await queue.untilIdle();
    else {
      await queue.gather(run.work, (result) => run.take(result));
      run.end(' here');
    }
  } finally {
    await queue.close();
    await pool?.close();
  }
}

/** What is left of a sweep, and what becomes of it. */
class SweepRun {
  readonly work: Work;
  readonly #all: number;
  readonly #file: ResultFile;
  readonly #terminal: Terminal;
  readonly #progress: Progress;
  readonly #from = performance.now();
  readonly #cpu = process.cpuUsage();

  constructor(file: string, wanted: Work, { output, shard }: Options, terminal: Terminal) {
    this.#file = new ResultFile(output ?? besides(file, shard), wanted.study);
    this.#all = wanted.points.length;
    this.work = { ...wanted, points: wanted.points.filter((point) => !this.#file.has(point, wanted.seed)) };
    this.#terminal = terminal;
    this.#progress = new Progress(this.work.points.length, (line) => terminal.progress?.(line));
  }

  take(result: Result): void {
    if (this.#file.add(result)) this.#progress.step();
  }

  end(where: string): void {
    this.#progress.end();
    const { user, system } = process.cpuUsage(this.#cpu);
    const [wall, cpu] = [(performance.now() - this.#from) / 1000, (user + system) / 1e6];
    const run = this.work.points.length;
    const before = run === this.#all ? '' : `, ${this.#all - run} were there before`;
    this.#terminal.out(`${run} points run${before}; ${wall.toFixed(1)} s, CPU time ${cpu.toFixed(1)} s${where}.`);
    this.#terminal.out(`Results: ${this.#file.path}`);
  }
}

function besides(file: string, shard: string | undefined): string {
  const base = file.replace(/\.ya?ml$/, '');
  return `${base}${shard === undefined ? '' : `.${shard.replace('/', '-of-')}`}.jsonl`;
}
