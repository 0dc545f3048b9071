/** A file that somebody named on the command line, as what its JSON says. */
import { readFileSync } from 'node:fs';
import { InputError } from '../machine/index.ts';

/** Throws an InputError for a file that is not there, cannot be read or is not JSON. */
export function readJson(file: string): unknown {
  return parse(file, readText(file));
}

/** Throws an InputError for a file that is not there or cannot be read. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(code === 'ENOENT' ? `There is no file "${file}".` : `"${file}" cannot be read (${code}).`);
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new InputError(`"${file}" is not JSON: ${(error as Error).message.split('\n')[0]}.`);
  }
}
