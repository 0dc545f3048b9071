/**
 * Runs before every test file. The errno of every command that a test runs is declared in `src/uapi/refusals.ts`, or the test
 * fails; and after a whole run each one that is declared must have been provoked.
 */
import { afterEach } from 'vitest';
import { CommandTable } from '../src/kernel/commands.ts';
import { type Command, errnoName, formatResult, refusalsOf } from '../src/uapi/index.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** Refusals that the test has seen. */
    refusals?: string[];
    /** All that are declared. */
    declaredRefusals?: string[];
  }
}

/** What one test has seen. */
interface Noted {
  readonly seen: Set<string>;
  readonly undeclared: Set<string>;
}

/** Refusals by name: two commands may have one name, but not one name and one argument. */
export function refusal({ name, argument }: Command, errno: string): string {
  return `${name}${typeof argument === 'object' ? ` (${argument.name})` : ''} -${errno}`;
}

function note(command: Command, result: number, { seen, undeclared }: Noted): void {
  const errno = errnoName(result);
  const what = refusal(command, errno ?? formatResult(result));
  if (errno === undefined || !refusalsOf(command).has(errno)) undeclared.add(what);
  else seen.add(what);
}

/** This file runs once for each test file, but the files of a worker share the class: it is patched by the first. */
const table: typeof CommandTable & { noted?: Noted } = CommandTable;
table.noted ??= patch({ seen: new Set(), undeclared: new Set() });
const { noted } = table;

function patch(into: Noted): Noted {
  const run = CommandTable.prototype.run;
  CommandTable.prototype.run = function* (this: CommandTable<unknown>, context, process, request, argument) {
    const result = yield* run.call(this, context, process, request, argument);
    const command = this.command(request);
    if (command !== undefined && result < 0) note(command, result, into);
    return result;
  };
  return into;
}

afterEach(({ task }) => {
  if (noted.seen.size > 0) task.meta.refusals = [...noted.seen];
  const wrong = [...noted.undeclared];
  noted.seen.clear();
  noted.undeclared.clear();
  if (wrong.length > 0) throw new Error(`no command may answer so: ${wrong.join(', ')}`);
});
