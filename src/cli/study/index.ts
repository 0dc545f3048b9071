/** `ioasim study`: lists the studies, or runs one and shows what was found. */
import { Command } from 'commander';
import { InputError, quote, suggest } from '../../machine/index.ts';
import {
  curveOf,
  gridOf,
  type PublishedValue,
  parseChange,
  type Result,
  readResults,
  resultAt,
  resultsOf,
  SEED,
  type Study,
  toLine,
} from '../../study/index.ts';
import { readWhole } from '../moment/words.ts';
import { collect } from '../options.ts';
import { OutputFile } from '../output-file.ts';
import { loadPlotting, type Plotting } from '../plotting.ts';
import { Progress } from '../progress.ts';
import { publishedPoints } from '../published-files.ts';
import { readText } from '../read-json.ts';
import type { Work } from '../sweep/task.ts';
import type { Terminal } from '../terminal.ts';
import { chartOf } from './chart.ts';
import { pageOf } from './page.ts';
import { describePoint, tableOf, textOf, toCsv, toLines } from './table.ts';

interface Options {
  readonly set?: readonly string[];
  readonly seed?: string;
  readonly from?: readonly string[];
  readonly csv?: string;
  readonly jsonl?: string;
  readonly svg?: string;
  readonly html?: string;
}

export function studyCommand(
  studies: readonly Study[],
  terminal: Terminal,
  plotting: () => Promise<Plotting> = loadPlotting,
): Command {
  return new Command('study')
    .description('list the studies, or run one over its grid of parameters')
    .argument('[name]', 'a study')
    .option('-s, --set <parameter=value,...>', "values in place of the grid's own; may be given several times", collect)
    .option('--seed <number>', 'start of every random sequence')
    .option(
      '--from <file.jsonl>',
      'show results of `ioasim sweep` instead of running; may be given several times',
      collect,
    )
    .option('--csv <file>', 'write a table')
    .option('--jsonl <file>', 'write one JSON object per point and line')
    .option('--svg <file>', 'write plots as a picture')
    .option('--html <file>', 'write plots and table as a page')
    .action(async (name: string | undefined, options: Options) => {
      const [stray] = Object.keys(options);
      if (name !== undefined) await show(findStudy(studies, name), options, terminal, plotting);
      else if (stray === undefined) list(studies, terminal);
      else throw new InputError(`--${stray} is about one study: name it.`);
    });
}

export function findStudy(studies: readonly Study[], name: string): Study {
  const found = studies.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = studies.map((one) => one.name);
  throw new InputError(`There is no study ${quote(name)}; ${suggest(name, names)}`);
}

function list(studies: readonly Study[], terminal: Terminal): void {
  const width = Math.max(...studies.map(({ name }) => name.length));
  for (const study of studies) {
    const { name, question, parameters } = study;
    terminal.out(`${name.padEnd(width)}  ${question}`);
    for (const [parameter, { unit, meaning, values }] of Object.entries(parameters)) {
      const texts = values.map((value) => textOf(study, parameter, value));
      const text = `${parameter}${unit === '' ? '' : ` (${unit})`}: ${meaning}; ${texts.join(', ')}`;
      terminal.out(`${' '.repeat(width)}    ${text}`);
    }
  }
}

async function show(
  study: Study,
  options: Options,
  terminal: Terminal,
  plotting: () => Promise<Plotting>,
): Promise<void> {
  // Whatever is missing is said before the time is spent.
  const wanted = wantedOf(study, options);
  // An old file of results may be the one that is written anew.
  const old = options.from === undefined ? null : readOld(wanted, options.from, terminal);
  const draws = options.svg !== undefined || options.html !== undefined ? await plotting() : null;
  const files = Object.fromEntries(
    (['csv', 'jsonl', 'svg', 'html'] as const).flatMap((kind) => {
      const path = options[kind];
      return path === undefined ? [] : [[kind, new OutputFile(path)]];
    }),
  );
  const results = old ?? run(wanted, terminal);
  const published = curveOf(study, publishedPoints());
  const table = tableOf(study, results, published);
  terminal.out(study.question);
  if (Object.keys(table.common).length > 0) terminal.out(describePoint(study, table.common));
  for (const line of toLines(table)) terminal.out(line);
  const write = (kind: string, text: string): void => {
    files[kind]?.write(text);
    files[kind]?.close();
  };
  write('csv', toCsv(study, results));
  write('jsonl', results.map(toLine).join(''));
  if (draws === null) return;
  const svg = await draw(study, results, published, draws);
  write('svg', svg);
  write('html', pageOf(study, table, svg));
}

export async function draw(
  study: Study,
  results: readonly Result[],
  published: readonly PublishedValue[],
  plotting: Plotting,
): Promise<string> {
  const chart = chartOf(study, results, published);
  if (chart === undefined) throw new InputError(`study ${quote(study.name)}: there is nothing to plot.`);
  return await plotting.svg(chart);
}

function wantedOf(study: Study, { set = [], seed }: Options): Work {
  const changes = Object.fromEntries(set.map((text) => parseChange(study, text)));
  const start = seed === undefined ? SEED : readWhole('--seed', seed, 0, Number.MAX_SAFE_INTEGER);
  return { study, points: gridOf(study, changes), seed: start };
}

/** As many of the results as there are in the files. Throws an InputError where there is none. */
function readOld({ study, points, seed }: Work, files: readonly string[], terminal: Terminal): Result[] {
  const all = files.flatMap((file) => readResults(readText(file), file));
  const found = resultsOf(study, points, seed, all);
  if (found.length === points.length) return found;
  const missing = points.length - found.length;
  terminal.err(`${missing} of ${points.length} points of the grid are not in ${files.map(quote).join(', ')}.`);
  if (found.length > 0) return found;
  throw new InputError('There are no results to show.');
}

function run({ study, points, seed }: Work, terminal: Terminal): Result[] {
  const progress = new Progress(points.length, (line) => terminal.progress?.(line));
  const results = points.map((point) => {
    const result = resultAt(study, point, seed);
    progress.step();
    return result;
  });
  progress.end();
  return results;
}
