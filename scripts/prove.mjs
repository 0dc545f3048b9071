// Finds out what the tests prove: runs every test that claims a row (test/proves.ts) with that row switched off, and
// expects it to fail.
//   node scripts/prove.mjs               all claims; writes the files in docs/evidence, then run `npm run docs`
//   node scripts/prove.mjs --check       all claims; fails where the files say something else
//   node scripts/prove.mjs --sample 5    some of their rows, chosen anew every time
//   node scripts/prove.mjs --new         the claims of rows that the files do not have; adds them, and drops what is not
//                                        claimed any more
//   node scripts/prove.mjs --only FSTS   the claims of rows whose name contains FSTS; writes nothing
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FAILS, HANGS, judge, openVitest, runTests } from './prove-runs.mjs';
import { ROOMS } from './rooms.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const EVIDENCE = 'docs/evidence';

const say = (text) => process.stderr.write(`prove: ${text}\n`);

function filesWithClaims(folder = 'test') {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return path === 'test/long' ? [] : filesWithClaims(path);
      return path.endsWith('.test.ts') && readFileSync(join(root, path), 'utf8').includes('proves(') ? [path] : [];
    })
    .sort();
}

/** What the tests claim: room, row, file, names, and for each name the line where its test begins. */
async function collectClaims() {
  const vitest = await openVitest();
  const tests = await runTests(vitest, filesWithClaims());
  await vitest.close();
  const broken = tests.filter((test) => !test.passed && test.proves.length > 0);
  if (broken.length > 0) throw new Complaint(`these tests fail already:\n${list(broken.map((test) => test.name))}`);
  const names = tests.map(({ file, name }) => `${file}: ${name}`);
  const twice = names.filter((name, i) => names.indexOf(name) !== i && tests[i].proves.length > 0);
  if (twice.length > 0) throw new Complaint(`these tests have the name of another one:\n${list(twice)}`);
  const claims = new Map();
  const claim = ({ room, row }, { file, name, line, ms }) => {
    const key = JSON.stringify([row, file]);
    if (!claims.has(key)) claims.set(key, { room, row, file, names: [], lines: [], ms: 0 });
    const found = claims.get(key);
    if (found.names.includes(name)) return;
    found.names.push(name);
    found.lines.push(line);
    found.ms += ms;
  };
  for (const test of tests) for (const claimed of test.proves) claim(claimed, test);
  return [...claims.values(), ...claimsOfStructures(claims)];
}

/** A structure that no test claims itself is proven by one of the tests that claim its fields: a few of them are tried. */
function claimsOfStructures(claims) {
  const structures = new Map();
  for (const { room, row, file, names, ms } of claims.values()) {
    const name = row.slice(0, row.lastIndexOf('.'));
    if (!row.includes('.') || /\.\d+$/.test(row)) continue;
    const known = structures.get(name) ?? { room, row: name, file, names: [], ms: 0, isImplied: true };
    const isClaimed = [...claims.values()].some((claim) => claim.row === name);
    if (!isClaimed && known.file === file && known.names.length < 3 && !known.names.includes(names[0])) {
      structures.set(name, { ...known, names: [...known.names, names[0]], ms: known.ms + ms });
    }
  }
  return [...structures.values()];
}

/** The proven rows of all rooms, each with its room. */
function readEvidence() {
  const rows = Object.entries(ROOMS).flatMap(([room, { evidence }]) => {
    if (!existsSync(join(root, evidence))) return [];
    const known = JSON.parse(readFileSync(join(root, evidence), 'utf8')).rows;
    return Object.entries(known).map(([row, proof]) => [row, { room, ...proof }]);
  });
  return Object.fromEntries(rows);
}

/**
 * The rows of which every claim holds, each with the first test that fails; and the claims that do not hold. A table of
 * cases (it.each) is one test: it fails when one of its cases does.
 */
function evidenceOf(jobs, verdicts) {
  const rows = {};
  const untrue = [];
  jobs.forEach(({ room, row, file, names, lines = names, isImplied }, n) => {
    const holds = (verdict) => verdict === FAILS || verdict === HANGS;
    const held = new Set(lines.filter((_, i) => holds(verdicts[n][i])));
    names.forEach((test, i) => {
      const verdict = verdicts[n][i];
      if (holds(verdict)) rows[row] ??= { room, file, test, verdict };
      else if (isImplied !== true && !held.has(lines[i])) {
        untrue.push({ row, text: `${row}: "${test}" (${file}) ${verdict}` });
        held.add(lines[i]);
      }
    });
  });
  for (const { row } of untrue) delete rows[row];
  const sorted = Object.fromEntries(Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { rows: sorted, untrue: untrue.map(({ text }) => text) };
}

const claimsIn = (rows) => JSON.stringify(Object.entries(rows).map(([row, { file, test }]) => [row, file, test]));

const LISTED = 30;
const list = (lines) => {
  const more = lines.length > LISTED ? [`and ${lines.length - LISTED} more`] : [];
  return [...lines.slice(0, LISTED), ...more].map((line) => `  ${line}`).join('\n');
};

class Complaint extends Error {}

function refuse(untrue) {
  if (untrue.length > 0) throw new Complaint(`these claims do not hold:\n${list(untrue)}`);
}

async function sample(count) {
  const rows = readEvidence();
  // To wait for a test that does not end takes too long here.
  const left = Object.entries(rows).filter(([, { verdict }]) => verdict === FAILS);
  const jobs = [];
  while (jobs.length < count && left.length > 0) {
    const [[row, { file, test }]] = left.splice(Math.floor(Math.random() * left.length), 1);
    jobs.push({ row, file, names: [test] });
  }
  const { untrue } = evidenceOf(jobs, await judge(jobs));
  refuse(untrue);
  say(`proven again: ${jobs.map(({ row }) => row).join(', ')}`);
}

async function proveAll() {
  const { rows, untrue } = await prove(await collectClaims());
  writeEvidence(rows);
  refuse(untrue);
}

async function checkAll() {
  const { rows, untrue } = await prove(await collectClaims());
  refuse(untrue);
  if (claimsIn(readEvidence()) !== claimsIn(rows)) {
    throw new Complaint(`${EVIDENCE} is out of date: npm run prove, then npm run docs.`);
  }
}

async function proveNew() {
  const known = readEvidence();
  const claims = await collectClaims();
  const isKnown = ({ row, file, names }) => known[row]?.file === file && names.includes(known[row].test);
  const standing = new Set(claims.filter(isKnown).map(({ row }) => row));
  const { rows, untrue } = await prove(claims.filter(({ row }) => !standing.has(row)));
  writeEvidence({ ...Object.fromEntries([...standing].map((row) => [row, known[row]])), ...rows });
  refuse(untrue);
}

async function proveOnly(part) {
  const claims = await collectClaims();
  const { rows, untrue } = await prove(claims.filter(({ row }) => row.includes(part)));
  say(Object.keys(rows).join(', '));
  refuse(untrue);
}

async function prove(jobs) {
  const started = Date.now();
  say(`${jobs.length} runs`);
  const found = evidenceOf(jobs, await judge(jobs));
  say(`${Object.keys(found.rows).length} rows proven in ${Math.round((Date.now() - started) / 1000)} s`);
  return found;
}

function writeEvidence(rows) {
  const about = 'Written by `npm run prove`: for each row a test that passes, and that fails without the row.';
  const sorted = Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, { evidence }] of Object.entries(ROOMS)) {
    const own = sorted.filter(([, { room }]) => room === name).map(([row, { room, ...proof }]) => [row, proof]);
    mkdirSync(dirname(join(root, evidence)), { recursive: true });
    writeFileSync(join(root, evidence), `${JSON.stringify({ about, rows: Object.fromEntries(own) }, null, 2)}\n`);
  }
}

async function main([option, value]) {
  if (option === '--sample') await sample(Number(value));
  else if (option === '--only') await proveOnly(value);
  else if (option === '--new') await proveNew();
  else if (option === '--check') await checkAll();
  else if (option === undefined) await proveAll();
  else throw new Complaint('say nothing, or one of --check, --new, --sample N, --only NAME.');
}

main(process.argv.slice(2)).catch((error) => {
  say(error instanceof Complaint ? error.message : error.stack);
  process.exitCode = 1;
});
