import { describe, expect, it } from 'vitest';
import { ms, Signal, us } from '../../hardware/sim/index.ts';
import { InputError, type MachineInput } from '../../src/machine/index.ts';
import { Run, runScenario, type ScenarioDefinition, scenario } from '../../src/scenario/index.ts';

function run(script: ScenarioDefinition['run'], more: Partial<ScenarioDefinition> = {}) {
  return runScenario(scenario({ name: 'test', title: 'Test', ...more, run: script }));
}

describe('a scenario', () => {
  it('goes on after an expectation has failed, and reports each with its time and both values', () => {
    const { ok, expectations, error } = run(function* (s) {
      s.expect('First.', 1n, 2n);
      yield us(1);
      s.check('Second.', false);
      s.expect('Third.', { a: 1 }, { a: 1n });
    });
    expect({ ok, error }).toEqual({ ok: false, error: undefined });
    expect(expectations.map(({ sentence, holds }) => [sentence, holds])).toEqual([
      ['First.', false],
      ['Second.', false],
      ['Third.', true],
    ]);
    expect(expectations[0]).toMatchObject({ expected: '0x2', actual: '0x1' });
    expect(expectations[1]!.at - expectations[0]!.at).toBe(1_000_000);
  });

  it('that throws is reported in one sentence with the time', () => {
    const report = run(function* () {
      yield us(1);
      throw new Error('the story breaks off\nand more');
    });
    expect(report.ok).toBe(false);
    expect(report.error).toMatch(/^At \d+\.\d{6} us, in test: the story breaks off\.$/);
  });

  it('that waits for something that never happens is reported as stuck, by name', () => {
    const report = run(function* (s) {
      yield new Signal(s.machine.engine, 'the end of the world');
    });
    expect(report.error).toMatch(
      /^Nothing is left to happen at .* us, but test still waits for the end of the world\.$/,
    );
  });

  it('that never ends is stopped at its limit', () => {
    const report = run(
      function* () {
        for (;;) yield us(100);
      },
      { limit: ms(2) },
    );
    expect(report.error).toMatch(/^It has not ended after 2\d{3}\.\d{6} us of simulated time\.$/);
  });

  it('that yields nonsense, or whose script is no generator, is reported in one sentence', () => {
    const nonsense = function* () {
      yield 'nonsense' as never;
    };
    expect(run(nonsense).error).toMatch(
      /a script yielded nonsense: it may yield a Duration or a Signal, and yield\* a script\.$/,
    );
    const plain = (() => {}) as unknown as ScenarioDefinition['run'];
    expect(run(plain).error).toMatch(/run of scenario "test" is not a generator: write \*run\(stage\) \{ … \}\.$/);
  });

  it('stops at each announced step when it is let go on step by step', () => {
    const told: string[] = [];
    const definition = scenario({
      name: 'test',
      title: 'Test',
      *run(s) {
        for (const text of ['one', 'two', 'three']) {
          s.step(text);
          yield us(1);
        }
      },
    });
    const going = new Run(definition);
    going.recorder.on('step', ({ number, text }) => told.push(`${number} ${text}`));
    expect(going.advance()).toBe(true);
    expect(told).toEqual(['1 one']);
    expect(going.advance() && going.advance()).toBe(true);
    expect(told).toEqual(['1 one', '2 two', '3 three']);
    expect(going.advance()).toBe(false);
    expect(going.report().ok).toBe(true);
  });

  it('gets from the machine’s seed the same random numbers each time', () => {
    const draw = (seed: number): number[] => {
      const drawn: number[] = [];
      const definition = scenario({
        name: 'test',
        title: 'Test',
        // biome-ignore lint/correctness/useYield: nothing to wait for
        *run(s) {
          for (let i = 0; i < 4; i++) drawn.push(s.random.below(1000));
        },
      });
      runScenario(definition, { settings: [`seed=${seed}`] });
      return drawn;
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('takes its own machine unless another one is asked for, and its kernel in either case', () => {
    const definition = scenario({
      name: 'test',
      title: 'Test',
      machine: 'intel-legacy-39',
      kernel: { invalidate: 'none' },
      // biome-ignore lint/correctness/useYield: nothing to wait for
      *run(s) {
        s.expect('The kernel is the one it asked for.', s.machine.spec.kernel.invalidate, 'none');
      },
    });
    expect(runScenario(definition)).toMatchObject({ ok: true, machine: 'intel-legacy-39' });
    expect(runScenario(definition, { machine: 'intel-legacy' })).toMatchObject({ ok: true, machine: 'intel-legacy' });
    expect(runScenario(definition, { machine: { preset: 'intel-legacy', name: 'mine' } })).toMatchObject({
      machine: 'mine',
    });
  });

  it('has an IOTLB of the size that it asks for on any machine, unless a setting says otherwise', () => {
    const definition = scenario({
      name: 'test',
      title: 'Test',
      iotlb: { sets: 2, ways: 3 },
      // biome-ignore lint/correctness/useYield: nothing to wait for
      *run(s) {
        const { sets, ways, policy } = s.machine.spec.iommu.iotlb;
        s.note(`${sets} sets of ${ways} ways, ${policy}`);
      },
    });
    const told = (machine: string | MachineInput, ...settings: string[]): string[] => {
      const run = new Run(definition, { machine, settings });
      const notes: string[] = [];
      run.recorder.on('note', ({ text }) => notes.push(text));
      run.finish();
      return notes;
    };
    expect(told('intel-legacy')).toEqual(['2 sets of 3 ways, lru']);
    expect(told('amd-full', 'iommu.iotlb.ways=1')).toEqual(['2 sets of 1 ways, lru']);
    const own: MachineInput = { preset: 'amd-v1', iommu: { iotlb: { sets: 64, policy: 'fifo' } } };
    expect(told(own)).toEqual(['2 sets of 3 ways, fifo']);
  });
});

describe('a declaration of a scenario', () => {
  it('may have dots between the words of its name, and none at its end or beside another', () => {
    const named = (name: string) => scenario({ name, title: 'x', *run() {} });
    expect(named('flow-4.1-simple.v2').name).toBe('flow-4.1-simple.v2');
    for (const name of ['flow.', '.flow', 'a..b', 'a.-b', '../a']) expect(() => named(name)).toThrow(InputError);
  });

  it.each([
    [
      { name: 'Bad Name', title: 'x' },
      'A scenario\'s name is made of lower-case words and digits joined by dashes and dots, and "Bad Name" is not.',
    ],
    [
      { title: 'x' },
      "A scenario's name is made of lower-case words and digits joined by dashes and dots, and undefined is not.",
    ],
    [{ name: 'x' }, 'Scenario "x" needs a title.'],
    [{ name: 'x', title: 'x' }, 'Scenario "x" needs a script: *run(stage) { … }.'],
  ])('%j is refused in one sentence', (definition, sentence) => {
    expect(() => scenario(definition as unknown as ScenarioDefinition)).toThrow(new InputError(sentence));
  });
});
