/** `ioasim inspect`: what stands in the machine, or in the rig of a recorded case, at a moment. It changes nothing. */
import { Command } from 'commander';
import type { EntryView, TableNode } from '../../../hardware/index.ts';
import { InputError, quote, suggest } from '../../machine/index.ts';
import { formatJson } from '../../recorder/index.ts';
import type { Scenario } from '../../scenario/index.ts';
import {
  type Moment,
  type MomentOptions,
  reach,
  readRequester,
  readWhole,
  withMomentOptions,
} from '../moment/index.ts';
import type { Terminal } from '../terminal.ts';
import { cacheLines, registerDetail, registerLines, tableLines } from './text.ts';

interface InspectOptions extends MomentOptions {
  readonly requester?: string;
  readonly pasid?: string;
  readonly json?: true;
}

/** What was asked for: as plain data, and as lines. */
interface Shown {
  readonly data: unknown;
  readonly lines: readonly string[];
}

type Show = (moment: Moment, name: string | undefined, options: InspectOptions) => Shown;

const LAST_PASID = 0xf_ffff;
const VIEWS: Readonly<Record<string, Show>> = { state, registers, tables, interrupts, queue, logs, caches };

/** What is shown as a whole, and how a part of it is had all the same. */
const NAMELESS: Readonly<Record<string, string>> = {
  tables: '; --requester B:D.F shows those of one requester',
  interrupts: '',
  queue: '',
  logs: '',
};

export function inspectCommand(own: readonly Scenario[], terminal: Terminal): Command {
  return withMomentOptions(new Command('inspect'))
    .description('show state, registers, tables or caches at a moment of a scenario or of a recorded case')
    .argument('<what>', `one of ${Object.keys(VIEWS).join(', ')}`)
    .argument('[name]', 'one component, register or cache')
    .option('--requester <b:d.f>', 'tables: of this requester only')
    .option('--pasid <n>', 'tables: of this PASID only')
    .action(async (what: string, name: string | undefined, options: InspectOptions) => {
      if (!Object.hasOwn(VIEWS, what)) {
        throw new InputError(`Nothing to inspect is called ${quote(what)}; ${suggest(what, Object.keys(VIEWS))}`);
      }
      if (what !== 'tables' && (options.requester ?? options.pasid) !== undefined) {
        throw new InputError('--requester and --pasid choose among tables: inspect tables.');
      }
      if (name !== undefined && NAMELESS[what] !== undefined) {
        throw new InputError(`inspect ${what} takes no name${NAMELESS[what]}.`);
      }
      const moment = await reach(options, own);
      const { data, lines } = VIEWS[what]!(moment, name, options);
      if (options.json) terminal.out(formatJson({ moment: moment.title, [what]: data }));
      else for (const line of [moment.title, '', ...lines]) terminal.out(line);
    });
}

function state({ components }: Moment, name: string | undefined): Shown {
  const names = Object.keys(components);
  if (names.length === 0) {
    throw new InputError('A recorded case runs on an IOMMU alone: inspect registers, tables or caches of it.');
  }
  const shown = name === undefined ? names : names.filter((each) => each === name);
  if (shown.length === 0) throw new InputError(`There is no component ${quote(name!)}; ${suggest(name!, names)}`);
  const data = Object.fromEntries(shown.map((each) => [each, components[each]]));
  return { data, lines: shown.flatMap((each) => stateLines(each, components[each])) };
}

/** A component's fields, one per line where there is more than one. */
function stateLines(name: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [`${name}: ${JSON.stringify(value)}`];
  const fields = Object.entries(value).map(([field, part]) => `  ${field}: ${JSON.stringify(part)}`);
  return [`${name}${fields.length === 0 ? ': stateless' : ''}`, ...fields];
}

function registers({ iommu }: Moment, name: string | undefined): Shown {
  const all = iommu.registers();
  if (name === undefined) return { data: all, lines: registerLines(all) };
  const found = all.filter((register) => isCalled(register, name));
  if (found.length === 0) {
    const names = [...new Set(all.map(({ what }) => short(what)))];
    throw new InputError(`There is no register ${quote(name)}; ${suggest(name.toUpperCase(), names)}`);
  }
  return { data: found, lines: found.flatMap(registerDetail) };
}

/** FSTS, fsts_reg, FRCD (every one), FRCD[1]. */
function isCalled({ what }: EntryView, name: string): boolean {
  const wanted = short(name.toUpperCase());
  const own = short(what.toUpperCase());
  return own === wanted || own.replace(/\[\d+\]$/, '') === wanted;
}

function short(name: string): string {
  return name.replace(/_REG\b/, '');
}

function tables({ iommu, requesters }: Moment, _name: string | undefined, options: InspectOptions): Shown {
  const requester = options.requester === undefined ? undefined : readRequester(options.requester, requesters);
  const pasid = options.pasid === undefined ? undefined : readWhole('--pasid', options.pasid, 0, LAST_PASID);
  const tree = iommu.tables(requester, pasid);
  return { data: tree, lines: tableLines(tree) };
}

function interrupts({ iommu }: Moment): Shown {
  return treeOf(iommu.interrupts(), 'ECAP_REG.IR is 0: this unit has no interrupt remapping.');
}

function queue({ iommu }: Moment): Shown {
  return treeOf(iommu.queue(), 'ECAP_REG.QI is 0: this unit has no invalidation queue.');
}

/** The rings that the unit fills. */
function logs({ iommu }: Moment): Shown {
  const trees = iommu.logs();
  if (trees.length === 0)
    throw new InputError('This unit fills no ring in memory: its registers hold what it records.');
  return { data: trees, lines: trees.flatMap(tableLines) };
}

function treeOf(tree: TableNode | null, otherwise: string): Shown {
  if (tree === null) throw new InputError(otherwise);
  return { data: tree, lines: tableLines(tree) };
}

function caches({ iommu }: Moment, name: string | undefined): Shown {
  const all = iommu.caches();
  const found = name === undefined ? all : all.filter((cache) => cache.name.toLowerCase() === name.toLowerCase());
  if (found.length === 0) {
    const names = all.map((cache) => cache.name);
    throw new InputError(`There is no cache ${quote(name!)}; ${suggest(name!, names)}`);
  }
  return { data: found, lines: found.flatMap(cacheLines) };
}
