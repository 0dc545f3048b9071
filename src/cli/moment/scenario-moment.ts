/** A moment in a scenario: before its n-th DMA request is looked up, at an instant, or at its end. */
import { formatTime, InputError } from '../../machine/index.ts';
import { Run, type Scenario } from '../../scenario/index.ts';
import { readMachine } from '../machine-file.ts';
import { select } from '../select.ts';
import type { Moment, MomentOptions } from './moment.ts';
import { readInstant, readWhole } from './words.ts';

const MANY_REQUESTS = 1_000_000_000;

export async function scenarioMoment(options: MomentOptions, own: readonly Scenario[]): Promise<Moment> {
  const n = options.dma === undefined ? null : readWhole('--dma', options.dma, 1, MANY_REQUESTS);
  const at = options.at === undefined ? null : readInstant(options.at);
  const run = await start(options, own);
  const { machine, scenario } = run;
  let request: Moment['request'] = null;
  let when: string;
  if (n !== null) {
    const found = run.advanceToRequest(n);
    if (typeof found === 'number') throw new InputError(tooFew(run, found));
    request = found;
    when = `before its DMA request ${n}, at ${formatTime(machine.engine.now)}`;
  } else if (at !== null) {
    if (!run.advanceTo(at)) throw new InputError(tooLate(run));
    when = `at ${formatTime(at)}`;
  } else {
    while (run.advance());
    when = `at its end, at ${formatTime(machine.engine.now)}`;
  }
  const { requesters } = machine;
  const title = `${scenario.name} on ${machine.spec.name}, ${when}`;
  return { title, iommu: machine.inspect(), request, requesters, components: machine.snapshot() };
}

async function start({ scenario: name, machine, set }: MomentOptions, own: readonly Scenario[]): Promise<Run> {
  const { scenarios, problems } = await select([name!], own);
  if (problems.length > 0) throw new InputError(problems[0]!);
  if (scenarios.length > 1) {
    const names = scenarios.map((each) => each.name).join(', ');
    throw new InputError(`"${name}" holds ${scenarios.length} scenarios (${names}), and a moment is in one.`);
  }
  return new Run(scenarios[0]!, {
    settings: set ?? [],
    ...(machine === undefined ? {} : { machine: readMachine(machine) }),
  });
}

function tooFew(run: Run, count: number): string {
  const { name } = run.scenario;
  const requests = count === 0 ? 'no DMA request' : count === 1 ? '1 DMA request' : `${count} DMA requests`;
  const takes = count === 0 ? '' : `: --dma takes 1 to ${count}`;
  return `Scenario ${name} lets ${requests} reach the IOMMU${takes}${why(run)}.`;
}

function tooLate(run: Run): string {
  const { scenario, endedAt, machine } = run;
  return `Scenario ${scenario.name} ends at ${formatTime(endedAt ?? machine.engine.now)}: --at takes no later time${why(run)}.`;
}

/** A scenario that breaks off says why. */
function why(run: Run): string {
  const { error } = run.report();
  return error === undefined ? '' : `, because it breaks off: ${error.replace(/\.$/, '')}`;
}
