import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const { dependencies, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
};

let folder: string;

/** Somebody else's folder, in which the packed package and what it depends on are installed. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ioasim-reader-'));
  execFileSync(process.execPath, [join(root, 'scripts/setup.mjs'), 'build'], { stdio: 'inherit' });
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: root,
    stdio: 'pipe',
    shell: process.platform === 'win32',
  });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  mkdirSync(join(folder, 'node_modules'));
  execFileSync('tar', ['-xzf', tarball, '-C', 'node_modules'], { cwd: folder });
  // npm calls the folder in a tarball `package`; a link does what an installation would do, without a registry.
  symlinkSync(join(folder, 'node_modules/package'), join(folder, 'node_modules/ioasim'), 'junction');
  for (const name of Object.keys(dependencies)) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'my-first.ts'), firstScenario());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function firstScenario(): string {
  const [, code] = /<!-- This scenario is run by test\/cli\/readme\.test\.ts\. -->\n```ts\n([\s\S]*?)```/.exec(readme)!;
  return code!;
}

function ioasim(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(folder, 'node_modules/ioasim/bin/ioasim.js'), ...args],
    {
      cwd: folder,
      encoding: 'utf8',
      input: '',
    },
  );
  return { code: status, out: stdout, err: stderr };
}

describe('the README', () => {
  it('shows a first scenario of about twenty lines, each of a readable length', () => {
    const lines = firstScenario().trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(120);
  });

  it('shows a scenario that runs from anywhere with the packed package', () => {
    const { code, out, err } = ioasim('run', 'my-first.ts');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^my-first: A device writes into a process$/m);
    expect(out).toContain('✓ The bytes are in the memory of the process.');
    expect(out).toMatch(/ok: 1 of 1 expectations hold/);
  });

  it('is right that the device is stopped when the mapping is left out', () => {
    const without = firstScenario().replace(/^.*IOASID_MAP_DMA, mapping.*\n/m, '');
    writeFileSync(join(folder, 'without.ts'), without);
    const { code, out } = ioasim('run', './without.ts');
    expect(code).toBe(1);
    expect(out).toMatch(/! iommu0: fault 0x5 LGN\.2 \(dma0, write of 0x1000\)/);
    expect(out).toContain('✗ The bytes are in the memory of the process.');
  });

  it('shows a scenario that is right in the eyes of a type checker', () => {
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', ''];
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'my-first.ts'],
      { cwd: folder, encoding: 'utf8' },
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });

  it('shows published points and what validating them prints', () => {
    const [, points] = /```json\n([\s\S]*?)```/.exec(readme)!;
    writeFileSync(join(folder, 'published.json'), points!);
    const [, shown] = /^\$ npx ioasim validate published\.json\n([\s\S]*?)```/m.exec(readme)!;
    expect(ioasim('validate', 'published.json')).toMatchObject({ code: 0, out: shown });
  });

  it('is right that plots and threads are optional: without their packages one sentence says so', () => {
    const missing = (name: string): string =>
      `needs the package "${name}", which is not installed: npm install ${name}.\n`;
    writeFileSync(join(folder, 'pri.yaml'), 'study: pri\n');
    expect(ioasim('study', 'pri', '--svg', 'pri.svg')).toEqual({
      code: 2,
      out: '',
      err: `ioasim: A plot ${missing('vega')}`,
    });
    const threads = `ioasim: A sweep in several threads ${missing('piscina')}`;
    expect(ioasim('sweep', 'pri.yaml', '--threads', '2')).toEqual({ code: 2, out: '', err: threads });
    const machines = `ioasim: A sweep over many machines ${missing('bullmq')}`;
    const queue = ['--engine', 'bullmq', '--redis', 'redis://127.0.0.1:1'];
    expect(ioasim('sweep', 'pri.yaml', ...queue)).toEqual({ code: 2, out: '', err: machines });
    expect(ioasim('sweep', 'pri.yaml', '--threads', '1')).toMatchObject({ code: 0, err: '' });
  });

  const commands = [...readme.matchAll(/^npx ioasim (.+?) *#/gm)].map(([, args]) => args!);

  it('shows what can be asked for', () => {
    expect(commands.length).toBeGreaterThanOrEqual(8);
  });

  // Recorded cases are not part of the package.
  it.each(commands.filter((args) => !args.startsWith('replay')))('shows a command that ends well: %s', (command) => {
    const { code, err } = ioasim(...command.split(' '));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const [, file] = /--trace (\S+)/.exec(command) ?? [];
    if (file !== undefined)
      expect(readFileSync(join(folder, file), 'utf8')).toMatch(
        /^(?:# 01-first-dma on intel-legacy\n|\{"displayTimeUnit")/,
      );
  });

  it('shows a --step that goes on by itself at the end of the input', () => {
    const { code, out } = ioasim('run', 'my-first.ts', '--step');
    expect(code).toBe(0);
    expect(out).toMatch(/\| SS-PTE at 0x/);
    expect(out).toMatch(/ok: 1 of 1 expectations hold/);
  });

  it('shows a machine file that works', () => {
    const [, file] = /`(\{ "preset".*\})`/.exec(readme)!;
    writeFileSync(join(folder, 'mine.json'), file!);
    expect(ioasim('run', 'my-first.ts', '--machine', 'mine.json', '--quiet').code).toBe(0);
    writeFileSync(join(folder, 'mine.json'), ioasim('machines', 'intel-legacy').out);
    expect(ioasim('run', 'my-first.ts', '--machine', 'mine.json', '--quiet').code).toBe(0);
  });

  it('names two npm commands that exist', () => {
    expect(readme).toMatch(/^npm start /m);
    expect(readme).toMatch(/^npm test /m);
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['start', 'test']));
  });
});

describe('a user’s own file', () => {
  it.each([
    [
      'nothing.ts',
      'export const x = 1;',
      /^ioasim: "nothing\.ts" exports no scenario; write: export default scenario\(\{ … \}\)\.\n$/,
    ],
    [
      'untitled.ts',
      "import { scenario } from 'ioasim';\nexport default scenario({ name: 'x' });",
      /^ioasim: .*Scenario "x" needs a title\.\n$/,
    ],
    [
      'wrong-machine.ts',
      "import { scenario } from 'ioasim';\nexport default scenario({ name: 'x', title: 'X', machine: { link: { width: 3 } }, *run() {} });",
      /^ioasim: machine\.link\.width: expected one of 1, 2, 4, 8, 16, got 3\.\n$/,
    ],
    ['broken.ts', 'export default {', /^ioasim: 'broken\.ts' cannot be read: .*\n$/],
  ])('%s gets one sentence, and the others run', (name, text, sentence) => {
    writeFileSync(join(folder, name), text);
    const { code, out, err } = ioasim('run', name, 'my-first.ts', '--quiet');
    expect(code).toBe(2);
    expect(err).toMatch(sentence);
    expect(out).toMatch(/^ok {6}my-first: 1 of 1 expectations hold$/m);
  });

  it('may hold several scenarios, one of which throws', () => {
    const text = `import { scenario } from 'ioasim';
export const breaks = scenario({ name: 'breaks', title: 'Breaks', *run() { throw new Error('it is broken'); } });
export const works = scenario({ name: 'works', title: 'Works', *run(s) { s.check('It works.', true); } });`;
    writeFileSync(join(folder, 'several.mts'), text);
    const { code, out } = ioasim('run', 'several.mts', '--json');
    expect(code).toBe(1);
    const reports = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(reports.map(({ scenario, ok }) => [scenario, ok])).toEqual([
      ['breaks', false],
      ['works', true],
    ]);
    expect(reports[0]!['error']).toMatch(/it is broken\.$/);
  });
});
