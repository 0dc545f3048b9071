/** A device that begins by itself when it has power, and a kernel that lets requests up late. */
import { describe, expect, it } from 'vitest';
import { ns } from '../../hardware/sim/index.ts';
import { buildMachine, type Machine } from '../../src/machine/index.ts';

const EARLY = { address: '0x9000', length: 64, every: 100, count: 5 };

function machineWith(at: string, kernel: { openBridges?: 'found' | 'translated' } = {}, count = EARLY.count): Machine {
  const rootPorts = at.startsWith('port0') ? [{ name: 'port0', at: '00:1c.0' }] : [];
  return buildMachine({
    rootPorts,
    devices: [{ name: 'evil0', model: 'malicious', at, early: { ...EARLY, count } }],
    kernel,
  });
}

const sent = (machine: Machine): number => {
  const { registers } = machine.snapshot()['evil0'] as { registers: Record<string, number> };
  return registers['SENT']!;
};

function pass(machine: Machine, nanoseconds: number): void {
  const end = machine.engine.now + ns(nanoseconds);
  machine.engine.runUntil(end as typeof machine.engine.now);
}

describe('a device that begins by itself', () => {
  it('writes as often as it is meant to, at its pace, and again after the power was off', () => {
    const machine = machineWith('00:01.0');
    for (let round = 0; round < 2; round++) {
      pass(machine, 250);
      expect(sent(machine)).toBe(2);
      machine.engine.run();
      expect(sent(machine)).toBe(5);
      expect(machine.engine.pending).toBe(0);
      machine.reset();
    }
  });
});

describe('a kernel that opens bridges', () => {
  /** Requests that have come to the IOMMU by the end of the boot while it was not in service. */
  function early(openBridges: 'found' | 'translated'): { before: number; after: number } {
    const machine = machineWith('port0:00.0', { openBridges }, 1000);
    const seen = { before: 0, after: 0 };
    machine.onRequest = () => {
      seen[machine.kernel.iommu.groups.length === 0 ? 'before' : 'after']++;
    };
    machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    pass(machine, 5000);
    return seen;
  }

  it('as soon as it finds them lets requests up to memory that nothing guards yet', () => {
    expect(early('found').before).toBeGreaterThan(0);
  });

  it('when translation is on lets none up before', () => {
    const { before, after } = early('translated');
    expect(before).toBe(0);
    expect(after).toBeGreaterThan(0);
  });
});
