/** Where the time goes: every picosecond of every task has an owner, on machines of both vendors. */
import { describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { type MeasuredMachineName, PathRun } from '../../src/machine/index.ts';
import { type KindShare, Shares } from '../../src/recorder/index.ts';
import { missingFor, Run } from '../../src/scenario/index.ts';

function sharesOf(run: Run): readonly KindShare[] {
  const shares = new Shares();
  run.watch(shares);
  run.finish();
  run.unwatch();
  return shares.kinds;
}

const sum = (values: Iterable<number>): number => [...values].reduce((all, one) => all + one, 0);

function expectWhole(kinds: readonly KindShare[]): void {
  for (const { kind, total, milestones } of kinds) {
    expect([kind, sum(Object.values(milestones))]).toEqual([kind, total]);
  }
}

describe.each([undefined, 'amd-v1'])('On machine %s', (machine) => {
  const options = machine === undefined ? {} : { machine };
  const able = scenarios.filter((one) => missingFor(one, options).length === 0);

  it.each(able.map((scenario) => [scenario.name, scenario] as const))(
    'the waits of %s add up to its time, and nothing goes without an owner.',
    (_, scenario) => {
      const run = new Run(scenario, options);
      const kinds = sharesOf(run);
      expectWhole(kinds);
      expect(kinds[0]).toMatchObject({ kind: 'run', count: 1, total: run.report().picoseconds });
      expect(run.unaccounted).toBe(0);
    },
  );
});

describe('The first DMA', () => {
  const first = scenarios.find(({ name }) => name === '01-first-dma')!;

  it('takes the time of its link, its look-up, its walk and memory.', () => {
    const kinds = sharesOf(new Run(first));
    const { count, milestones } = kinds.find(({ kind }) => kind === 'DMA write')!;
    expect(count).toBe(2);
    // Two look-ups of 2 ns, two passages of the root complex of 25 ns.
    expect([milestones.lookup, milestones.route]).toEqual([4000, 50_000]);
    // Seven reads: six entries for the first, and the empty entry that stops the second, each of 90 ns and its turn at memory's port.
    expect(milestones.walk).toBeGreaterThanOrEqual(7 * 90_000);
    expect(milestones.walk).toBeLessThan(7 * 91_000);
  });

  it('is told of nobody when nobody watches: the same events at the same instants.', () => {
    const [plain, watched] = [false, true].map((isWatched) => {
      const run = new Run(first);
      const events: string[] = [];
      run.recorder.on('event', ({ at, kind, who }) => events.push(`${at} ${kind} ${who}`));
      if (isWatched) sharesOf(run);
      else run.finish();
      return events;
    });
    expect(watched).toEqual(plain);
  });
});

describe('On the timed path', () => {
  const setUps = (['bdw', 'snb'] as MeasuredMachineName[]).flatMap((machine) =>
    (['read', 'write', 'readWrite'] as const).map((traffic) => [machine, traffic] as const),
  );

  it.each(setUps)('of %s, the waits of each %s add up to its time.', (machine, traffic) => {
    const setUp = {
      machine,
      iommu: '4K',
      node: 'local',
      cache: 'warm',
      bytes: 300,
      window: 2 ** 22,
      offset: 0,
      seed: 1,
    } as const;
    const run = new PathRun(setUp, traffic);
    const shares = new Shares();
    run.source.watch(shares);
    run.run(500);
    expectWhole(shares.kinds);
    expect(shares.kinds.length).toBe(traffic === 'readWrite' ? 2 : 1);
    expect(run.unaccounted).toBe(0);
    for (const { milestones } of shares.kinds) expect(milestones.walk).toBeGreaterThan(0);
  });
});
