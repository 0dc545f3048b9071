/** A machine as the command line names it: a preset, or a JSON file. */
import { InputError, type MachineInput, resolveSpec } from '../machine/index.ts';
import { readJson } from './read-json.ts';

/** What `--machine` means. Throws an InputError for an unknown preset and for a file that is not a machine. */
export function readMachine(nameOrFile: string): string | MachineInput {
  if (!isFile(nameOrFile)) {
    resolveSpec(nameOrFile);
    return nameOrFile;
  }
  const input = readJson(nameOrFile) as MachineInput;
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
