/** `ioasim replay`: recorded cases of another implementation, replayed through the rig. */
import { Command } from 'commander';
import { replayCommand as replay } from './replay/index.ts';
import type { Terminal } from './terminal.ts';

export function replayCommand(terminal: Terminal, exit: (code: number) => void): Command {
  return new Command('replay')
    .description('replay recorded cases of another implementation and compare')
    .argument('<files...>', 'recorded cases (corpus-*.json)')
    .option('--json', 'one JSON object per file and line')
    .action(async (files: string[], options: { json?: true }) => {
      const print = (line: string): void => terminal.out(line);
      const complain = (line: string): void => terminal.err(line);
      exit(await replay(files, { json: options.json === true, print, complain }));
    });
}
