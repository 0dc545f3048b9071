/** Virtual functions as the kernel switches them on and off. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine, type MachineInput, registersOf } from '../../src/machine/index.ts';
import { EBUSY, EINVAL, ENODEV, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { DmaEngineDriver } from '../../src/user/index.ts';

const BAR_BYTES = 0x4000;

function boot(preset: string, extra: MachineInput = {}) {
  const machine = buildMachine({
    preset,
    rootPorts: [{ name: 'port0', at: '00:1c.0' }],
    devices: [
      { name: 'dma0', model: 'dma-engine', at: 'port0:00.0', vfs: 7 },
      { name: 'dma1', model: 'dma-engine', at: '00:02.0' },
    ],
    ...extra,
  });
  const run = <T>(script: Script<T>): T => machine.engine.runUntilDone(machine.engine.spawn(script));
  run(machine.boot());
  const { kernel } = machine;
  return { machine, kernel, run, enable: (name: string, count: number) => run(kernel.enableVfs(name, count)) };
}

describe.each(['intel-scalable', 'amd-full'])('On %s a device', (preset) => {
  it('has virtual functions one behind the other, each with its part of the array, its group and its file.', () => {
    const { kernel, run, enable, machine } = boot(preset);
    const before = machine.engine.now;
    expect(enable('dma0', 3)).toBe(0);
    expect(Number(machine.engine.now) - Number(before), 'picoseconds').toBeGreaterThan(1e11);
    const [physical, ...virtual] = kernel.devices.filter(({ rid }) => rid >= 0x100);
    expect(virtual.map(({ rid }) => rid)).toEqual([0x101, 0x102, 0x103]);
    const starts = virtual.map(({ bars }) => bars.get(0)!.address);
    expect(starts.map((start) => start - starts[0]!)).toEqual([0, BAR_BYTES, 2 * BAR_BYTES]);
    expect(Math.abs(starts[0]! - physical!.bars.get(0)!.address)).toBeGreaterThanOrEqual(BAR_BYTES);
    for (const device of virtual) expect(kernel.iommu.groupOf(device)!.devices).toEqual([device]);
    for (const { address } of virtual) {
      const driver = kernel.driver(address);
      if (typeof driver === 'number') throw new Error(`${address} cannot be taken: ${driver}`);
      expect(run(driver.read(0, 0, 4))).toBe(0x44_4d_41_01n);
      expect(run(driver.release())).toBe(0);
    }
    expect(run(kernel.process('app').open('/dev/vfio/devices/dma0v2'))).toBeGreaterThanOrEqual(0);
  });

  it('has none of them afterwards: no device, no group, no file; and can have others.', () => {
    const { kernel, run, enable } = boot(preset);
    expect(enable('dma0', 7)).toBe(0);
    const groups = kernel.iommu.groups.length;
    const driver = kernel.driver('dma0v6');
    if (typeof driver === 'number') throw new Error('it cannot be taken');
    expect(run(kernel.disableVfs('dma0')), 'one is in use').toBe(-EBUSY);
    run(driver.release());
    expect(run(kernel.disableVfs('dma0'))).toBe(0);
    expect(kernel.devices).toHaveLength(2);
    expect(kernel.iommu.groups).toHaveLength(groups - 7);
    expect(kernel.driver('dma0v6')).toBe(-ENODEV);
    expect(run(kernel.process('app').open('/dev/vfio/devices/dma0v0'))).toBeLessThan(0);
    expect(enable('dma0', 1)).toBe(0);
    expect(new Set(kernel.iommu.groups.map(({ id }) => id)).size).toBe(kernel.iommu.groups.length);
  });

  it('is refused more than it has, any without the capability, and more while it has some.', () => {
    const { enable, run, kernel } = boot(preset);
    for (const count of [0, 8, -1, 1.5]) expect(enable('dma0', count)).toBe(-EINVAL);
    expect(enable('dma1', 1)).toBe(-EOPNOTSUPP);
    expect(enable('dma7', 1)).toBe(-ENODEV);
    expect(run(kernel.disableVfs('dma0')), 'none are there').toBe(0);
    expect(enable('dma0', 1)).toBe(0);
    expect(enable('dma0', 2)).toBe(-EBUSY);
  });

  it('is refused virtual functions that nothing would keep apart.', () => {
    const { enable, kernel } = boot(preset, { rootPorts: [{ name: 'port0', at: '00:1c.0', acs: [] }] });
    expect(enable('dma0', 2)).toBe(-EINVAL);
    expect(kernel.devices).toHaveLength(2);
    expect(kernel.log.toString()).toContain('its virtual functions would share groups with others');
  });
});

describe.each(['intel-scalable', 'amd-full'])('On %s a device with hundreds of virtual functions', (preset) => {
  const many = (vfs: number) => ({
    devices: [{ name: 'dma0', model: 'dma-engine' as const, at: 'port0:00.0', vfs }],
  });

  it('has them on its own bus, as the port passes every function number, and on the next: each its own requester.', () => {
    const { kernel, run, enable, machine } = boot(preset, many(300));
    expect(enable('dma0', 300)).toBe(0);
    expect(kernel.devices.map(({ rid }) => rid)).toEqual(Array.from({ length: 301 }, (_, n) => 0x100 + n));
    for (const [name, rid, write] of [
      ['dma0v6', 0x107, true],
      ['dma0v7', 0x108, false],
      ['dma0v255', 0x200, true],
      ['dma0v299', 0x22c, false],
    ] as const) {
      const driver = kernel.driver(name);
      if (typeof driver === 'number') throw new Error(`${name} cannot be taken: ${driver}`);
      expect(driver.device.rid).toBe(rid);
      expect(kernel.iommu.groupOf(driver.device)!.devices).toEqual([driver.device]);
      const page = driver.memory.allocate(1);
      const domain = run(driver.domain());
      if (typeof page === 'number' || typeof domain === 'number') throw new Error('no memory');
      run(driver.setBusMaster(true));
      expect(run(driver.map(domain, 0x100, page, { read: true, write }))).toBe(0);
      expect(run(driver.attach(domain))).toBe(0);
      run(new DmaEngineDriver(registersOf(driver, 0)).write(0x10_0000n, Uint8Array.of(rid & 0xff)));
      machine.engine.run();
      expect(driver.memory.read(page, 0, 1)).toEqual(Uint8Array.of(write ? rid & 0xff : 0));
      expect(kernel.faults.some(({ requester }) => requester === rid)).toBe(!write);
    }
  });

  it('has as many as function numbers go, where function 0 of the device knows of no others.', () => {
    const { enable } = boot(preset, {
      devices: [
        { name: 'dma1', model: 'dma-engine', at: 'port0:00.0' },
        { name: 'dma0', model: 'dma-engine', at: 'port0:00.1', vfs: 20 },
      ],
    });
    expect(enable('dma0', 7)).toBe(-EINVAL);
    expect(enable('dma0', 6)).toBe(0);
  });
});

describe('Two at once', () => {
  it('do not both switch virtual functions on.', () => {
    const { machine, kernel } = boot('intel-scalable');
    const results: number[] = [];
    for (const count of [2, 3]) {
      machine.engine.spawn(
        (function* () {
          results.push(yield* kernel.enableVfs('dma0', count));
        })(),
      );
    }
    machine.engine.run();
    expect(results.sort()).toEqual([-EBUSY, 0]);
    expect(kernel.devices).toHaveLength(4);
  });
});
