/** The scenarios that a command line names: ours by name, other people's by file. */
import { InputError, quote, suggest } from '../machine/index.ts';
import { isScenario, type Scenario } from '../scenario/index.ts';
import { loadUserModule, UserModuleError } from './user-modules.ts';

export interface Selection {
  readonly scenarios: readonly Scenario[];
  /** One sentence for each name that led to nothing. */
  readonly problems: readonly string[];
}

/** Everything in `own` when nothing is named. What cannot be found is a problem; the rest is still selected. */
export async function select(names: readonly string[], own: readonly Scenario[]): Promise<Selection> {
  if (names.length === 0) return { scenarios: own, problems: [] };
  const scenarios: Scenario[] = [];
  const problems: string[] = [];
  for (const name of names) {
    try {
      scenarios.push(...(isFile(name, own) ? await fromFile(name) : [named(name, own)]));
    } catch (error) {
      if (!(error instanceof InputError || error instanceof UserModuleError)) throw error;
      problems.push(error.message);
    }
  }
  return { scenarios, problems };
}

/** Names may have dots, too: `flow-4.1-simple.v1` is no file, and neither is a slip of the pen in it. */
function isFile(name: string, own: readonly Scenario[]): boolean {
  const isOwn = own.some((scenario) => scenario.name === name);
  return !isOwn && (/[/\\]/.test(name) || /\.\D*$/.test(name));
}

function named(name: string, own: readonly Scenario[]): Scenario {
  const found = own.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  const names = own.map((scenario) => scenario.name);
  throw new InputError(`There is no scenario ${quote(name)}; ${suggest(name, names)}`);
}

/** Every scenario that the file exports, the default export first. */
async function fromFile(path: string): Promise<Scenario[]> {
  const { default: main, ...others } = await loadUserModule(path);
  const found = [main, ...Object.values(others)].flat().filter(isScenario);
  if (found.length === 0) {
    throw new InputError(`${quote(path)} exports no scenario; write: export default scenario({ … }).`);
  }
  return [...new Set(found)];
}
