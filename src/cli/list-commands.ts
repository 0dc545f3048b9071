/** `ioasim list` and `ioasim machines`: what there is to run, and to run it on. */
import { Command } from 'commander';
import { InputError, presets, quote, resolveSpec, suggest } from '../machine/index.ts';
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
    .action((name: string | undefined) => {
      const names = Object.keys(presets);
      if (name === undefined) {
        const width = Math.max(...names.map((preset) => preset.length));
        for (const preset of names) terminal.out(`${preset.padEnd(width)}  ${presets[preset]!.description}`);
      } else if (Object.hasOwn(presets, name)) {
        terminal.out(JSON.stringify(resolveSpec(name), null, 2));
      } else {
        throw new InputError(`There is no machine ${quote(name)}; ${suggest(name, names)}`);
      }
    });
}
