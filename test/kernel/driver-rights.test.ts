/** What a driver in the kernel has let its device do ends with the driver. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { IommuDomain } from '../../src/kernel/iommu/driver.ts';
import {
  buildMachine,
  type DeviceBuffer,
  type KernelDriver,
  MaliciousDriver,
  registersOf,
} from '../../src/machine/index.ts';

const TRANSLATED = 2;

describe.each(['intel-scalable', 'intel-host-permissions', 'amd-v1', 'amd-full'])('On %s a device', (preset) => {
  it('that was trusted with ATS is trusted no more under a driver that does not ask for it.', () => {
    const machine = buildMachine({ preset, devices: [{ name: 'evil0', model: 'malicious', at: '00:01.0' }] });
    const run = <T>(script: Script<T>): T => {
      const result = machine.engine.runUntilDone(machine.engine.spawn(script));
      machine.engine.run();
      return result;
    };
    run(machine.boot());
    const take = (): KernelDriver => {
      const driver = machine.kernel.driver('evil0') as KernelDriver;
      run(driver.setBusMaster(true));
      return driver;
    };
    /** True when a write to a page that is not mapped arrives. */
    const isBelieved = (driver: KernelDriver): boolean => {
      const buffer = driver.memory.allocate(1) as DeviceBuffer;
      expect(run(driver.attach(run(driver.domain()) as IommuDomain))).toBe(0);
      const evil = new MaliciousDriver(registersOf(driver, 0));
      const address = BigInt(buffer.frames[0]! * PAGE_SIZE);
      run(evil.send({ kind: 'MEMORY_WRITE', addressType: TRANSLATED, address, data: Uint8Array.of(0xee) }));
      return driver.memory.read(buffer, 0, 1)[0] === 0xee;
    };
    const trusting = take();
    expect(run(trusting.permit({ ats: true }))).toBe(0);
    expect(isBelieved(trusting)).toBe(true);
    expect(run(trusting.release())).toBe(0);
    expect(machine.kernel.faults).toHaveLength(0);
    expect(isBelieved(take())).toBe(false);
    expect(machine.kernel.faults).toHaveLength(1);
  });
});
