// Runs tests with one declared row switched off (test/switch-off.ts), in workers that keep a vitest of their own.
import { fork } from 'node:child_process';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVitest } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));
const WORKERS = 2;
/**
 * How long the tests of a job may take that take `ms` with everything switched on. A row without which a test never ends
 * is proven as well; a busy machine is slow too, so the row gets a second, longer try.
 */
const PATIENCE = [(ms) => 10_000 + 10 * ms, (ms) => 40_000 + 40 * ms];
/** Where nobody knows how long they take. */
const USUAL_MS = 2_000;
export const FAILS = 'fails when switched off';
export const HANGS = 'does not end when switched off';
const PASSES = 'passes when switched off';
const GONE = 'does not exist';

const say = (text) => process.stderr.write(`prove: ${text}\n`);

// --- running tests, in this process ---

export async function openVitest() {
  return await createVitest(
    'test',
    {
      root,
      config: join(root, 'vitest.config.ts'),
      watch: false,
      reporters: [{}],
      pool: 'threads',
      maxWorkers: 1,
      includeTaskLocation: true,
    },
    { clearScreen: false, logLevel: 'error' },
  );
}

/** Every test of some files, or those with the given full names. */
export async function runTests(vitest, files, names) {
  const project = vitest.getRootProject();
  const options =
    names === undefined ? undefined : { testNamePattern: new RegExp(`^(?:${names.map(literal).join('|')})$`) };
  const specifications = files.map((file) => project.createSpecification(join(root, file), options));
  const { testModules } = await vitest.runTestSpecifications(specifications, false);
  const nameOf = (module) => relative(root, module.moduleId).replaceAll('\\', '/');
  // A vitest that has run other files before gives their results, too.
  const inOrder = testModules
    .filter((module) => files.includes(nameOf(module)))
    .toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
  return inOrder.flatMap((module) => {
    const file = nameOf(module);
    const tests = [...module.children.allTests()].filter((test) => test.result().state !== 'skipped');
    return tests.map((test) => ({
      file,
      name: test.fullName.replaceAll(' > ', ' '),
      passed: test.result().state === 'passed',
      line: test.location?.line,
      ms: test.diagnostic()?.duration ?? 0,
      proves: test.meta().proves ?? [],
    }));
  });
}

const literal = (text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Serves one job after another: the verdict on each claim of a row in one file. */
async function work() {
  const vitest = await openVitest();
  process.on('message', async ({ row, file, names }) => {
    process.env.IOASIM_SWITCHED_OFF = row;
    const tests = await runTests(vitest, [file], names);
    const verdictOf = (name) => {
      const found = tests.find((test) => test.name === name);
      return found === undefined ? GONE : found.passed ? PASSES : FAILS;
    };
    process.send(names.map(verdictOf));
  });
  process.send('ready');
}

// --- handing jobs out ---

/** The verdicts on all jobs `{ row, file, names, ms }`, in their order: one for each name. */
export async function judge(jobs) {
  const verdicts = new Array(jobs.length);
  let next = 0;
  let done = 0;
  const serve = async () => {
    let worker;
    while (next < jobs.length) {
      const n = next++;
      for (const patience of PATIENCE) {
        worker ??= await startWorker();
        verdicts[n] = await ask(worker, jobs[n], patience(jobs[n].ms ?? USUAL_MS));
        if (!verdicts[n].includes(HANGS)) break;
        worker = undefined;
      }
      done++;
      if (done % 25 === 0) say(`${done} of ${jobs.length}`);
    }
    worker?.kill();
  };
  await Promise.all(Array.from({ length: Math.min(WORKERS, jobs.length) }, serve));
  return verdicts;
}

function startWorker() {
  const worker = fork(fileURLToPath(import.meta.url), [], {
    execArgv: ['--max-old-space-size=2048'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve(worker));
    worker.once('exit', () => reject(new Error('a worker could not start vitest')));
  });
}

function ask(worker, job, patience) {
  const lost = job.names.map(() => HANGS);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      worker.kill('SIGKILL');
    }, patience);
    const end = (verdicts) => {
      clearTimeout(timer);
      worker.removeAllListeners();
      resolve(verdicts);
    };
    worker.once('message', end);
    worker.once('exit', () => end(lost));
    worker.send(job);
  });
}

// Forked by startWorker, this file is the worker.
if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) await work();
