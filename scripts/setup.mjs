// Makes a clone ready to run: installs the locked dependencies and builds dist/, each only when it is out of date.
//   node scripts/setup.mjs install | build | rebuild
// Uses nothing but Node's own modules, because it runs before anything is installed. Progress goes to stderr.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);
const SOURCES = ['hardware', 'src', 'scenarios', 'bench'];
const BUILD_SETTINGS = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const INSTALL_STAMP = at('node_modules', '.ioasim-setup');
const BUILD_STAMP = at('dist', '.ioasim-setup');
const LOCK = at('.ioasim-setup.lock');
const LOCK_PATIENCE_MS = 10 * 60 * 1000;

/** The set-up cannot go on; the message is for the user as it stands. */
export class SetupError extends Error {}

const say = (text) => process.stderr.write(`ioasim: ${text}\n`);
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** The text of a file that need not be there. */
export function readOr(path, otherwise) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return otherwise;
    throw error;
  }
}

/** Brings node_modules up to date and, if asked, dist/; silent and quick when both are. */
export async function setUp({ build = true, force = false } = {}) {
  requireNode(20, 19);
  if (!force && isInstalled() && (!build || isBuilt())) return;
  await locked(() => {
    if (!isInstalled()) install();
    if (build && (force || !isBuilt())) buildDist();
  });
}

/** A module of dist/. */
export const built = (path) => import(new URL(`../dist/${path}`, import.meta.url));

function requireNode(major, minor) {
  const [haveMajor, haveMinor] = process.versions.node.split('.').map(Number);
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return;
  throw new SetupError(`Node ${major}.${minor} or newer is needed, and this is Node ${process.versions.node}.`);
}

// --- dependencies ---

function isInstalled() {
  const lockFile = readFileSync(at('package-lock.json'), 'utf8');
  if (readOr(INSTALL_STAMP, '') === sha256(lockFile)) return true;
  // Somebody may have run npm by hand: npm's own record of what it installed is as good as our stamp.
  const record = readOr(at('node_modules', '.package-lock.json'), '');
  if (record === '') return false;
  const have = JSON.parse(record).packages;
  const same = Object.entries(JSON.parse(lockFile).packages).every(
    ([path, wanted]) =>
      path === '' || (wanted.optional && !have[path]) || (have[path] && have[path].integrity === wanted.integrity),
  );
  if (same) writeFileSync(INSTALL_STAMP, sha256(lockFile));
  return same;
}

function install() {
  say('installing the dependencies named in package-lock.json (npm ci)');
  const env = { ...process.env };
  // Settings of an npm command that is running us (`npm pack --dry-run`, `npm install --global`) are not meant for this one.
  for (const name of ['dry_run', 'global', 'omit', 'production', 'location']) delete env[`npm_config_${name}`];
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], 'Installing the dependencies', {
    env,
    shell: process.platform === 'win32',
  });
  writeFileSync(INSTALL_STAMP, sha256(readFileSync(at('package-lock.json'), 'utf8')));
}

// --- build ---

function isBuilt() {
  return readOr(BUILD_STAMP, '') === sourceFingerprint();
}

/** Changes when a source file is added, removed or touched. */
function sourceFingerprint() {
  const files = [...BUILD_SETTINGS, ...SOURCES.flatMap(filesUnder)];
  return sha256(
    files
      .map((file) => {
        const found = statSync(at(file), { throwIfNoEntry: false });
        return `${file} ${found?.mtimeMs} ${found?.size}`;
      })
      .join('\n'),
  );
}

function filesUnder(folder) {
  if (!existsSync(at(folder))) return [];
  return readdirSync(at(folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path) : /\.(ts|json)$/.test(entry.name) ? [path] : [];
    })
    .sort();
}

function buildDist() {
  say('building dist/ (tsc)');
  const fingerprint = sourceFingerprint();
  // Built aside and renamed into place, so that nobody ever reads half a build.
  const fresh = at('.dist-new');
  const old = at('.dist-old');
  try {
    for (const left of [fresh, old]) rmSync(left, { recursive: true, force: true });
    const tsc = at('node_modules', 'typescript', 'bin', 'tsc');
    run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], 'The build');
    writeFileSync(join(fresh, '.ioasim-setup'), fingerprint);
    if (existsSync(at('dist'))) renameSync(at('dist'), old);
    renameSync(fresh, at('dist'));
  } finally {
    for (const left of [fresh, old]) rmSync(left, { recursive: true, force: true });
  }
}

function run(command, args, what, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.error) throw new SetupError(`${what} failed: ${result.error.message}.`);
  if (result.status === 0) return;
  // npm ends its complaints with pages of usage; the cause stands at the top.
  const lines = `${result.stdout}${result.stderr}`.trim().split('\n');
  throw new SetupError(`${what} failed:\n${lines.slice(0, 20).join('\n')}`);
}

// --- one at a time ---

async function locked(work) {
  const deadline = Date.now() + LOCK_PATIENCE_MS;
  while (!takeLock()) {
    if (Date.now() > deadline)
      throw new SetupError(`Another set-up holds ${LOCK}; delete that file if none is running.`);
    await sleep(50);
  }
  try {
    work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function takeLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    dropDeadLock();
    return false;
  }
}

/** A set-up that was killed leaves its lock behind; whoever finds it takes it away, by rename so that only one does. */
function dropDeadLock() {
  const holder = readOr(LOCK, '');
  if (holder === '' || isAlive(Number(holder))) return;
  const mine = `${LOCK}-${process.pid}`;
  try {
    renameSync(LOCK, mine);
    // Between reading and renaming, a living process may have taken the lock: then give it back.
    if (readFileSync(mine, 'utf8') === holder) rmSync(mine);
    else renameSync(mine, LOCK);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function main([command]) {
  const commands = { install: { build: false }, build: {}, rebuild: { force: true } };
  if (!Object.hasOwn(commands, command ?? '')) throw new SetupError('Say one of: install, build, rebuild.');
  await setUp(commands[command]);
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  main(process.argv.slice(2)).catch((error) => {
    say(error instanceof SetupError ? error.message : error.stack);
    process.exitCode = 1;
  });
}
