/**
 * What a device hears of another through the IOTLB that they share, and that it is the device-TLB which silences the other:
 * the scenario, with other IOTLBs and without its containment.
 */
import { describe, expect, it } from 'vitest';
import sharedIotlb from '../../scenarios/40-shared-iotlb.ts';
import { runScenario } from '../../src/scenario/index.ts';

const failures = (machine: string, ...settings: string[]): string[] =>
  runScenario(sharedIotlb, { machine, settings })
    .expectations.filter(({ holds }) => !holds)
    .map(({ sentence }) => sentence);

describe.each(['intel-scalable', 'amd-v1', 'amd-full'])('On %s a device that measures its own reads', (machine) => {
  it.each([
    [1, 1],
    [2, 1],
    [1, 4],
    [4, 3],
    [1, 128],
  ])('hears of another through an IOTLB of %i sets and %i ways, as long as that has no device-TLB', (sets, ways) => {
    expect(failures(machine, `iommu.iotlb.sets=${sets}`, `iommu.iotlb.ways=${ways}`)).toEqual([]);
  });

  it('hears what the other does in the third act too, if that has no device-TLB', () => {
    expect(failures(machine, 'devices.1.deviceTlb=null')).toEqual([
      'Device and IOMMU can do it.',
      'spy0 hears nothing.',
      'Ones sound like zeros.',
    ]);
  });

  it('is often wrong when chance decides which entry gives way', () => {
    const failed = failures(machine, 'iommu.iotlb.policy=random');
    expect(failed).toContain('spy0 hears dma0 in each turn.');
    expect(failed).not.toContain('spy0 hears nothing.');
  });
});
