import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { buildMachine, presets } from '../../src/machine/index.ts';
import { formatJson, formatLine, Recorder, type TraceEvent } from '../../src/recorder/index.ts';
import { missingFor, Run, type Scenario } from '../../src/scenario/index.ts';

function eventsOf(scenario: Scenario): TraceEvent[] {
  const run = new Run(scenario);
  const events: TraceEvent[] = [];
  run.recorder.on('event', (event) => events.push(event));
  run.finish();
  return events;
}

const jsonOf = (scenario: Scenario): string => eventsOf(scenario).map(formatJson).join('\n');

/** What a person reviews: everything from the first step on. What comes before it is the same in every scenario. */
function storyOf(scenario: Scenario): string {
  const events = eventsOf(scenario);
  const first = events.findIndex(({ kind }) => kind === 'step' || kind === 'note');
  return `${events.slice(first).map(formatLine).join('\n')}\n`;
}

describe.each(scenarios)('scenario $name', (scenario) => {
  it('teaches: it asks a question and says what to look at and what to try next', () => {
    expect(scenario.title).not.toBe('');
    expect(scenario.question).toMatch(/\?$/);
    expect(scenario.look.length).toBeGreaterThan(0);
    expect(scenario.next.length).toBeGreaterThan(0);
  });

  it('says nothing to try next that a machine does not accept', () => {
    for (const text of scenario.next) {
      const settings = [...text.matchAll(/--set ([^\s)]+[^\s).:,])/g)].map(([, setting]) => setting!);
      expect(() => new Run(scenario, { settings }), text).not.toThrow();
    }
  });

  const able = Object.keys(presets).filter((machine) => missingFor(scenario, { machine }).length === 0);

  it.each(able)('goes as it expects on machine %s', (machine) => {
    const report = new Run(scenario, { machine }).finish();
    expect(report.expectations.filter(({ holds }) => !holds)).toEqual([]);
    expect(report.error).toBeUndefined();
    expect(report).toMatchObject({ ok: true, scenario: scenario.name, machine });
  });

  it('leaves the trace that was reviewed', async () => {
    await expect(storyOf(scenario)).toMatchFileSnapshot(`../golden/${scenario.name}.txt`);
  });
});

/** Machines that live in one process at a time. */
const SIDE_BY_SIDE = 8;
const starts = scenarios.map((_, i) => i).filter((i) => i % SIDE_BY_SIDE === 0);
const companies = starts.map((i) => scenarios.slice(i, i + SIDE_BY_SIDE));

describe('scenarios whose machines run in the same process, each a step in turn,', () => {
  it.each(companies.map((company) => [company.map(({ name }) => name).join(', '), company] as const))(
    'leave the same bytes as alone: %s',
    (_, company) => {
      const runs = company.map((scenario) => {
        const run = new Run(scenario);
        const lines: string[] = [];
        run.recorder.on('event', (event) => lines.push(formatJson(event)));
        return { scenario, run, lines };
      });
      let going = runs;
      while (going.length > 0) going = going.filter(({ run }) => run.advance());
      for (const { scenario, lines } of runs) expect(lines.join('\n'), scenario.name).toBe(jsonOf(scenario));
    },
  );
});

describe('the boot of a machine', () => {
  it('leaves the trace that was reviewed', async () => {
    const machine = buildMachine('intel-legacy');
    const lines: string[] = [];
    const recorder = new Recorder(machine.engine, machine.names);
    recorder.on('event', (event) => lines.push(formatLine(event)));
    machine.attach(recorder);
    machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('../golden/boot-intel-legacy.txt');
  });
});

describe('the list of scenarios', () => {
  it('has each under a name of its own, in the order of reading', () => {
    const names = scenarios.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)].sort());
  });
});
