/** What stories may ask of a machine is what its kernel finds there. */
import { describe, expect, it } from 'vitest';
import type { Abilities } from '../../src/kernel/iommu/driver.ts';
import { buildMachine, featuresOf, type MachineFeature, presets } from '../../src/machine/index.ts';

const MEANINGS: readonly (readonly [MachineFeature, (abilities: Abilities) => boolean])[] = [
  ['pasid', ({ pasidBits }) => pasidBits > 0],
  ['nesting', ({ nestedLevels }) => nestedLevels.length > 0],
  ['user PASID tables', ({ pasidTableBits }) => pasidTableBits > 0],
  ['dirty tracking', ({ dirtyTracking }) => dirtyTracking],
];

describe.each(Object.keys(presets))('On machine %s', (name) => {
  it('the driver has every ability that the machine announces, and no other', () => {
    const machine = buildMachine(name);
    machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    const { abilities } = machine.kernel.iommu.groups[0]!.driver;
    const found = MEANINGS.filter(([, means]) => means(abilities)).map(([feature]) => feature);
    const announced = featuresOf(machine.spec);
    expect(found).toEqual(MEANINGS.map(([feature]) => feature).filter((feature) => announced.has(feature)));
  });
});

it('user PASID tables and dirty tracking are told of the machines that have everything', () => {
  const having = (feature: MachineFeature) =>
    Object.entries(presets)
      .filter(([, spec]) => featuresOf(spec).has(feature))
      .map(([name]) => name);
  expect(having('user PASID tables')).toContain('amd-full');
  expect(having('user PASID tables')).not.toContain('intel-scalable');
  expect(having('dirty tracking')).toEqual(
    expect.arrayContaining(['intel-scalable', 'amd-full', 'amd-epyc-four-segments']),
  );
  expect(having('dirty tracking')).not.toContain('intel-legacy');
});
