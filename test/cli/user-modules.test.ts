import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const rootUrl = new URL('../..', import.meta.url);
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ioasim user files ')));

/** Loads one file with the built package in a process of its own and says what came out. */
const DRIVER = `
const [root, path] = process.argv.slice(1);
const { loadUserModule, UserModuleError } = await import(root + 'dist/src/cli/user-modules.js');
const frontDoor = await import(root + 'dist/src/index.js');
const hardware = await import(root + 'dist/hardware/index.js');
const say = (result) => console.log(JSON.stringify(result));
try {
  const loaded = await loadUserModule(path);
  say({
    value: loaded.value ?? null,
    sameFrontDoor: loaded.frontDoor === undefined ? null : loaded.frontDoor === frontDoor,
    sameHardware: loaded.hardware === undefined ? null : loaded.hardware === hardware,
  });
} catch (error) {
  say({ expected: error instanceof UserModuleError, message: error.message });
}`;

interface Outcome {
  value?: unknown;
  sameFrontDoor?: boolean | null;
  sameHardware?: boolean | null;
  expected?: boolean;
  message?: string;
}

function write(name: string, ...lines: string[]): void {
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
}

function load(name: string): Outcome {
  const args = ['--input-type=module', '--eval', DRIVER, rootUrl.href, name];
  const result = execFileSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return JSON.parse(result) as Outcome;
}

function messageOf(name: string): string {
  const outcome = load(name);
  expect(outcome.expected).toBe(true);
  expect(outcome.message).not.toContain('\n');
  return outcome.message!.replaceAll(folder, 'FOLDER');
}

beforeAll(() => {
  execFileSync(process.execPath, [fileURLToPath(new URL('scripts/setup.mjs', rootUrl)), 'build'], { stdio: 'inherit' });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('A user file outside of any package', () => {
  it('gets the very modules that the CLI uses when it imports ioasim', () => {
    write(
      'plain.js',
      "import * as frontDoor from 'ioasim';",
      "import * as hardware from 'ioasim/hardware';",
      'export { frontDoor, hardware };',
      'export const value = 42;',
    );
    expect(load('plain.js')).toEqual({ value: 42, sameFrontDoor: true, sameHardware: true });
  });

  it('may be TypeScript, and so may what it imports', () => {
    write('helper.mts', 'export const half = (n: number): number => n / 2;');
    write('other.ts', 'export const two: number = 2;');
    write(
      'typed.ts',
      "import * as frontDoor from 'ioasim';",
      "import type { Nothing } from './erased.ts';",
      "import { half } from './helper.mts';",
      "import { two } from './other.js';",
      'interface Shape { readonly n: number }',
      'const shape = { n: 84 } satisfies Shape as Shape;',
      'export const value: number | Nothing = (half(shape!.n) * two) / 2;',
      'export { frontDoor };',
    );
    expect(load('typed.ts')).toEqual({ value: 42, sameFrontDoor: true, sameHardware: null });
  });

  it('may import a CommonJS file that lies beside it', () => {
    write('old.js', 'module.exports = { value: 42 };');
    write('uses-old.js', "import old from './old.js';", 'export const value = old.value;');
    expect(load('uses-old.js').value).toBe(42);
  });
});

describe('A user file that cannot be loaded is told in one sentence', () => {
  it('when it does not exist', () => {
    expect(messageOf('gone.js')).toBe("There is no file 'gone.js'.");
  });

  it('when it is not a file', () => {
    expect(messageOf('.')).toBe("'.' is not a file.");
  });

  it('when it is of another kind', () => {
    write('notes.txt', 'hello');
    expect(messageOf('notes.txt')).toBe("'notes.txt' does not end in one of .js, .mjs, .ts, .mts.");
  });

  it('when its JavaScript has a syntax error', () => {
    write('broken.js', "import 'ioasim';", 'const x = ;');
    expect(messageOf('broken.js')).toBe("'broken.js' cannot be read: Expression expected in FOLDER/broken.js, line 2.");
  });

  it('when its TypeScript has a syntax error', () => {
    write('broken.ts', "import 'ioasim';", 'const x: number = ;');
    expect(messageOf('broken.ts')).toBe("'broken.ts' cannot be read: Expression expected in FOLDER/broken.ts, line 2.");
  });

  it('when its TypeScript is more than types', () => {
    write('enum.ts', 'enum Colour { Red }');
    expect(messageOf('enum.ts')).toMatch(/^'enum\.ts' cannot be read: TypeScript enum is not supported .*, line 1\.$/);
  });

  it('when it imports a package that is not there', () => {
    write('lost.ts', "import 'no-such-package-here';");
    expect(messageOf('lost.ts')).toMatch(/^'lost\.ts' imports something that does not exist: .*'no-such-package-here'/);
  });

  it('when it imports a file that is not there', () => {
    write('alone.js', "import './beside.js';");
    expect(messageOf('alone.js')).toMatch(/^'alone\.js' imports something that does not exist: .*FOLDER\/beside\.js'/);
  });

  it('when it imports a part of ioasim that is not there', () => {
    write('part.js', "import 'ioasim/software';");
    expect(messageOf('part.js')).toBe(
      "'part.js' imports something that does not exist: There is no 'ioasim/software', only ioasim and ioasim/hardware.",
    );
  });

  it('when it imports a name that ioasim does not export', () => {
    write('name.js', "import { noSuchName } from 'ioasim';", 'noSuchName();');
    expect(messageOf('name.js')).toMatch(
      /^'name\.js' cannot be read: .* does not provide an export named 'noSuchName'/,
    );
  });

  it('when it throws', () => {
    write('throws.mjs', "throw new RangeError('no more\\nlines');");
    expect(messageOf('throws.mjs')).toBe("'throws.mjs' failed while it was loaded: RangeError: no more.");
  });
});
