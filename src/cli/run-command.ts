/** `ioasim run`: runs scenarios and reports, narrated unless asked otherwise. */
import { Command, Option } from 'commander';
import { InputError } from '../machine/index.ts';
import { closing, missingFor, narrate, opening, Run, type Scenario, showEntries, summary } from '../scenario/index.ts';
import { CaptureFile } from './capture-file.ts';
import { Findings, type FindingsOptions, withFindings } from './findings.ts';
import { readMachine } from './machine-file.ts';
import { collect } from './options.ts';
import { select } from './select.ts';
import type { Terminal } from './terminal.ts';
import { TraceFile } from './trace-file.ts';
import { type TraceOptions, withTrace } from './trace-options.ts';
import { WherePlot } from './where-plot.ts';

interface RunCommandOptions extends TraceOptions, FindingsOptions {
  readonly machine?: string;
  readonly set?: readonly string[];
  readonly quiet?: true;
  readonly json?: true;
  readonly step?: true;
  readonly capture?: string;
  readonly seed?: string;
}

const PROMPT = '                   [Enter goes on] ';

/** Exit codes: everything as expected, an expectation failed, something was asked that does not exist. */
export const ExitCode = { OK: 0, FAILED: 1, BAD_INPUT: 2 } as const;

export function runCommand(own: readonly Scenario[], terminal: Terminal, exit: (code: number) => void): Command {
  const command = new Command('run')
    .description('run scenarios and check what they expect')
    .argument('[scenarios...]', 'names from `ioasim list`, or your own files (.js, .ts); all of ours if none is given')
    .option('-m, --machine <name|file.json>', 'the machine to run on, instead of the one each scenario names')
    .option('-s, --set <path=value>', 'change one field of the machine; may be given several times', collect)
    .option('-q, --quiet', 'one line per scenario')
    .option('--json', 'one JSON object per scenario and line')
    .addOption(
      new Option('--step', 'pause at each step, and show the table entries that the IOMMU read').conflicts([
        'quiet',
        'json',
      ]),
    )
    .option('-c, --capture <file>', 'write what crosses the links to a file: for Wireshark (.pcapng) or as text (.txt)')
    .option('--seed <number>', 'start of every random sequence');
  return withTrace(withFindings(command)).action(async (names: string[], options: RunCommandOptions) => {
    exit(await runAll(names, options, own, terminal));
  });
}

async function runAll(
  names: readonly string[],
  options: RunCommandOptions,
  own: readonly Scenario[],
  terminal: Terminal,
): Promise<number> {
  const machine = options.machine === undefined ? undefined : readMachine(options.machine);
  const settings = [...(options.set ?? []), ...(options.seed === undefined ? [] : [`seed=${options.seed}`])];
  const { scenarios, problems: notFound } = await select(names, own);
  const plot = await WherePlot.from(options.wherePlot);
  const trace = TraceFile.from(options, scenarios.length);
  const capture = options.capture === undefined ? null : new CaptureFile(options.capture);
  // A set, because a wrong --set is the same problem for every scenario.
  const problems = new Set(notFound);
  const count = { ok: 0, failed: 0 };
  for (const scenario of scenarios) {
    try {
      const on = { settings, ...(machine === undefined ? {} : { machine }) };
      const missing = missingFor(scenario, on);
      // Who asks for everything wants to see what there is to see on this machine.
      if (names.length === 0 && missing.length > 0) {
        if (options.json !== true) terminal.out(`${scenario.name}: left out, it needs ${missing.join(', ')}`);
        continue;
      }
      if (names.length === 0 && settings.length > 0 && scenario.measures === true) {
        if (options.json !== true) terminal.out(`${scenario.name}: left out, it measures machines as they are`);
        continue;
      }
      const run = new Run(scenario, on);
      trace?.follow(run.source);
      capture?.follow(run.machine, scenario.name);
      const findings = new Findings(run.source, run.machine, options);
      const ok = await perform(run, options, terminal, findings);
      plot?.add(`${scenario.name} on ${run.machine.spec.name}`, findings.kinds);
      trace?.end();
      count[ok ? 'ok' : 'failed']++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.add(error.message);
    }
  }
  const notTraced = trace?.close();
  if (notTraced?.isWrong) problems.add(notTraced.sentence);
  else if (notTraced !== undefined) terminal.err(notTraced.sentence);
  capture?.close();
  await plot?.close();
  if (!options.json && count.ok + count.failed > 1) {
    terminal.out(`${count.ok + count.failed} scenarios: ${count.ok} ok, ${count.failed} failed.`);
  }
  for (const problem of problems) terminal.err(problem);
  if (problems.size > 0) return ExitCode.BAD_INPUT;
  return count.failed > 0 ? ExitCode.FAILED : ExitCode.OK;
}

/** Runs one scenario in the manner that was asked for; true when all went as expected. */
async function perform(run: Run, options: RunCommandOptions, terminal: Terminal, findings: Findings): Promise<boolean> {
  const write = (line: string): void => terminal.out(line);
  if (options.json || options.quiet) {
    const report = run.finish();
    run.unwatch();
    if (options.json) write(JSON.stringify({ ...report, ...findings.data }));
    else [...summary(report), ...findings.lines].forEach(write);
    return report.ok;
  }
  opening(run.scenario, run.machine.spec.name).forEach(write);
  const showLastEntries = options.step ? showEntries(run.recorder, run.machine.names.layout, write) : null;
  narrate(run.recorder, write);
  while (run.advance()) if (options.step) await terminal.pause(PROMPT);
  showLastEntries?.();
  const report = run.report();
  run.unwatch();
  closing(run.scenario, report).forEach(write);
  findings.lines.forEach(write);
  return report.ok;
}
