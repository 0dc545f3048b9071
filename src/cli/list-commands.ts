/** `ioasim list` and `ioasim machines`: what there is to run, and to run it on. */
import { Command } from 'commander';
import { InputError, type Provenance, presets, provenance, quote, resolveSpec, suggest } from '../machine/index.ts';
import type { Scenario } from '../scenario/index.ts';
import type { Terminal } from './terminal.ts';

export function listCommand(own: readonly Scenario[], terminal: Terminal): Command {
  return new Command('list').description('list the scenarios and the question that each answers').action(() => {
    const width = Math.max(...own.map(({ name }) => name.length));
    for (const { name, title, question } of own) {
      terminal.out(`${name.padEnd(width)}  ${title}`);
      terminal.out(`${' '.repeat(width)}  ${question}`);
    }
  });
}

export function machinesCommand(terminal: Terminal): Command {
  return new Command('machines')
    .description('list the machines, or print one as JSON: a start for a machine file of your own')
    .argument('[name]', 'a machine')
    .option('--values', 'print what times, rates and sizes of the machine rest on, instead')
    .option('--json', 'print these as JSON Lines')
    .action((name: string | undefined, { values, json }: { values?: true; json?: true }) => {
      const names = Object.keys(presets);
      if (name === undefined) {
        const width = Math.max(...names.map((preset) => preset.length));
        for (const preset of names) terminal.out(`${preset.padEnd(width)}  ${presets[preset]!.description}`);
      } else if (Object.hasOwn(presets, name) && (values ?? json)) {
        for (const line of valueLines(provenance[name]!, json)) terminal.out(line);
      } else if (Object.hasOwn(presets, name)) {
        terminal.out(JSON.stringify(resolveSpec(name), null, 2));
      } else {
        throw new InputError(`There is no machine ${quote(name)}; ${suggest(name, names)}`);
      }
    });
}

/** A line for each value: field, value with unit, how sure it is, what it is and where it comes from. */
function valueLines(rows: readonly Provenance[], json: true | undefined): string[] {
  if (json) return rows.map((row) => JSON.stringify(row));
  const cells = rows.flatMap(({ path, value, unit, certainty, meaning, source }) => {
    const why = source === '' ? meaning : `${meaning} (${source})`;
    return fieldsOf(path, value).map(([field, one]) => [field, `${one} ${unit}`, certainty, why]);
  });
  const widths = [0, 1, 2].map((i) => Math.max(...cells.map((row) => row[i]!.length)));
  return cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '));
}

/** The numbers of a value, which may be a section, with as many digits as they mean. */
function fieldsOf(path: string, value: unknown): (readonly [string, number])[] {
  if (typeof value === 'number') return [[path, Number(value.toPrecision(6))]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => fieldsOf(`${path}.${name}`, one));
}
