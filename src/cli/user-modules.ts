/**
 * Imports a user's own scenario file (.js, .mjs, .ts, .mts) from anywhere on disk.
 *
 * Offers `loadUserModule(path)`; inside the file, `ioasim` and `ioasim/hardware` are this very package, the instances
 * that the CLI uses. Works in the built package only, because a module hook needs JavaScript to run.
 */
import { readFileSync, statSync } from 'node:fs';
import { register } from 'node:module';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { OwnModules } from './user-module-hooks.ts';

const EXTENSIONS = ['.js', '.mjs', '.ts', '.mts'];
const NOT_FOUND: readonly unknown[] = [
  'ERR_MODULE_NOT_FOUND',
  'ERR_PACKAGE_PATH_NOT_EXPORTED',
  'ERR_UNSUPPORTED_DIR_IMPORT',
];

/** A user's file cannot be loaded; the message is one sentence for the user. */
export class UserModuleError extends Error {
  override readonly name = 'UserModuleError';
}

/** Imports the file and returns its exports; `path` is relative to the current directory. Throws only UserModuleError. */
export async function loadUserModule(path: string): Promise<Record<string, unknown>> {
  const absolute = resolve(path);
  requireFile(absolute, path);
  registerHooksOnce();
  try {
    return (await import(pathToFileURL(absolute).href)) as Record<string, unknown>;
  } catch (error) {
    throw new UserModuleError(await explain(error, path), { cause: error });
  }
}

function requireFile(absolute: string, path: string): void {
  const found = statSync(absolute, { throwIfNoEntry: false });
  if (found === undefined) throw new UserModuleError(`There is no file '${path}'.`);
  if (!found.isFile()) throw new UserModuleError(`'${path}' is not a file.`);
  if (EXTENSIONS.includes(extname(absolute))) return;
  throw new UserModuleError(`'${path}' does not end in one of ${EXTENSIONS.join(', ')}.`);
}

let registered = false;

function registerHooksOnce(): void {
  if (registered) return;
  registered = true;
  const own: OwnModules = {
    ioasim: new URL('../index.js', import.meta.url).href,
    'ioasim/hardware': new URL('../../hardware/index.js', import.meta.url).href,
  };
  register('./user-module-hooks.js', import.meta.url, { data: own });
}

/** One sentence for whatever went wrong while the file, or a file that it imports, was found, read and run. */
async function explain(error: unknown, path: string): Promise<string> {
  if (!(error instanceof Error)) return `'${path}' threw ${String(error)} while it was loaded.`;
  if (NOT_FOUND.includes((error as { code?: unknown }).code)) {
    return `'${path}' imports something that does not exist: ${sentence(error.message)}`;
  }
  if (error.name === 'SyntaxError') return `'${path}' cannot be read: ${sentence(await withPlace(error, path))}`;
  return `'${path}' failed while it was loaded: ${error.name}: ${sentence(error.message)}`;
}

/** Node leaves the place of a syntax error out of the message: it is on the stack's first line, or the stripper knows it. */
async function withPlace(error: Error, path: string): Promise<string> {
  if (/, line \d+$/.test(error.message)) return error.message;
  const place = /^(file:\/\/.*):(\d+)$/.exec(error.stack?.split('\n')[0] ?? '');
  if (place !== null) return `${error.message} in ${fileURLToPath(place[1]!)}, line ${place[2]}`;
  const { stripTypes } = await import('./strip-types.ts');
  try {
    stripTypes(readFileSync(path, 'utf8'), resolve(path));
    return error.message;
  } catch (found) {
    return (found as Error).message;
  }
}

function sentence(message: string): string {
  const first = message.split('\n')[0]!;
  return first.endsWith('.') ? first : `${first}.`;
}
