/** Kernels that are refused allocations while they boot, each in its turn. */
import { expect } from 'vitest';
import { FAULT_POINTS, type FaultPoint } from '../../src/kernel/fault-points.ts';
import { buildMachine, type Machine, type MachineInput } from '../../src/machine/index.ts';
import { held, type Refusal } from './fault-points-bench.ts';

const MMU_ENGINE: MachineInput['devices'] = [
  { name: 'dma0', model: 'dma-engine', at: '00:01.0' },
  { name: 'mmu0', model: 'mmu-engine', at: '00:02.0' },
];

/** Firmware goes on using 8 KiB with the first device. */
const SHARED: MachineInput = {
  firmware: { reservedMemory: [{ start: '0x200000', pages: 2, devices: ['dma0'] }] },
};

/** The kernel hears from the port when the first device is pulled out. */
const IN_SLOT: MachineInput = {
  rootPorts: [{ name: 'port0', at: '00:1c.0', slot: true }],
  devices: [
    { name: 'dma0', model: 'dma-engine', at: 'port0:00.0' },
    { name: 'dma1', model: 'dma-engine', at: '00:01.0' },
  ],
};

const SPECS: readonly (readonly [name: string, spec: MachineInput])[] = [
  ...['intel-legacy', 'intel-scalable', 'amd-v1', 'amd-full'].map((preset) => [preset, { preset }] as const),
  ...['intel-scalable', 'amd-full'].flatMap((preset) => [
    [`${preset}, with a device that has an MMU`, { preset, devices: MMU_ENGINE }] as const,
    [`${preset}, with a device in a slot`, { preset, ...IN_SLOT }] as const,
    [`${preset}, with memory that firmware shares with a device`, { preset, ...SHARED }] as const,
  ]),
];

/** A machine that has not booted. */
export function unbooted(spec: MachineInput): Machine {
  return buildMachine({ ...spec, kernel: { interruptRemapping: 'on' } });
}

export const MACHINES: readonly (readonly [name: string, make: () => Machine])[] = SPECS.map(([name, spec]) => [
  name,
  () => unbooted(spec),
]);

function boot(machine: Machine): void {
  machine.engine.spawn(machine.boot());
  machine.engine.run();
}

/** What processes and drivers of the kernel can have. */
function offered({ kernel }: Machine): { readonly devices: readonly string[]; readonly groups: readonly unknown[] } {
  const groups = kernel.iommu.groups.map(({ devices, driver }) => [driver.name, devices.map(({ address }) => address)]);
  return { devices: kernel.devices.map(({ address }) => address), groups };
}

/** It hears of what happens at its slot: where it does not, nothing is held for that. */
const watches = ({ kernel }: Machine): boolean => kernel.log.toString().includes('slot 1 is watched');

/**
 * Boots machines, each of which is refused an allocation later than the one before: the unit is in service and nothing less is
 * given out than without refusals, or everything is as it was. Gives the points that were reached.
 */
export function bootRefused(make: () => Machine, refusal: Refusal): Set<FaultPoint> {
  const whole = make();
  boot(whole);
  const reached = new Set<FaultPoint>();
  for (let failing = 0; ; failing++) {
    const machine = make();
    const { kernel } = machine;
    const before = { held: held(kernel), registers: machine.inspect().registers() };
    const asked: FaultPoint[] = [];
    kernel.faultPoints.refuse = (point) => {
      expect(Object.keys(FAULT_POINTS)).toContain(point);
      const at = asked.push(point as FaultPoint) - 1;
      return refusal === 'once' ? at === failing : at >= failing;
    };
    boot(machine);
    kernel.faultPoints.refuse = null;
    const point = asked[failing];
    if (point === undefined) {
      expect(offered(machine)).toEqual(offered(whole));
      return reached;
    }
    reached.add(point);
    const log = kernel.log.toString();
    if (log.includes('could not be taken into service')) {
      expect(held(kernel), point).toEqual(before.held);
      expect(machine.inspect().registers(), point).toEqual(before.registers);
      expect(kernel.iommu.groups, point).toEqual([]);
    } else {
      // Something else is missing, and somebody says so; the unit blocks what belongs to nobody.
      expect(log, point).toMatch(
        /left alone|no room|nobody can have it|no process can open it|loses its reserved memory|nobody watches slot 1/,
      );
      const { devices } = offered(machine);
      const isLost = log.includes('loses its reserved memory');
      if (isLost) expect(kernel.allocator.inUse['I/O page table'], point).toBeUndefined();
      else if (watches(machine) !== watches(whole)) {
        expect(kernel.allocator.free, point).toBeGreaterThanOrEqual(whole.kernel.allocator.free);
      } else if (devices.length === offered(whole).devices.length) {
        expect(held(kernel), point).toEqual(held(whole.kernel));
      }
    }
  }
}
