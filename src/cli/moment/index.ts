/** The options that name a moment, and the moment that they name. */
import { type Command, Option } from 'commander';
import { InputError } from '../../machine/index.ts';
import type { Scenario } from '../../scenario/index.ts';
import { collect } from '../options.ts';
import { caseMoment } from './case-moment.ts';
import type { Moment, MomentOptions } from './moment.ts';
import { scenarioMoment } from './scenario-moment.ts';

export * from './words.ts';
export type { Moment, MomentOptions };

export function withMomentOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--scenario <name>', 'a scenario from `ioasim list`, or your own file (.js, .ts)').conflicts('case'),
    )
    .addOption(new Option('--dma <n>', 'ask before its n-th DMA request is looked up').conflicts(['at', 'case']))
    .addOption(
      new Option('--at <time>', 'ask at an instant of simulated time, such as 12.5us; else at the end').conflicts(
        'case',
      ),
    )
    .addOption(new Option('-m, --machine <name|file.json>', 'the machine to run the scenario on').conflicts('case'))
    .addOption(
      new Option('-s, --set <path=value>', 'change one field of the machine').argParser(collect).conflicts('case'),
    )
    .option('--case <file#id[:step]>', 'a recorded case, before one of its steps; else after the last')
    .option('--json', 'one JSON object');
}

export async function reach(options: MomentOptions, own: readonly Scenario[]): Promise<Moment> {
  if (options.case !== undefined) return caseMoment(options.case);
  if (options.scenario !== undefined) return await scenarioMoment(options, own);
  throw new InputError(
    'Say which moment is meant: --scenario NAME, with --dma N or --at TIME if you like, or --case FILE#ID[:STEP].',
  );
}
