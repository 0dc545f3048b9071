import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { formatLine, Recorder, type TraceEvent } from '../../src/recorder/index.ts';
import { missingFor, Run } from '../../src/scenario/index.ts';

describe.each([
  { machine: 'intel-scalable', golden: 'scalable' },
  { machine: 'amd-v1', golden: 'amd' },
  { machine: 'amd-full', golden: 'amd-full' },
])('The machine $machine', ({ machine, golden }) => {
  const able = scenarios.filter((scenario) => missingFor(scenario, { machine }).length === 0);

  it.each(able)('leaves the trace that was reviewed of scenario $name', async (scenario) => {
    const run = new Run(scenario, { machine });
    const events: TraceEvent[] = [];
    run.recorder.on('event', (event) => events.push(event));
    expect(run.finish().ok).toBe(true);
    const first = events.findIndex(({ kind }) => kind === 'step' || kind === 'note');
    const story = `${events.slice(first).map(formatLine).join('\n')}\n`;
    await expect(story).toMatchFileSnapshot(`../golden/${golden}-${scenario.name}.txt`);
  });

  it('leaves the trace of its boot that was reviewed', async () => {
    const built = buildMachine(machine);
    const lines: string[] = [];
    const recorder = new Recorder(built.engine, built.names);
    recorder.on('event', (event) => lines.push(formatLine(event)));
    built.attach(recorder);
    built.engine.runUntilDone(built.engine.spawn(built.boot(), 'boot'));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`../golden/boot-${machine}.txt`);
  });
});

describe('A machine in scalable mode', () => {
  it('stays in legacy mode when its kernel is told so', () => {
    const machine = buildMachine({ preset: 'intel-scalable', kernel: { iommuMode: 'legacy' } });
    machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    expect(machine.kernel.log.toString()).not.toContain('scalable mode');
    const scalable = buildMachine('intel-scalable');
    scalable.engine.runUntilDone(scalable.engine.spawn(scalable.boot(), 'boot'));
    expect(scalable.kernel.log.toString()).toContain('vtd0: VT-d 6.0, scalable mode');
  });
});
