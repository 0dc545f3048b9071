/** A machine as the command line names it: a preset, or a JSON file. */
import { readFileSync } from 'node:fs';
import { InputError, type MachineInput, resolveSpec } from '../machine/index.ts';

/** What `--machine` means. Throws an InputError for an unknown preset and for a file that is not a machine. */
export function readMachine(nameOrFile: string): string | MachineInput {
  if (!isFile(nameOrFile)) {
    resolveSpec(nameOrFile);
    return nameOrFile;
  }
  const input = parse(nameOrFile, read(nameOrFile)) as MachineInput;
  try {
    resolveSpec(input);
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${nameOrFile}: ${error.message}`);
    throw error;
  }
  return input;
}

function isFile(nameOrFile: string): boolean {
  return nameOrFile.endsWith('.json') || nameOrFile.includes('/') || nameOrFile.includes('\\');
}

function read(file: string): string {
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
