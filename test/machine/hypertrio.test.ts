/** The machine of HyperTRIO as a preset: what its published values make of a translation, and what it is not for. */
import { describe, expect, it } from 'vitest';
import { buildMachine, featuresOf, HYPERTRIO_CACHES, presets, provenance } from '../../src/machine/index.ts';
import { Run, runScenario } from '../../src/scenario/index.ts';
import { scenarioNamed, traced } from '../recorder/traces.ts';

const NAME = 'intel-hypertrio';
const { spec } = buildMachine(NAME);

describe('The machine of HyperTRIO', () => {
  it('has the device-TLB of 64 entries in 8 ways in each engine, and the caches of the simulator.', () => {
    const engines = spec.devices.filter(({ model }) => model === 'dma-engine');
    expect(engines.map((device) => 'deviceTlb' in device && device.deviceTlb)).toEqual(
      Array(3).fill({ sets: 8, ways: 8 }),
    );
    const entries = Object.values(HYPERTRIO_CACHES).map(({ value: { sets, ways } }) => sets * ways);
    expect(entries).toEqual([64, 1536, 512, 1024]);
    expect(spec.iommu).toMatchObject({
      firstStageCache: { sets: 32, ways: 16 },
      secondStageCache: { sets: 64, ways: 16 },
    });
  });

  it('says of each value that it takes from there that it is published, and what it has no field for where it says other.', () => {
    const published = provenance[NAME]!.filter(({ source }) => /HyperSIO, the simulator/.test(source));
    expect(published.map(({ path, certainty }) => `${path}: ${certainty}`)).toEqual([
      'memory.latency: published',
      'iommu.contextCache: published',
      'iommu.pasidCache: derived',
      'iommu.firstStageCache: derived',
      'iommu.secondStageCache: derived',
      'iommu.lookup: published',
      'iommu.walkers: derived',
      'iommu.fetch: derived',
      'iommu.lookupInterval: derived',
      'iommu.readHold: derived',
      'rootComplex.latency: derived',
      'link.latency: published',
      'devices.0.deviceTlb: published',
      'devices.1.deviceTlb: published',
      'devices.2.deviceTlb: published',
      'devices.3.lineRate: published',
    ]);
  });

  it('is the one whose devices are far, so that no frames go at line rate through a ring of 7 buffers.', () => {
    const far = Object.values(presets).filter((preset) => !featuresOf(preset).has('near devices'));
    expect(far.map(({ name }) => name)).toEqual([NAME]);
    expect(() => new Run(scenarioNamed('13-nic-at-line-rate'), { machine: NAME })).toThrow(
      'Scenario 13-nic-at-line-rate needs near devices, which intel-hypertrio has not.',
    );
  });

  it('spends 50 ns on each read of a walk, and 450 ns on each way.', () => {
    const lines = traced('flow-4.4-hardware-nesting.v2', 'jsonl', { options: { machine: NAME } })
      .text.trimEnd()
      .split('\n');
    const waits = lines.map(
      (line) => JSON.parse(line) as { kind: string; what: string; task: string; at: number; since: number },
    );
    const of = (task: string, what: string) =>
      waits
        .filter((wait) => wait.kind === 'wait' && wait.task === task && wait.what === what)
        .map(({ at, since }) => (at - since) / 1000);
    // The root and context entry, those of PASID directory and table, and the walk of two stages, in parts cached.
    expect(of('translation request', 'walk').map((time) => Math.round(time))).toEqual([1000, 100, 50, 150]);
    for (const what of ['link up', 'link down']) {
      const ways = of('translation request', what);
      expect(ways).toHaveLength(4);
      for (const time of ways) expect([what, Math.floor(time)]).toEqual([what, 450]);
    }
  });

  it('tells the stories of device-TLBs and of nested tables.', () => {
    for (const name of ['04-device-tlb', 'flow-4.4-hardware-nesting.v2'])
      expect(runScenario(scenarioNamed(name), { machine: NAME }).ok, name).toBe(true);
  });
});
