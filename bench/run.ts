/**
 * The host-speed report: `npm run bench`, or `npm run bench -- --json` for one JSON object per line. `--only NAME`
 * measures one case in this very process.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cases } from './cases/index.ts';
import { type Measurement, measure } from './measure.ts';

const [, self, ...args] = process.argv;
const json = args.includes('--json');
const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;

if (only !== undefined) {
  const found = cases.find(({ name }) => name === only);
  if (found === undefined)
    fail(`no benchmark is called "${only}"; there are ${cases.map(({ name }) => name).join(', ')}.`);
  process.stdout.write(`${JSON.stringify(measure(found))}\n`);
} else {
  if (!json) process.stdout.write(`${row('case', 'ns/op', 'best', 'goal', 'loops', '')}\n`);
  for (const { name, operation } of cases) report(inOwnProcess(name), operation);
  if (!json) {
    process.stdout.write('ns/op is the median; loops is ns/op in rounds of the calibration loop run beside it.\n');
  }
}

function inOwnProcess(name: string): Measurement {
  const script = self ?? fileURLToPath(import.meta.url);
  const child = spawnSync(process.execPath, [script, '--only', name], { encoding: 'utf8' });
  if (child.status !== 0) fail(`${name} could not be measured: ${child.stderr.trim()}`);
  return JSON.parse(child.stdout) as Measurement;
}

function report(measured: Measurement, operation: string): void {
  const { name, nsPerOp, bestNsPerOp, goalNsPerOp, calibrationNs } = measured;
  if (json) {
    const line = { name, nsPerOp: rounded(nsPerOp), calibrationNs: rounded(calibrationNs) };
    process.stdout.write(`${JSON.stringify({ ...line, bestNsPerOp: rounded(bestNsPerOp), goalNsPerOp })}\n`);
    return;
  }
  const verdict = nsPerOp <= goalNsPerOp ? 'goal met' : 'BELOW THE GOAL';
  const figures = [nsPerOp, bestNsPerOp, goalNsPerOp, nsPerOp / calibrationNs].map((n) => n.toFixed(1));
  process.stdout.write(`${row(name, ...(figures as [string, string, string, string]), `${verdict}: ${operation}`)}\n`);
}

function row(name: string, ns: string, best: string, goal: string, loops: string, text: string): string {
  return `${name.padEnd(12)}${[ns, best, goal, loops].map((cell) => cell.padStart(9)).join('')}   ${text}`.trimEnd();
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function fail(sentence: string): never {
  process.stderr.write(`bench: ${sentence}\n`);
  process.exit(1);
}
