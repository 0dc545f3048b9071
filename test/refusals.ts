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

let seen = new Set<string>();
let undeclared = new Set<string>();

/** A refusal by name: two commands may have one name, but not one name and one argument. */
export function refusal({ name, argument }: Command, errno: string): string {
  return `${name}${typeof argument === 'object' ? ` (${argument.name})` : ''} -${errno}`;
}

function note(command: Command, result: number): void {
  const errno = errnoName(result);
  const what = refusal(command, errno ?? formatResult(result));
  if (errno === undefined || !refusalsOf(command).has(errno)) undeclared.add(what);
  else seen.add(what);
}

const run = CommandTable.prototype.run;
CommandTable.prototype.run = function* (this: CommandTable<unknown>, context, process, request, argument) {
  const result = yield* run.call(this, context, process, request, argument);
  const command = this.command(request);
  if (command !== undefined && result < 0) note(command, result);
  return result;
};

afterEach(({ task }) => {
  if (seen.size > 0) task.meta.refusals = [...seen];
  const wrong = [...undeclared];
  seen = new Set();
  undeclared = new Set();
  if (wrong.length > 0) throw new Error(`no command may answer so: ${wrong.join(', ')}`);
});
