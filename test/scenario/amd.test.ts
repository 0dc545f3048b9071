import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { formatLine, Recorder, type TraceEvent } from '../../src/recorder/index.ts';
import { Run } from '../../src/scenario/index.ts';

const MACHINE = 'amd-v1';

describe('a machine with an AMD-Vi unit', () => {
  it.each(scenarios)('leaves the trace that was reviewed of scenario $name', async (scenario) => {
    const run = new Run(scenario, { machine: MACHINE });
    const events: TraceEvent[] = [];
    run.recorder.on('event', (event) => events.push(event));
    expect(run.finish().ok).toBe(true);
    const first = events.findIndex(({ kind }) => kind === 'step' || kind === 'note');
    const story = `${events.slice(first).map(formatLine).join('\n')}\n`;
    await expect(story).toMatchFileSnapshot(`../golden/amd-${scenario.name}.txt`);
  });

  it('leaves the trace of its boot that was reviewed', async () => {
    const machine = buildMachine(MACHINE);
    const lines: string[] = [];
    const recorder = new Recorder(machine.engine, machine.names);
    recorder.on('event', (event) => lines.push(formatLine(event)));
    machine.attach(recorder);
    machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('../golden/boot-amd-v1.txt');
  });
});
