import { describe, expect, it } from 'vitest';
import { buildMachine, InputError, type Machine } from '../../src/machine/index.ts';
import { formatLine, Recorder } from '../../src/recorder/index.ts';

function bootTrace(machine: Machine): string[] {
  const lines: string[] = [];
  const recorder = new Recorder(machine.engine, machine.names);
  recorder.on('event', (event) => lines.push(formatLine(event)));
  machine.attach(recorder);
  machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
  machine.attach(null);
  return lines;
}

describe('a machine', () => {
  it('boots a kernel that finds every device of the specification', () => {
    const machine = buildMachine({
      devices: [
        { name: 'a', model: 'dma-engine', at: '00:04.0' },
        { name: 'b', model: 'dma-engine', at: '00:04.1' },
      ],
    });
    bootTrace(machine);
    expect(machine.kernel.devices.map(({ rid }) => rid)).toEqual([0x20, 0x21]);
  });

  it('shows its components as plain data', () => {
    const machine = buildMachine();
    bootTrace(machine);
    const snapshot = machine.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    expect(Object.keys(snapshot)).toEqual(
      expect.arrayContaining(['memory', 'root', 'link dma0', 'dma0', 'dma1', 'dma2', 'iommu0']),
    );
  });

  it('is after a reset as it was built, and boots in the same way again', () => {
    const machine = buildMachine();
    const built = machine.snapshot();
    const first = bootTrace(machine);
    expect(machine.snapshot()).not.toEqual(built);
    machine.reset();
    expect(machine.engine.now).toBe(0);
    expect(machine.engine.pending).toBe(0);
    expect(machine.snapshot()).toEqual(built);
    expect(bootTrace(machine)).toEqual(first);
  });

  it('costs no event when nobody looks', () => {
    const machine = buildMachine();
    const recorder = new Recorder(machine.engine, machine.names);
    let events = 0;
    recorder.on('event', () => events++);
    machine.attach(recorder);
    machine.attach(null);
    machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    expect(events).toBe(0);
  });

  it('has its RAM below 3 GiB and above 4 GiB, and refuses more than its address width reaches', () => {
    expect(() => buildMachine({ memory: { megabytes: 8192 } })).not.toThrow();
    expect(() => buildMachine({ memory: { megabytes: 8192 }, iommu: { hostAddressWidth: 33 } })).toThrow(
      new InputError(
        'machine.memory.megabytes: expected an amount that 33 address bits (machine.iommu.hostAddressWidth) reach, got 8192.',
      ),
    );
  });

  it.each([
    [
      { cap: '0x80d2008c222f0006' },
      'machine.iommu.cap: SAGAW names no number of levels that exists: one of its bits 1 to 3 must be 1.',
    ],
    [
      { ecap: '0xf0004a' },
      'machine.iommu: cap (FRO) and ecap (IRO) place registers over others: IVA_REG at 0 overlaps another register.',
    ],
  ])('refuses capability registers %j in one sentence', (iommu, sentence) => {
    expect(() => buildMachine({ iommu })).toThrow(new InputError(sentence));
  });
});
