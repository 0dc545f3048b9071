/**
 * Module hooks that let a user's scenario file, wherever it lies, import `ioasim` and be written in TypeScript.
 *
 * Runs on the thread that Node keeps for module hooks; user-modules.ts registers it. Types are stripped, not checked.
 */
import { readFile } from 'node:fs/promises';
import type { LoadHook, ResolveHook } from 'node:module';
import { fileURLToPath } from 'node:url';
import { stripTypes } from './strip-types.ts';

/** Which URL each bare import of this package stands for. */
export type OwnModules = Readonly<Record<string, string>>;

let ownModules: OwnModules = {};

export function initialize(own: OwnModules): void {
  ownModules = own;
}

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  const own = ownModules[specifier];
  if (own !== undefined) return { url: own, shortCircuit: true };
  if (specifier.startsWith('ioasim/')) throw noSuchPart(specifier);
  try {
    return await nextResolve(specifier, context);
  } catch (error) {
    const twin = typeScriptTwin(specifier, context.parentURL ?? '');
    if (twin === undefined) throw error;
    try {
      return await nextResolve(twin, context);
    } catch {
      throw error;
    }
  }
};

export const load: LoadHook = async (url, context, nextLoad) => {
  if (!isUserFile(url)) return nextLoad(url, context);
  if (isTypeScript(url)) {
    const path = fileURLToPath(bare(url));
    return { format: 'module', source: stripTypes(await readFile(path, 'utf8'), path), shortCircuit: true };
  }
  // A lone .js file has no package.json to say what it is: it is a module if it looks like one.
  if (bare(url).endsWith('.js') && context.format !== 'module') {
    const source = await readFile(fileURLToPath(bare(url)), 'utf8');
    if (/^\s*(import|export)\b/m.test(source)) return { format: 'module', source, shortCircuit: true };
  }
  return nextLoad(url, context);
};

function noSuchPart(specifier: string): Error {
  const known = Object.keys(ownModules).join(' and ');
  return Object.assign(new Error(`There is no '${specifier}', only ${known}`), { code: 'ERR_MODULE_NOT_FOUND' });
}

/** As in any TypeScript project, `./x.js` in a .ts file may name the file that is written as `./x.ts`. */
function typeScriptTwin(specifier: string, parent: string): string | undefined {
  const applies = isUserFile(parent) && isTypeScript(parent) && /^\.\.?\/.*\.m?js$/.test(specifier);
  return applies ? specifier.replace(/js$/, 'ts') : undefined;
}

/** A URL without its query, which tells two loads of one file apart. */
function bare(url: string): string {
  return url.replace(/[?#].*$/, '');
}

function isTypeScript(url: string): boolean {
  return /\.m?ts$/.test(bare(url));
}

function isUserFile(url: string): boolean {
  return url.startsWith('file:') && !url.includes('/node_modules/');
}
