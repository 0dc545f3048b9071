/**
 * The host-speed report: `npm run bench -- [--json] [--case NAME] [--rounds N] [--keep]`. Each round measures each case in a
 * process of its own, so that a busy minute of the host spoils one round and not one case. `--keep` makes the figures the baseline.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packageRoot } from '../src/cli/package-root.ts';
import type { BenchCase } from './case.ts';
import { cases } from './cases/index.ts';
import { type Measurement, measure } from './measure.ts';
import { type Baseline, distance, HEADING, LEGEND, line, loops, rounded, summarise } from './report.ts';

const SELF = fileURLToPath(import.meta.url);
/** Beside the sources: this file runs from where it was compiled to. */
const BASELINE = new URL('bench/baseline.json', packageRoot());

const { json, keep, rounds, chosen, here } = options();
if (here !== undefined) print(JSON.stringify(measure(here)));
else report();

function report(): void {
  const baseline = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline;
  const measured = new Map<BenchCase, Measurement[]>(chosen.map((one) => [one, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [one, results] of measured) results.push(inOwnProcess(one));
  }
  if (!json) print(HEADING);
  const kept: Record<string, number> = { ...baseline };
  const distances: string[] = [];
  for (const [one, results] of measured) {
    const figures = summarise(one, results);
    kept[one.name] = loops(figures);
    const far = distance(figures, one);
    if (far !== undefined) distances.push(far);
    print(
      json
        ? JSON.stringify(figures, (_, value) => (typeof value === 'number' ? rounded(value) : value))
        : line(figures, one, baseline),
    );
  }
  if (!json) print([LEGEND, ...distances].join('\n'));
  if (keep) writeFileSync(BASELINE, `${JSON.stringify(kept, null, 2)}\n`);
}

function inOwnProcess({ name }: BenchCase): Measurement {
  const child = spawnSync(process.execPath, [SELF, '--here', name], { encoding: 'utf8' });
  if (child.status !== 0) fail(`${name} could not be measured: ${child.stderr.trim()}`);
  return JSON.parse(child.stdout) as Measurement;
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '5' },
        case: { type: 'string', multiple: true, default: [] },
        here: { type: 'string' },
      },
    });
    const rounds = Number(values.rounds);
    if (!(Number.isInteger(rounds) && rounds > 0 && rounds <= 100)) fail('--rounds is a whole number from 1 to 100.');
    return {
      json: values.json,
      keep: values.keep,
      rounds,
      chosen: values.case.length === 0 ? cases : values.case.map(caseNamed),
      here: values.here === undefined ? undefined : caseNamed(values.here),
    };
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function caseNamed(name: string): BenchCase {
  const names = cases.map((one) => one.name).join(', ');
  return cases.find((one) => one.name === name) ?? fail(`no benchmark is called "${name}"; there are ${names}.`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(sentence: string): never {
  process.stderr.write(`bench: ${sentence}\n`);
  process.exit(1);
}
