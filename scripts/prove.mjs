// Finds out what the tests prove: runs every test that claims a row (test/proves.ts) with that row switched off, and
// expects it to fail.
//   node scripts/prove.mjs               all claims; writes docs/evidence/vtd-proofs.json, then run `npm run docs`
//   node scripts/prove.mjs --check       all claims; fails where the file says something else
//   node scripts/prove.mjs --sample 5    some rows of the file, chosen anew every time
//   node scripts/prove.mjs --only FSTS   the claims of rows whose name contains FSTS; writes nothing
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVitest } from 'vitest/node';

const root = fileURLToPath(new URL('..', import.meta.url));
const EVIDENCE = 'docs/evidence/vtd-proofs.json';
const WORKERS = 2;
/** A row without which a test never ends is proven as well: whoever waits for it is stopped after this time. */
const PATIENCE_MS = 30_000;
const FAILS = 'fails when switched off';
const HANGS = 'does not end when switched off';
const PASSES = 'passes when switched off';
const GONE = 'does not exist';

const say = (text) => process.stderr.write(`prove: ${text}\n`);

// --- running tests, in this process ---

async function openVitest() {
  return await createVitest(
    'test',
    { root, config: join(root, 'vitest.config.ts'), watch: false, reporters: [{}], pool: 'threads', maxWorkers: 1 },
    { clearScreen: false, logLevel: 'error' },
  );
}

/** Every test of some files, or those with the given full names. */
async function runTests(vitest, files, names) {
  const project = vitest.getRootProject();
  const options =
    names === undefined ? undefined : { testNamePattern: new RegExp(`^(?:${names.map(literal).join('|')})$`) };
  const specifications = files.map((file) => project.createSpecification(join(root, file), options));
  const { testModules } = await vitest.runTestSpecifications(specifications, false);
  return testModules.flatMap((module) => {
    const file = relative(root, module.moduleId).replaceAll('\\', '/');
    const tests = [...module.children.allTests()].filter((test) => test.result().state !== 'skipped');
    return tests.map((test) => ({
      file,
      name: test.fullName.replaceAll(' > ', ' '),
      passed: test.result().state === 'passed',
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

/** The verdicts on all jobs, in their order. */
async function judge(jobs) {
  const verdicts = new Array(jobs.length);
  let next = 0;
  let done = 0;
  const serve = async () => {
    let worker;
    while (next < jobs.length) {
      const n = next++;
      worker ??= await startWorker();
      verdicts[n] = await ask(worker, jobs[n]);
      if (verdicts[n].includes(HANGS)) worker = undefined;
      done++;
      if (done % 25 === 0) say(`${done} of ${jobs.length}`);
    }
    worker?.kill();
  };
  await Promise.all(Array.from({ length: Math.min(WORKERS, jobs.length) }, serve));
  return verdicts;
}

function startWorker() {
  const worker = fork(fileURLToPath(import.meta.url), ['--worker'], {
    execArgv: ['--max-old-space-size=2048'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve(worker));
    worker.once('exit', () => reject(new Error('a worker could not start vitest')));
  });
}

function ask(worker, job) {
  const lost = job.names.map(() => HANGS);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      worker.kill('SIGKILL');
    }, PATIENCE_MS);
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

// --- claims and evidence ---

function filesWithClaims(folder = 'test') {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return path === 'test/long' ? [] : filesWithClaims(path);
      return path.endsWith('.test.ts') && readFileSync(join(root, path), 'utf8').includes('proves(') ? [path] : [];
    })
    .sort();
}

/** What the tests claim: row, file, names. A structure is claimed by the first test that claims one of its fields. */
async function collectClaims(only) {
  const vitest = await openVitest();
  const tests = await runTests(vitest, filesWithClaims());
  await vitest.close();
  const broken = tests.filter((test) => !test.passed && test.proves.length > 0);
  if (broken.length > 0) throw new Complaint(`these tests fail already:\n${list(broken.map((test) => test.name))}`);
  const claims = new Map();
  const claim = (row, { file, name }) => {
    const key = JSON.stringify([row, file]);
    if (!claims.has(key)) claims.set(key, { row, file, names: [] });
    const { names } = claims.get(key);
    if (!names.includes(name)) names.push(name);
  };
  for (const test of tests) for (const row of test.proves) if (row.includes(only)) claim(row, test);
  const claimed = new Set([...claims.values()].map(({ row }) => row));
  for (const { row, file, names } of [...claims.values()]) {
    const structure = row.slice(0, row.lastIndexOf('.'));
    if (!row.includes('.') || claimed.has(structure) || /\.\d+$/.test(row)) continue;
    claimed.add(structure);
    claim(structure, { file, name: names[0] });
  }
  return [...claims.values()];
}

function readEvidence() {
  if (!existsSync(join(root, EVIDENCE))) throw new Complaint(`${EVIDENCE} does not exist: npm run prove writes it.`);
  return JSON.parse(readFileSync(join(root, EVIDENCE), 'utf8'));
}

/** The rows of which every claim fails, each with its first claim; and the claims that do not hold. */
function evidenceOf(jobs, verdicts) {
  const rows = {};
  const untrue = [];
  jobs.forEach(({ row, file, names }, n) => {
    names.forEach((test, i) => {
      const verdict = verdicts[n][i];
      if (verdict === FAILS || verdict === HANGS) rows[row] ??= { file, test, verdict };
      else untrue.push({ row, text: `${row}: "${test}" (${file}) ${verdict}` });
    });
  });
  for (const { row } of untrue) delete rows[row];
  const sorted = Object.fromEntries(Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { rows: sorted, untrue: untrue.map(({ text }) => text) };
}

const list = (lines) => lines.map((line) => `  ${line}`).join('\n');

class Complaint extends Error {}

function refuse(untrue) {
  if (untrue.length > 0) throw new Complaint(`these claims do not hold:\n${list(untrue)}`);
}

async function sample(count) {
  const { rows } = readEvidence();
  const left = Object.entries(rows);
  const jobs = [];
  while (jobs.length < count && left.length > 0) {
    const [[row, { file, test }]] = left.splice(Math.floor(Math.random() * left.length), 1);
    jobs.push({ row, file, names: [test] });
  }
  const { untrue } = evidenceOf(jobs, await judge(jobs));
  refuse(untrue);
  say(`proven again: ${jobs.map(({ row }) => row).join(', ')}`);
}

async function proveAll({ check, only }) {
  const started = Date.now();
  const jobs = await collectClaims(only);
  say(`${jobs.length} runs`);
  const { rows, untrue } = evidenceOf(jobs, await judge(jobs));
  say(`${Object.keys(rows).length} rows proven in ${Math.round((Date.now() - started) / 1000)} s`);
  const about = 'Written by `npm run prove`: for each row a test that passes, and that fails without the row.';
  const text = `${JSON.stringify({ about, rows }, null, 2)}\n`;
  if (only === '' && !check) {
    mkdirSync(dirname(join(root, EVIDENCE)), { recursive: true });
    writeFileSync(join(root, EVIDENCE), text);
  }
  refuse(untrue);
  if (check && JSON.stringify(readEvidence().rows) !== JSON.stringify(rows)) {
    throw new Complaint(`${EVIDENCE} is out of date: npm run prove, then npm run docs.`);
  }
}

async function main([option, value]) {
  if (option === '--worker') await work();
  else if (option === '--sample') await sample(Number(value));
  else await proveAll({ check: option === '--check', only: option === '--only' ? value : '' });
}

main(process.argv.slice(2)).catch((error) => {
  say(error instanceof Complaint ? error.message : error.stack);
  process.exitCode = 1;
});
