/**
 * A scenario told to a reader: its question, its steps as they happen, what held and what did not, and what to look at
 * and try next.
 */
import { formatTime, type Instant } from '../machine/index.ts';
import {
  COUNTERS,
  type Counter,
  describe,
  type EventOf,
  type Names,
  type Recorder,
  type TraceEvent,
  wrap,
} from '../recorder/index.ts';
import { entryLines, viewOf } from './entries.ts';
import type { Report } from './run.ts';
import type { Scenario } from './scenario.ts';

const WIDTH = 100;
const MARGIN = '   ';
/** Width of the column that holds the time. */
const TIME = 14;
const INDENT = ' '.repeat(TIME + 2);

type Write = (line: string) => void;

/** What stands above the story. */
export function opening(scenario: Scenario, machine: string): string[] {
  return [
    `${scenario.name}: ${scenario.title}`,
    ...wrap(scenario.question, WIDTH, MARGIN),
    `${MARGIN}(on machine ${machine})`,
    '',
  ];
}

/** Faults of one kind that are told in a row; of the rest only how many there were. */
const TOLD_FAULTS = 5;

/** Tells the story while it happens. */
export function narrate(recorder: Recorder, write: Write): void {
  let kind = '';
  let count = 0;
  const goOn = (): void => {
    if (count > TOLD_FAULTS) write(`${INDENT}   ! and ${count - TOLD_FAULTS} more of this kind`);
    kind = '';
    count = 0;
  };
  recorder.on('step', ({ at, number, text }) => {
    goOn();
    wrap(`${number}. ${text}`, WIDTH, stamp(at), `${INDENT}   `).forEach(write);
  });
  recorder.on('note', ({ text }) => {
    goOn();
    wrap(text, WIDTH, `${INDENT}   `).forEach(write);
  });
  recorder.on('fault', (event) => {
    const { who, name } = event;
    if (`${who} ${name}` !== kind) goOn();
    kind = `${who} ${name}`;
    if (++count > TOLD_FAULTS) return;
    const { what, detail } = describe(event);
    wrap(`! ${who}: ${what} (${detail})`, WIDTH, `${INDENT}   `, `${INDENT}     `).forEach(write);
  });
  recorder.on('expectation', (event) => {
    goOn();
    expectation(event).forEach(write);
  });
}

/** What stands below the story. */
export function closing(scenario: Scenario, report: Report): string[] {
  const held = report.expectations.filter(({ holds }) => holds).length;
  const counts = `${held} of ${report.expectations.length} expectations hold`;
  const lines =
    report.error === undefined ? [] : [...wrap(`✗ ${report.error}`, WIDTH, `${INDENT}   `, `${INDENT}     `)];
  return [
    ...lines,
    '',
    ...numbers(report),
    ...list('Look at', scenario.look),
    ...list('Try next', scenario.next),
    `${MARGIN}${report.ok ? 'ok' : 'FAILED'}: ${counts}; ${formatTime(report.picoseconds as Instant)} of simulated time.`,
    '',
  ];
}

/** One line for a run that is not narrated, and more only where something failed. */
export function summary(report: Report): string[] {
  const failed = report.expectations.filter(({ holds }) => !holds);
  const held = report.expectations.length - failed.length;
  return [
    `${report.ok ? 'ok    ' : 'FAILED'}  ${report.scenario}: ${held} of ${report.expectations.length} expectations hold`,
    ...failed.flatMap((event) => expectation({ ...event, at: event.at as Instant })),
    ...(report.error === undefined ? [] : wrap(`✗ ${report.error}`, WIDTH, `${INDENT}   `, `${INDENT}     `)),
  ];
}

/**
 * Shows the table entries that the IOMMU fetched field by field, whenever the next step is announced. Gives a function
 * that shows those of the last step.
 */
export function showEntries(recorder: Recorder, layoutOf: Names['layout'], write: Write): () => void {
  let entries: EventOf<'read'>[] = [];
  const flush = (): void => {
    for (const line of entries.flatMap((event) => entryLines(viewOf(event, layoutOf)))) write(`${INDENT}   | ${line}`);
    entries = [];
  };
  recorder.on('read', (event) => entries.push(event));
  recorder.on('step', flush);
  return flush;
}

type Outcome = Pick<Extract<TraceEvent, { kind: 'expectation' }>, 'at' | 'sentence' | 'holds' | 'expected' | 'actual'>;

function expectation({ at, sentence, holds, expected, actual }: Outcome): string[] {
  const first = wrap(`${holds ? '✓' : '✗'} ${sentence}`, WIDTH, `${INDENT}   `, `${INDENT}     `);
  if (holds) return first;
  const found = expected === undefined ? [] : [`expected ${expected}`, `got      ${actual}`];
  return [...first, ...[...found, `at ${formatTime(at)}`].map((line) => `${INDENT}     ${line}`)];
}

function stamp(at: Instant): string {
  return `${formatTime(at).padStart(TIME)}  `;
}

/** Counters that are not zero. */
function numbers(report: Report): string[] {
  const counted = Object.entries(COUNTERS)
    .map(([name, label]) => [report.statistics[name as Counter], label] as const)
    .filter(([count]) => count > 0);
  const width = Math.max(0, ...counted.map(([count]) => String(count).length));
  return [
    `${MARGIN}In numbers`,
    ...counted.map(([count, label]) => `${MARGIN}  ${String(count).padStart(width)} ${label}`),
    '',
  ];
}

function list(heading: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  return [`${MARGIN}${heading}`, ...items.flatMap((item) => wrap(item, WIDTH, `${MARGIN}  - `, `${MARGIN}    `)), ''];
}
