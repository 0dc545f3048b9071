/** A machine that is reset is a machine that was just built, also below its ports. */
import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { buildMachine, type Machine } from '../../src/machine/index.ts';
import { formatLine, Recorder } from '../../src/recorder/index.ts';
import { Stage } from '../../src/scenario/index.ts';

const scenario = scenarios.find(({ name }) => name === '20-peer-to-peer')!;
const machineOf = (preset: string) => buildMachine({ preset, ...scenario.hardware });

/** Runs the story until `most` events have happened, and tells what was recorded. */
function story(machine: Machine, most: number): string[] {
  const recorder = new Recorder(machine.engine, machine.names);
  const lines: string[] = [];
  recorder.on('event', (event) => lines.push(formatLine(event)));
  machine.attach(recorder);
  const stage = new Stage(machine, recorder);
  const task = machine.engine.spawn(
    (function* () {
      yield* machine.boot();
      yield* scenario.run(stage);
    })(),
    scenario.name,
  );
  for (let i = 0; i < most && !task.ended && machine.engine.step(); i++);
  return lines;
}

describe.each(['intel-legacy', 'amd-full'])('A machine like %s with switches', (preset) => {
  it.each([400, 2345, 5003, Infinity])(
    'tells the same story after a reset in the middle of one, after %d events',
    (most) => {
      const machine = machineOf(preset);
      story(machine, most);
      machine.reset();
      expect(machine.snapshot()).toEqual(machineOf(preset).snapshot());
      expect(story(machine, Infinity)).toEqual(story(machineOf(preset), Infinity));
    },
  );
});
