/**
 * The `ioasim` command. Exit codes: 0 when all went as expected, 1 when an expectation, a recorded case or a published value failed, 2 when
 * something was asked that does not exist; then one sentence on standard error says what.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { studies } from '../../bench/studies/index.ts';
import { scenarios } from '../../scenarios/index.ts';
import { InputError, quote, suggest } from '../machine/index.ts';
import { explainCommand } from './explain/index.ts';
import { inspectCommand } from './inspect/index.ts';
import { listCommand, machinesCommand } from './list-commands.ts';
import { packageRoot } from './package-root.ts';
import { pathCommand } from './path-command.ts';
import { replayCommand } from './replay-command.ts';
import { ExitCode, runCommand } from './run-command.ts';
import { studyCommand } from './study/index.ts';
import { sweepCommand } from './sweep/index.ts';
import { ProcessTerminal, type Terminal } from './terminal.ts';
import { validateCommand } from './validate-command.ts';

/** Runs one command line (without `node` and script) and gives the exit code. */
export async function main(args: string[], terminal: Terminal = new ProcessTerminal()): Promise<number> {
  let exitCode: number = ExitCode.OK;
  const program = build(terminal, (code) => {
    exitCode = code;
  });
  try {
    if (args.length === 0) terminal.out(program.helpInformation().trimEnd());
    else await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.OK;
    if (!(error instanceof CommanderError || error instanceof InputError)) throw error;
    terminal.err(error instanceof InputError ? error.message : explain(error, commandOf(program, args), args));
    return ExitCode.BAD_INPUT;
  } finally {
    terminal.close();
  }
}

function build(terminal: Terminal, exit: (code: number) => void): Command {
  const program = new Command('ioasim')
    .description('A simulator of DMA remapping: devices, IOMMUs, and a kernel that drives them.')
    .version(version(), '-V, --version')
    .addCommand(listCommand(scenarios, terminal))
    .addCommand(machinesCommand(terminal))
    .addCommand(runCommand(scenarios, terminal, exit))
    .addCommand(pathCommand(terminal))
    .addCommand(explainCommand(scenarios, terminal))
    .addCommand(inspectCommand(scenarios, terminal))
    .addCommand(replayCommand(terminal, exit))
    .addCommand(validateCommand(terminal, exit))
    .addCommand(studyCommand(studies, terminal))
    .addCommand(sweepCommand(studies, terminal));
  for (const command of [program, ...program.commands]) {
    command.exitOverride().showSuggestionAfterError(false);
    command.configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: () => {} });
  }
  return program;
}

function version(): string {
  const root = packageRoot();
  if (root === undefined) return 'unknown';
  return (JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string }).version;
}

function commandOf(program: Command, args: readonly string[]): Command {
  return program.commands.find((command) => command.name() === args[0]) ?? program;
}

/** The argument parser's complaint as one sentence that says what would be accepted. */
function explain(error: CommanderError, command: Command, args: readonly string[]): string {
  // `help NAME` for a name that is no command fails with the help itself.
  const isHelp = error.code === 'commander.help';
  const given = isHelp ? args[1] : /'([^']*)'/.exec(error.message)?.[1];
  if (isHelp || error.code === 'commander.unknownCommand') {
    const names = command.commands.map((sub) => sub.name());
    return `There is no command ${quote(given!)}; ${suggest(given!, [...names, 'help'])}`;
  }
  if (error.code === 'commander.unknownOption') {
    const names = command.options.map((option) => option.long!);
    return `There is no option ${quote(given!)}; ${suggest(given!, [...names, '--help'])}`;
  }
  const message = error.message.replace(/^error: /, '').split('\n')[0]!;
  return `${message[0]!.toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? '' : '.'}`;
}
