/** `ioasim validate`: published measurements, and what a simulation of the same gives. */
import { Command } from 'commander';
import {
  InputError,
  type KindSummary,
  type Point,
  quote,
  type Summary,
  suggest,
  summarize,
  summarizeKinds,
  type Totals,
  type Verdict,
  validatePoint,
} from '../machine/index.ts';
import { publishedFiles, publishedPoints } from './published-files.ts';
import { ExitCode } from './run-command.ts';
import type { Terminal } from './terminal.ts';

const HELP = `
Without files, those of ../shared/data beside a working copy of ioasim are taken, if they are there.

Each point is simulated where there is a model of it. The error is relative to the published value; for a value in per
cent it is the difference in percentage points, for one below 1 that in hundredths of its unit. A list is a range, and so
is "more than"; within it the error is 0. Of a point with several quantities it is that of the farthest.

Status: ok and off (within and beyond the tolerance that the point suggests), compared (it suggests none), parameter (an
input of the simulation, which counts nowhere), not-numeric, no-model. Where it is known why a point is off, farther than
10 % or has no model, the line ends with the reason.

The last lines count points of each group, and all that are bandwidths (transfers per second, too), latencies (cycles, too)
and neither.

Exit code: 1 when a point is off, 2 when a file cannot be used, otherwise 0.`;

export function validateCommand(
  terminal: Terminal,
  exit: (code: number) => void,
  published = publishedFiles(),
): Command {
  return new Command('validate')
    .description('simulate published measurements and compare')
    .argument('[files...]', 'lists of published points (JSON)')
    .option('--group <name>', 'only the points of this group')
    .option('--json', 'one JSON object per point and line, then one per group')
    .addHelpText('after', HELP)
    .action((files: string[], options: { group?: string; json?: true }) => {
      const points = chosen(files.length === 0 ? published : files, options.group);
      const show = options.json ? toLine : lineFor(points);
      const verdicts = points.map((point) => {
        const verdict = validatePoint(point);
        terminal.out(show(verdict));
        return verdict;
      });
      for (const summary of summarize(verdicts)) {
        terminal.out(options.json ? toLine(summary) : sentence(summary.group, summary));
      }
      for (const summary of summarizeKinds(verdicts)) {
        terminal.out(options.json ? toLine(summary) : sentence(`all of ${summary.kind}`, summary));
      }
      exit(verdicts.some(({ status }) => status === 'off') ? ExitCode.FAILED : ExitCode.OK);
    });
}

function chosen(files: readonly string[], group: string | undefined): Point[] {
  if (files.length === 0) {
    throw new InputError('There is nothing to validate against; name a file with a list of published points.');
  }
  const points = publishedPoints(files);
  const groups = [...new Set(points.map((point) => point.group))];
  if (group !== undefined && !groups.includes(group)) {
    throw new InputError(
      `There is no group ${quote(group)} in ${files.map(quote).join(', ')}; ${suggest(group, groups)}`,
    );
  }
  return points.filter((point) => group === undefined || point.group === group);
}

function toLine(value: Verdict | Summary | KindSummary): string {
  return JSON.stringify(value);
}

/** Lines whose columns fit all these points. */
function lineFor(points: readonly Point[]): (verdict: Verdict) => string {
  const idWidth = Math.max(0, ...points.map(({ id }) => id.length));
  const units = new Map(points.map((point) => [point.id, point.unit]));
  return ({ id, published, simulated, errorPct, status, reason }) => {
    const unit = units.get(id) ?? '';
    const number = (value: Verdict['published'] | Verdict['simulated']): string =>
      value === null ? '-' : [value as number | string | number[]].flat().map(shortened).join('..');
    return [
      id.padEnd(idWidth),
      number(published).padStart(12),
      number(simulated).padStart(12),
      unit.padEnd(6),
      (errorPct === null ? '' : `${errorPct > 0 ? '+' : ''}${errorPct.toFixed(2)} %`).padStart(10),
      reason === undefined ? status : `${status}: ${reason}`,
    ].join('  ');
  };
}

function shortened(value: number | string): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : value;
}

function sentence(
  of: string,
  { points, counted, simulated, coveragePct, meanErrorPct, maxErrorPct, off }: Totals,
): string {
  if (coveragePct === null) return `${of}: nothing to compare in ${points} points.`;
  const coverage = `${of}: ${simulated} of ${counted} points simulated (${coveragePct.toFixed(0)} %)`;
  if (meanErrorPct === null) return `${coverage}.`;
  return `${coverage}, mean error ${meanErrorPct.toFixed(2)} %, largest ${maxErrorPct!.toFixed(2)} %, ${off} off.`;
}
