/**
 * Holds the sources to the stairs of the house: which room may import which, where packages and Node may be used,
 * and what would make a run depend on anything but its inputs.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

interface Room {
  /** Globs: `*` is one path segment or a part of it, `**` any number of segments. The first room that matches a file is its room. */
  readonly files: readonly string[];
  /** What it may import beside its own folder. */
  readonly imports: readonly string[];
  readonly packages?: readonly string[];
  /** Whether `node:` modules are allowed. */
  readonly node?: true;
}

const BITS = 'hardware/bits/**';
const SIM = 'hardware/sim/**';
const FORMATS = 'hardware/formats/**';
/** A spec file may be a folder; a model reads the specs of the rooms below it through those rooms. */
const SPECS = ['hardware/**/spec.ts', 'hardware/**/spec/**'];
const MEMORY = 'hardware/memory/**';
const PCIE = 'hardware/pcie/**';
const ATS = 'hardware/ats/**';
const IOMMU = 'hardware/iommu/**';
const FRONT = 'hardware/index.ts';
const MODEL = [BITS, SIM, FORMATS];
const ABOVE_MACHINE = ['src/machine/**', 'src/recorder/**', 'src/uapi/**', FRONT];
const MANIFESTS = ['scenarios/index.ts', 'bench/studies/index.ts'];
/** The command, and what runs in each of its threads. */
const CLI_ENTRIES = ['src/cli/main.ts', 'src/cli/sweep-thread.ts'];
/** The last five are optional: each is imported where it is used, and where it is missing a sentence says so. */
const CLI_PACKAGES = ['amaro', 'commander', 'yaml', 'zod', 'bullmq', 'ioredis', 'piscina', 'vega', 'vega-lite'];
const EVERYTHING = ['**'];

// biome-ignore format: one room, one line, as in the design's table.
const STAIRS: readonly Room[] = [
  // step 0 and 1
  { files: [BITS], imports: [] },
  { files: [SIM], imports: [] },
  // step 2: layouts and code points, page-table formats
  { files: SPECS, imports: [BITS] },
  { files: [FORMATS], imports: [BITS] },
  // step 3: models. memory <- pcie <- ats <- iommu <- vtd, amdvi; devices -> pcie, ats. Never vtd <-> amdvi, never devices -> iommu.
  { files: [MEMORY], imports: MODEL },
  { files: [PCIE], imports: [...MODEL, MEMORY] },
  { files: [ATS], imports: [...MODEL, MEMORY, PCIE] },
  { files: [IOMMU], imports: [...MODEL, MEMORY, PCIE, ATS] },
  { files: ['hardware/vtd/**'], imports: [...MODEL, MEMORY, PCIE, ATS, IOMMU] },
  { files: ['hardware/amdvi/**'], imports: [...MODEL, MEMORY, PCIE, ATS, IOMMU] },
  { files: ['hardware/path/**'], imports: [...MODEL, MEMORY, PCIE, ATS, IOMMU] },
  { files: ['hardware/cpu/**'], imports: [...MODEL, MEMORY, PCIE] },
  { files: ['hardware/devices/**'], imports: [...MODEL, PCIE, ATS] },
  // step 3b: the rig and the library's front door
  { files: ['hardware/*.ts', 'hardware/rig/**'], imports: ['hardware/**'] },
  // step 4
  { files: ['src/uapi/**'], imports: [BITS] },
  { files: ['src/recorder/**'], imports: [BITS, SIM], packages: ['eventemitter3'] },
  // step 5: a driver sees hardware as a real one does; user space sees only the uAPI
  { files: ['src/kernel/**'], imports: ['src/uapi/**', BITS, SIM, FORMATS, ...SPECS] },
  { files: ['src/user/**'], imports: ['src/uapi/**', BITS, ...SPECS] },
  // step 6: the one place where models, kernel and user space meet
  { files: ['src/machine/**'], imports: ['hardware/**', 'src/uapi/**', 'src/recorder/**', 'src/kernel/**', 'src/user/**'], packages: ['zod'] },
  // step 7: read snapshots and events, never poke a model. Only the entry files look up, at the manifests.
  { files: ['src/scenario/**'], imports: ABOVE_MACHINE, packages: ['zod'] },
  { files: ['src/study/**'], imports: ABOVE_MACHINE, packages: ['zod'] },
  { files: CLI_ENTRIES, imports: ['src/cli/**', 'src/scenario/**', 'src/study/**', ...ABOVE_MACHINE, ...MANIFESTS], packages: ['commander', 'zod'], node: true },
  { files: ['src/cli/**'], imports: ['src/scenario/**', 'src/study/**', ...ABOVE_MACHINE], packages: CLI_PACKAGES, node: true },
  { files: ['src/ui/main.ts'], imports: ['src/ui/**', 'src/scenario/**', ...ABOVE_MACHINE, ...MANIFESTS] },
  { files: ['src/ui/**'], imports: ['src/scenario/**', ...ABOVE_MACHINE] },
  { files: ['src/index.ts'], imports: ['src/scenario/**', 'src/study/**', ...ABOVE_MACHINE] },
  // step 8: the front door only
  { files: ['scenarios/**'], imports: ['src/index.ts'] },
  { files: ['bench/studies/**'], imports: ['src/index.ts'] },
  // step 9
  { files: ['bench/**'], imports: EVERYTHING, packages: ['benchmark'], node: true },
  { files: ['test/**'], imports: EVERYTHING, packages: ['fast-check', 'rolldown', 'vitest'], node: true },
];

const ALL_BELOW_CLI = ['hardware/**', 'src/!(cli)/**', 'src/*.ts', 'scenarios/**'];
/** What makes a result depend on the hour, the engine or luck. Exact functions of Math are the same in every engine; others are not. */
const FORBIDDEN: readonly { readonly where: readonly string[]; readonly what: RegExp; readonly why: string }[] = [
  { where: ALL_BELOW_CLI, what: /\bMath\s*\.\s*random\b/, why: 'randomness is seeded (hardware/sim)' },
  { where: ALL_BELOW_CLI, what: /\bDate\s*\.\s*now\b|\bnew\s+Date\b/, why: 'simulated time is the only clock' },
  {
    where: ['hardware/**', 'src/uapi/**', 'src/kernel/**', 'src/user/**'],
    what: /\bMath\s*\.\s*(?!(?:imul|floor|ceil|trunc|round|sqrt|clz32|min|max|abs|random)\b)\w+/,
    why: 'this function of Math differs between engines',
  },
];

const LINES_LISTED = 300;
const LINES_REFUSED = 400;

// --- how the table is read ---

function matches(globs: readonly string[], path: string): boolean {
  return globs.some((glob) => toRegExp(glob).test(path));
}

function toRegExp(glob: string): RegExp {
  const parts: Record<string, string> = {
    '**/': '(?:.*/)?',
    '**': '.*',
    '*': '[^/]*',
    '!(cli)': '(?!cli/)[^/]*',
    '.': '\\.',
  };
  return new RegExp(`^${glob.replace(/\*\*\/|\*\*|\*|!\(cli\)|\./g, (token) => parts[token]!)}$`);
}

/** The folder that a file may use freely: that of its room, and of its own unit where a room's glob covers several units. */
function ownFolder(room: Room, file: string): string {
  const glob = room.files.find((one) => matches([one], file))!;
  if (glob.endsWith('/spec/**')) return `${file.slice(0, file.lastIndexOf('/spec/'))}/spec/**`;
  return glob.endsWith('/**') ? glob : file;
}

/** Why the import is refused, or undefined. */
function refusal(file: string, specifier: string): string | undefined {
  const room = STAIRS.find((one) => matches(one.files, file));
  if (room === undefined) return `${file} stands in no room of the table`;
  if (specifier.startsWith('node:')) return room.node ? undefined : `${file} uses ${specifier}`;
  if (!specifier.startsWith('.')) {
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
    return room.packages?.includes(name) ? undefined : `${file} uses the package ${name}`;
  }
  const target = join(dirname(file), specifier);
  return matches([ownFolder(room, file), ...room.imports], target) ? undefined : `${file} imports ${target}`;
}

function withoutComments(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/(^|\s)\/\/.*$/gm, '$1');
}

const STATEMENT = /^\s*(?:import|export)\b[^;'"`=()]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]/gm;
const EXPRESSION = /\bimport\(\s*['"]([^'"]+)['"]/g;

function importsOf(source: string): string[] {
  const code = withoutComments(source);
  return [...code.matchAll(STATEMENT), ...code.matchAll(EXPRESSION)].map((found) => (found[1] ?? found[2])!);
}

function forbiddenWords(file: string, source: string): string[] {
  const lines = withoutComments(source).split('\n');
  return FORBIDDEN.filter((rule) => matches(rule.where, file)).flatMap((rule) =>
    lines.flatMap((line, i) => (rule.what.test(line) ? [`${file}:${i + 1} ${line.trim()}: ${rule.why}`] : [])),
  );
}

// --- the sources ---

const root = fileURLToPath(new URL('..', import.meta.url));

function filesUnder(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesUnder(path) : path.endsWith('.ts') ? [path] : [];
  });
}

const sources = ['hardware', 'src', 'scenarios', 'bench', 'test']
  .flatMap(filesUnder)
  .map((file) => ({ file, source: readFileSync(join(root, file), 'utf8') }));

describe('The house', () => {
  it('imports only down the stairs, and packages and Node only where the table allows them', () => {
    const refused = sources.flatMap(({ file, source }) =>
      importsOf(source).map((specifier) => refusal(file, specifier)),
    );
    expect(refused.filter((reason) => reason !== undefined)).toEqual([]);
  });

  it('depends on no clock, no luck and no engine', () => {
    expect(sources.flatMap(({ file, source }) => forbiddenWords(file, source))).toEqual([]);
  });

  it(`has no file of more than ${LINES_REFUSED} lines`, ({ annotate }) => {
    const lengths = sources.map(({ file, source }) => ({ file, lines: source.split('\n').length - 1 }));
    const long = lengths
      .filter(({ lines }) => lines > LINES_LISTED)
      .map(({ file, lines }) => `${file} has ${lines} lines`);
    if (long.length > 0) annotate(`More than ${LINES_LISTED} lines:\n${long.join('\n')}`);
    expect(lengths.filter(({ lines }) => lines > LINES_REFUSED)).toEqual([]);
  });
});

describe('The table itself', () => {
  it.each([
    ['hardware/bits/layout.ts', '../sim/time.ts'],
    ['hardware/sim/time.ts', '../bits/layout.ts'],
    ['hardware/sim/time.ts', 'eventemitter3'],
    ['hardware/vtd/spec.ts', './unit.ts'],
    ['hardware/vtd/spec/registers.ts', '../translate.ts'],
    ['hardware/vtd/spec/registers.ts', '../../amdvi/spec/registers.ts'],
    ['hardware/vtd/unit.ts', '../amdvi/unit.ts'],
    ['hardware/vtd/unit.ts', '../amdvi/spec.ts'],
    ['hardware/vtd/unit.ts', 'node:fs'],
    ['hardware/vtd/unit.ts', 'fs'],
    ['hardware/devices/dma-engine.ts', '../iommu/walker.ts'],
    ['hardware/memory/physical-memory.ts', '../pcie/tlp.ts'],
    ['hardware/rig.ts', '../src/uapi/errno.ts'],
    ['src/uapi/structs.ts', '../kernel/fd.ts'],
    ['src/uapi/structs.ts', '../../hardware/sim/time.ts'],
    ['src/recorder/trace.ts', '../../hardware/vtd/unit.ts'],
    ['src/kernel/vtd/driver.ts', '../../../hardware/vtd/unit.ts'],
    ['src/kernel/fd.ts', 'eventemitter3'],
    ['src/user/vmm.ts', '../kernel/fd.ts'],
    ['src/machine/build.ts', '../scenario/runner.ts'],
    ['src/machine/build.ts', 'commander'],
    ['src/scenario/runner.ts', '../../hardware/vtd/unit.ts'],
    ['src/scenario/runner.ts', '../kernel/fd.ts'],
    ['src/scenario/runner.ts', '../../scenarios/index.ts'],
    ['src/cli/run.ts', '../../scenarios/index.ts'],
    ['src/cli/run.ts', '../kernel/fd.ts'],
    ['src/cli/main.ts', '../../scenarios/01-first-dma.ts'],
    ['scenarios/01-first-dma.ts', '../src/machine/build.ts'],
    ['scenarios/01-first-dma.ts', '../hardware/index.ts'],
    ['scenarios/01-first-dma.ts', 'node:fs'],
    ['src/study/grid.ts', '../../bench/studies/index.ts'],
    ['src/cli/sweep/run.ts', '../../../bench/studies/index.ts'],
    ['bench/studies/iotlb.ts', '../../src/machine/build.ts'],
    ['bench/studies/iotlb.ts', 'zod'],
    ['hardware/attic/old.ts', '../bits/layout.ts'],
  ])('refuses that %s imports %s', (file, specifier) => {
    expect(refusal(file, specifier)).toBeDefined();
  });

  it.each([
    ['hardware/vtd/spec/registers.ts', './faults.ts'],
    ['hardware/vtd/spec.ts', '../bits/layout.ts'],
    ['hardware/vtd/unit.ts', './spec.ts'],
    ['hardware/vtd/unit.ts', '../iommu/iotlb.ts'],
    ['hardware/index.ts', './rig.ts'],
    ['src/recorder/events.ts', 'eventemitter3'],
    ['src/kernel/vtd/driver.ts', '../../../hardware/vtd/spec/registers.ts'],
    ['src/kernel/vtd/driver.ts', '../fd.ts'],
    ['src/machine/build.ts', '../../hardware/vtd/unit.ts'],
    ['src/scenario/runner.ts', '../../hardware/index.ts'],
    ['src/cli/main.ts', './run.ts'],
    ['src/cli/main.ts', '../../scenarios/index.ts'],
    ['src/cli/run.ts', 'node:fs'],
    ['src/cli/sweep-thread.ts', '../../bench/studies/index.ts'],
    ['src/cli/study/plot.ts', 'vega'],
    ['bench/studies/window.ts', '../../src/index.ts'],
    ['scenarios/index.ts', './01-first-dma.ts'],
    ['scenarios/01-first-dma.ts', '../src/index.ts'],
    ['bench/run.ts', '../hardware/vtd/unit.ts'],
  ])('allows that %s imports %s', (file, specifier) => {
    expect(refusal(file, specifier)).toBeUndefined();
  });

  it('sees every way to write an import, and none in a comment', () => {
    const source = [
      "import a, { b } from './1.ts';",
      "import type { C } from './2.ts';",
      "export * from './3.ts';",
      'export {',
      '  d,',
      "} from './4.ts';",
      "import './5.ts';",
      "let e: import('./6.ts').E;",
      "// import f from './no.ts';",
      "/* import f from './no.ts'; */",
      "export const from = './no.ts';",
    ].join('\n');
    expect(importsOf(source).sort()).toEqual(['./1.ts', './2.ts', './3.ts', './4.ts', './5.ts', './6.ts']);
  });

  it.each([
    ['hardware/sim/time.ts', 'const now = Date.now();'],
    ['src/kernel/fd.ts', 'const when = new Date(0);'],
    ['src/index.ts', 'const luck = Math.random();'],
    ['scenarios/01-first-dma.ts', 'const luck = Math.random();'],
    ['hardware/sim/random.ts', 'const x = Math.log(2);'],
    ['hardware/sim/random.ts', 'const x = Math.pow(2, 3);'],
  ])('refuses in %s: %s', (file, line) => {
    expect(forbiddenWords(file, `${line} // a comment\n`)).toHaveLength(1);
  });

  it.each([
    ['hardware/sim/random.ts', 'const x = Math.floor(Math.sqrt(Math.imul(3, 4))); // Math.random'],
    ['src/cli/main.ts', 'const now = Date.now();'],
  ])('allows in %s: %s', (file, line) => {
    expect(forbiddenWords(file, line)).toEqual([]);
  });
});
