/** Machine specifications with ports, switches and bridges: what cannot be built is one sentence about one field. */
import { describe, expect, it } from 'vitest';
import { buildMachine, InputError, type MachineInput, resolveSpec } from '../../src/machine/index.ts';

const PORT = { name: 'port0', at: '00:1c.0' };
const SWITCH = { name: 'sw', at: 'port0:00.0', ports: 2 };
const dma = (name: string, at: string) => ({ name, at, model: 'dma-engine' as const });

function complaint(input: MachineInput): string {
  try {
    resolveSpec(input);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).message;
  }
  throw new Error('the specification was accepted');
}

const some = (extra: MachineInput): MachineInput => ({
  rootPorts: [PORT],
  switches: [SWITCH],
  devices: [dma('dma0', 'sw-0:00.0')],
  ...extra,
});

describe('A machine with a fabric is refused with one sentence', () => {
  it.each<[what: string, extra: MachineInput, sentence: string]>([
    [
      'when a device is behind a port that nobody has',
      { devices: [dma('dma0', 'port1:00.0')] },
      'machine.devices.0.at: expected a place behind a port that there is, one of "port0", "sw-0", "sw-1", got "port1:00.0".',
    ],
    [
      'when a device is behind a port and there is none',
      { rootPorts: [], switches: [], devices: [dma('dma0', 'port0:00.0')] },
      'machine.devices.0.at: expected a place on bus 00, as there is no port, got "port0:00.0".',
    ],
    [
      'when a device is on the bus inside a switch',
      { devices: [dma('dma0', 'sw:00.0')] },
      'machine.devices.0.at: expected a place behind a port that there is, one of "port0", "sw-0", "sw-1", got "sw:00.0".',
    ],
    [
      'when a switch stands on the root bus',
      { switches: [{ ...SWITCH, at: '00:02.0' }], devices: [dma('dma0', 'port0:00.0')] },
      'machine.switches.0.at: expected a place behind a port that there is, one of "port0", "sw-0", "sw-1", got "00:02.0".',
    ],
    [
      'when a device behind a link has another number than 00',
      { devices: [dma('dma0', 'sw-0:00.0'), dma('dma1', 'sw-1:01.0')] },
      'machine.devices.1.at: expected device number 00, which is all that a link leads to, got "sw-1:01.0".',
    ],
    [
      'when a switch is another function than 0',
      { switches: [{ ...SWITCH, at: 'port0:00.1' }] },
      'machine.switches.0.at: expected device 00, function 0, got "port0:00.1".',
    ],
    [
      'when a device on the root bus has more virtual functions than its device number has functions',
      { devices: [{ ...dma('dma0', '00:02.1'), vfs: 7 }, dma('dma1', '00:02.0')] },
      'machine.devices.0.vfs: expected at most 6, as there is no port above with room for more, got 7.',
    ],
    [
      'when a function has the number of another’s virtual function',
      { devices: [{ ...dma('dma0', 'sw-0:00.0'), vfs: 3 }, dma('dma1', 'sw-0:00.3')] },
      'machine.devices.1.at: expected a function number that no virtual function of "dma0" has, got "sw-0:00.3".',
    ],
    [
      'when virtual functions need more buses than there are',
      {
        rootPorts: [PORT, { name: 'port1', at: '00:1d.0' }],
        switches: [
          { ...SWITCH, ports: 32 },
          { name: 'tw', at: 'port1:00.0', ports: 32 },
        ],
        devices: Array.from({ length: 64 }, (_, n) => ({
          ...dma(`dma${n}x`, `${n < 32 ? 'sw' : 'tw'}-${n % 32}:00.0`),
          vfs: 1024,
        })),
      },
      'machine.switches: expected at most 255 buses behind ports, switches and bridges, and not 324, got [{"name":"sw","at":"port0:00.0","ports":32},{"name":"tw",....',
    ],
    [
      'when a switch and a device are behind one port',
      { devices: [dma('dma0', 'port0:00.0')] },
      'machine.devices.0.at: expected a port with nothing behind it yet, got "port0:00.0".',
    ],
    [
      'when a switch and a bridge are behind one port',
      { bridges: [{ name: 'bridge0', at: 'port0:00.0' }] },
      'machine.bridges.0.at: expected a port with nothing behind it yet, got "port0:00.0".',
    ],
    [
      'when a port and a device have one name',
      { devices: [dma('port0', 'sw-0:00.0')] },
      'machine.devices.0.name: expected a name that nothing else has: there is a "port0", got "port0".',
    ],
    [
      'when a bridge is called as a port of a switch',
      { bridges: [{ name: 'sw-1', at: 'sw-0:00.0' }], devices: [dma('dma0', '00:01.0')] },
      'machine.bridges.0.name: expected a name that nothing else has: there is a "sw-1", got "sw-1".',
    ],
    [
      'when two ports are in one place',
      { rootPorts: [PORT, { ...PORT, name: 'port1' }] },
      'machine.rootPorts.1.at: expected a place that no other port has, got "00:1c.0".',
    ],
    [
      'when a port is a function of a device',
      { devices: [dma('dma0', '00:1c.0')] },
      'machine.rootPorts.0.at: expected a device number that no device has, got "00:1c.0".',
    ],
    [
      'when a port is function 4 of a device without function 0',
      { rootPorts: [{ ...PORT, at: '00:1c.4' }] },
      'machine.rootPorts.0.at: expected a function of a device that has function 0, "00:1c.0", got "00:1c.4".',
    ],
    [
      'when a device behind a port has no function 0',
      { devices: [dma('dma0', 'sw-0:00.1')] },
      'machine.devices.0.at: expected a function of a device that has function 0, "sw-0:00.0", got "sw-0:00.1".',
    ],
    [
      'when a switch is below itself',
      { switches: [{ ...SWITCH, at: 'sw-1:00.0' }] },
      'machine.switches.0.at: expected a place that is not below the switch itself, got "sw-1:00.0".',
    ],
    [
      'when two switches are below each other',
      {
        switches: [
          { ...SWITCH, at: 'other-0:00.0' },
          { name: 'other', at: 'sw-1:00.0', ports: 1 },
        ],
      },
      'machine.switches.0.at: expected a place that is not below the switch itself, got "other-0:00.0".',
    ],
    [
      'when a root port has a slot with nothing in it',
      { rootPorts: [PORT, { name: 'port1', at: '00:1d.0', slot: true }] },
      'machine.rootPorts.1.slot: expected false, as nothing is behind "port1" that could be in its slot, got true.',
    ],
    [
      'when one of the slots of a switch has nothing in it',
      { switches: [{ ...SWITCH, slots: true }] },
      'machine.switches.0.slots: expected false, as nothing is behind "sw-1" that could be in its slot, got true.',
    ],
  ])('%s.', (_, extra, sentence) => {
    expect(complaint(some(extra))).toBe(sentence);
  });

  it('when it has more than 255 buses.', () => {
    const switches = Array.from({ length: 8 }, (_, i) => ({
      name: `sw${i}x`,
      at: i === 0 ? 'port0:00.0' : `sw${i - 1}x-0:00.0`,
      ports: 31,
    }));
    expect(complaint({ rootPorts: [PORT], switches })).toContain(
      'machine.switches: expected at most 255 buses behind ports, switches and bridges, and not 257, got',
    );
  });
});

describe('What stands in a slot', () => {
  const machine = buildMachine(
    some({
      rootPorts: [{ ...PORT, slot: true }],
      switches: [{ ...SWITCH, slots: true }],
      devices: [dma('dma0', 'sw-0:00.0'), dma('dma1', 'sw-1:00.0'), dma('dma2', 'sw-1:00.1'), dma('dma3', '00:01.0')],
    }),
  );
  const isUp = (name: string) => (machine.snapshot()[`link ${name}`] as { isUp: boolean }).isUp;

  it('is pulled out and put back by its name, with all functions.', () => {
    machine.unplug('dma2');
    expect([isUp('dma0'), isUp('dma1+dma2')]).toEqual([true, false]);
    machine.plug('dma1');
    machine.unplug('sw');
    expect([isUp('sw'), isUp('dma0'), isUp('dma1+dma2')]).toEqual([false, false, false]);
    machine.reset();
    expect([isUp('sw'), isUp('dma0'), isUp('dma1+dma2')]).toEqual([true, true, true]);
  });

  it('is known; anything else is refused with one sentence.', () => {
    expect(() => machine.unplug('dma3')).toThrow(
      new InputError('There is no slot with "dma3" in it; did you mean "dma0" or "dma1" or "dma2"?'),
    );
    expect(() => buildMachine('intel-fabric').plug('dma0')).toThrow(
      new InputError('There is no slot with "dma0" in it; there are none.'),
    );
  });
});

describe.each(['intel-fabric', 'amd-fabric'])('The machine %s', (machine) => {
  const built = buildMachine(machine);
  built.engine.runUntilDone(built.engine.spawn(built.boot(), 'boot'));
  const { kernel, requesters } = built;
  const nameOf = new Map([...requesters].map(([name, rid]) => [rid, name]));

  it('has every device where its specification says, with registers.', () => {
    expect(kernel.devices.map(({ rid }) => nameOf.get(rid))).toEqual(['dma0', 'dma1', 'dma2', 'dma3', 'pci0', 'pci1']);
    for (const { bars } of kernel.devices) expect(bars.size).toBe(1);
  });

  it('has a name for each link, which is what the link leads to.', () => {
    const links = Object.keys(built.snapshot()).filter((name) => name.startsWith('link '));
    expect(links).toEqual(
      ['dma0', 'dma1', 'switch0', 'dma2', 'dma3', 'bridge0', 'pci0+pci1'].map((name) => `link ${name}`),
    );
  });

  it('has the groups that its ports make.', () => {
    const groups = kernel.iommu.groups.map(({ devices }) => devices.map(({ rid }) => nameOf.get(rid)).join(' '));
    expect(groups.sort()).toEqual(['dma0', 'dma1', 'dma2', 'dma3', 'pci0 pci1']);
  });

  it('has one requester id for both devices behind its PCI bridge.', () => {
    const [first, second] = ['pci0', 'pci1'].map(
      (name) => kernel.devices.find(({ rid }) => rid === requesters.get(name)!)!,
    );
    expect(first!.requester).toBe(first!.rid & 0xff00);
    expect(second!.requester).toBe(first!.requester);
  });
});
