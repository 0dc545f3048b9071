/** Slots: the kernel hears from the port above that a device has been pulled out, whatever it did, and lets go of it. */
import { describe, expect, it } from 'vitest';
import { us } from '../../hardware/sim/index.ts';
import { buildMachine, type Machine, type MachineInput } from '../../src/machine/index.ts';
import { ENOENT } from '../../src/uapi/index.ts';
import { Program } from '../../src/user/index.ts';

const dma = (name: string, at: string) => ({ name, model: 'dma-engine' as const, at });
const PORT = { name: 'port0', at: '00:1c.0', slot: true };
const ONE: MachineInput = { rootPorts: [PORT], devices: [dma('dma0', 'port0:00.0'), dma('plain', '00:01.0')] };
const SWITCH: MachineInput = {
  rootPorts: [PORT],
  switches: [{ name: 'sw', at: 'port0:00.0', ports: 2, slots: true }],
  devices: [dma('dma0', 'sw-0:00.0'), dma('dma1', 'sw-1:00.0'), dma('dma2', 'sw-1:00.1'), dma('plain', '00:01.0')],
};

/** A machine that has booted; it may be prepared before that. */
function boot(preset: string, input: MachineInput, prepare: (machine: Machine) => void = () => {}): Machine {
  const machine = buildMachine({ preset, ...input });
  prepare(machine);
  machine.engine.spawn(machine.boot(), 'boot');
  machine.engine.run();
  return machine;
}

const nameOf = (machine: Machine, rid: number) => machine.names.requester(rid);
const devices = (machine: Machine) => machine.kernel.devices.map(({ rid }) => nameOf(machine, rid));
const groups = (machine: Machine) =>
  machine.kernel.iommu.groups.map((group) => group.devices.map(({ rid }) => nameOf(machine, rid)).join(' '));
/** Interrupts of slots that the kernel has handled. */
const heard = ({ kernel }: Machine) =>
  Object.fromEntries(
    kernel.interrupts.counts.handled.flatMap(({ name, count }) => (name.startsWith('slot') ? [[name, count]] : [])),
  );

function unplug(machine: Machine, name: string): void {
  machine.unplug(name);
  machine.engine.run();
}

describe.each([
  ['intel-legacy', 'off'],
  ['intel-scalable', 'off'],
  ['intel-scalable', 'on'],
  ['amd-v1', 'off'],
  ['amd-full', 'off'],
  ['amd-full', 'on'],
] as const)('On a machine like %s, with interrupt remapping %s,', (preset, interruptRemapping) => {
  const kernel = { interruptRemapping };

  it('a device that is pulled out of the slot of a root port has no file and no group any more.', () => {
    const machine = boot(preset, { ...ONE, kernel });
    expect([devices(machine), heard(machine)]).toEqual([['plain', 'dma0'], { 'slot 1': 0 }]);
    unplug(machine, 'dma0');
    expect([devices(machine), groups(machine), heard(machine)]).toEqual([['plain'], ['plain'], { 'slot 1': 1 }]);
    expect(machine.kernel.log.toString()).toContain('it has gone');
    const program = new Program(machine.kernel.process('program'));
    const opened = machine.engine.spawn(program.open('/dev/vfio/devices/dma0'));
    machine.engine.run();
    expect(opened.result).toBe(-ENOENT);
    expect([machine.kernel.faults, machine.kernel.interrupts.counts.unhandled]).toEqual([[], 0]);
  });

  it('what is pulled out of a port of a switch goes with all its functions, and what is beside it stays.', () => {
    const machine = boot(preset, { ...SWITCH, kernel });
    expect(heard(machine)).toEqual({ 'slot 1': 0, 'slot 2': 0, 'slot 3': 0 });
    unplug(machine, 'dma1');
    expect([devices(machine), groups(machine)]).toEqual([
      ['plain', 'dma0'],
      ['plain', 'dma0'],
    ]);
    expect(heard(machine)).toEqual({ 'slot 1': 0, 'slot 2': 0, 'slot 3': 1 });
  });

  it('a switch that is pulled out takes everything below with it, also while a port of it is being asked.', () => {
    const machine = boot(preset, { ...SWITCH, kernel });
    machine.unplug('dma0');
    machine.engine.spawn(
      (function* () {
        yield us(0.5);
        machine.unplug('sw');
      })(),
    );
    machine.engine.run();
    expect([devices(machine), groups(machine)]).toEqual([['plain'], ['plain']]);
    expect(heard(machine)['slot 1']).toBe(1);
  });
});

describe('The kernel', () => {
  it('lets nothing up that is put into a slot, also when that comes before it has looked.', () => {
    const machine = boot('intel-scalable', ONE);
    const isUp = () => (machine.snapshot()['link dma0'] as { isUp: boolean }).isUp;
    machine.unplug('dma0');
    machine.plug('dma0');
    expect(isUp()).toBe(true);
    machine.engine.run();
    // That the link went down when the kernel disabled it is an event, too.
    expect([devices(machine), heard(machine), isUp()]).toEqual([['plain'], { 'slot 1': 2 }, false]);
    unplug(machine, 'dma0');
    machine.plug('dma0');
    machine.engine.run();
    expect([devices(machine), heard(machine), isUp()]).toEqual([['plain'], { 'slot 1': 4 }, false]);
  });

  it('finds no device that was pulled out before it came, and does not miss one that goes while it boots.', () => {
    const early = boot('intel-scalable', ONE, (machine) => machine.unplug('dma0'));
    expect(devices(early)).toEqual(['plain']);
    const boots = boot('intel-scalable', ONE).engine.now;
    for (let part = 1; part < 40; part++) {
      const machine = boot('intel-scalable', ONE, (one) => {
        one.engine.spawn(
          (function* () {
            yield us((Number(boots) / 1e6) * (part / 40));
            one.unplug('dma0');
          })(),
        );
      });
      expect([part, devices(machine)]).toEqual([part, ['plain']]);
    }
  });

  it('says so when it cannot watch a slot, and works without.', () => {
    let vectors = 0;
    const machine = boot('intel-scalable', ONE, ({ kernel }) => {
      // The first two are the unit's.
      kernel.faultPoints.refuse = (point) => point === 'interrupt vector' && ++vectors === 3;
    });
    expect(machine.kernel.log.toString()).toContain('nobody watches slot 1: -ENOSPC');
    unplug(machine, 'dma0');
    expect([devices(machine), heard(machine)]).toEqual([['plain', 'dma0'], {}]);
  });

  it('asks nothing more of ports without a slot.', () => {
    const times = [false, true].map((slot) => {
      const machine = boot('intel-scalable', { ...ONE, rootPorts: [{ ...PORT, slot }] });
      return [Number(machine.engine.now), machine.kernel.log.toString().includes('slot 1 is watched')] as const;
    });
    expect(times.map(([, watched]) => watched)).toEqual([false, true]);
    expect(times[0]![0]).toBeLessThan(times[1]![0]);
  });
});
