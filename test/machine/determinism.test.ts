/**
 * The same machine and the same seed leave the same bytes: what is traced, what is captured on the links, and the state in
 * the end. Another machine, or the same one after a reset, makes no difference.
 */
import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { CAPTURE_FORMATS, type Machine } from '../../src/machine/index.ts';
import { formatJson, Recorder } from '../../src/recorder/index.ts';
import { missingFor, Run, type Scenario, Stage } from '../../src/scenario/index.ts';

interface Traces {
  readonly events: string;
  readonly capture: string;
  /** Of everything that a machine is, in the end. */
  readonly digest: string;
}

/** Writes down what `tell` makes happen on a machine. */
function record(machine: Machine, recorder: Recorder, tell: () => void): Traces {
  const events: string[] = [];
  const packets: string[] = [];
  recorder.on('event', (event) => events.push(formatJson(event)));
  const write = (part: Uint8Array | string) => packets.push(Buffer.from(part).toString('hex'));
  machine.capture(CAPTURE_FORMATS['pcapng']!(write), 'a machine');
  tell();
  return { events: events.join('\n'), capture: packets.join(''), digest: machine.digest() };
}

function first(scenario: Scenario, machine: string): { machine: Machine; traces: Traces } {
  const run = new Run(scenario, { machine });
  return { machine: run.machine, traces: record(run.machine, run.recorder, () => void run.finish()) };
}

/** The same story on a machine that has told it before and was reset. */
function again(scenario: Scenario, machine: Machine): Traces {
  machine.reset();
  const recorder = new Recorder(machine.engine, machine.names);
  machine.attach(recorder);
  const stage = new Stage(machine, recorder);
  const story = machine.engine.spawn(
    (function* () {
      yield* machine.boot();
      yield* scenario.run(stage);
    })(),
    scenario.name,
  );
  return record(machine, recorder, () => machine.engine.runUntilDone(story));
}

const cases = ['intel-legacy', 'intel-scalable', 'amd-full'].flatMap((machine) =>
  scenarios
    .filter((scenario) => missingFor(scenario, { machine }).length === 0)
    .map((scenario) => ({ machine, name: scenario.name, scenario })),
);

describe.each(cases)('scenario $name on $machine', ({ scenario, machine }) => {
  it('leaves the same trace, the same capture and the same state on another machine, and after a reset', () => {
    const { machine: used, traces } = first(scenario, machine);
    expect(traces.events.length).toBeGreaterThan(1000);
    expectSame(first(scenario, machine).traces, traces);
    expectSame(again(scenario, used), traces);
  });
});

/** Long texts are compared as wholes: what differs first is enough to know. */
function expectSame(found: Traces, expected: Traces): void {
  const [lines, wanted] = [found.events.split('\n'), expected.events.split('\n')];
  const at = lines.findIndex((line, i) => line !== wanted[i]);
  expect([at, lines[at], lines.length]).toEqual([-1, undefined, wanted.length]);
  expect(found.capture === expected.capture).toBe(true);
  expect(found.digest).toBe(expected.digest);
}
