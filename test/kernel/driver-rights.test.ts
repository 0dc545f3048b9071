/** What a driver in the kernel has let its device do ends with the driver. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { ExtendedCapabilityId } from '../../hardware/pcie/spec/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { IommuDomain } from '../../src/kernel/iommu/driver.ts';
import { findExtendedCapability } from '../../src/kernel/pci/index.ts';
import {
  buildMachine,
  type DeviceBuffer,
  type KernelDriver,
  MaliciousDriver,
  registersOf,
} from '../../src/machine/index.ts';
import { EBUSY } from '../../src/uapi/index.ts';
import { VENDORS } from './fault-queue-bench.ts';

const TRANSLATED = 2;
/** Control registers in their capabilities; the status of page requests is the upper half of the word. */
const CONTROL = 0x04;
const PASID_CONTROL = 0x06;
const STOPPED = 16 + 8;

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

describe('A device whose page requests do not stop', () => {
  it.each(VENDORS)('on %s is refused rights with EBUSY, and has none of them.', (_, make) => {
    const bench = make({ kernel: { trustDevices: false } });
    const run = <T>(script: Script<T>): T => bench.run(script);
    const driver = bench.kernel.driver('asker') as KernelDriver;
    const { rid } = driver.device;
    const find = (id: number): number => run(findExtendedCapability(bench.bus, rid, id));
    const pri = find(ExtendedCapabilityId.PAGE_REQUEST_INTERFACE);
    const pasid = find(ExtendedCapabilityId.PASID);
    const bus = bench.bus as { configRead: typeof bench.bus.configRead };
    const { configRead } = bus;
    let isStuck = true;
    bus.configRead = function* (to, offset, size) {
      const value = yield* configRead(to, offset, size);
      return isStuck && to === rid && offset === pri + CONTROL ? (value & ~(1 << STOPPED)) >>> 0 : value;
    };
    const rights = { ats: true, pasid: true, pageRequests: 8 };
    expect(run(driver.permit(rights))).toBe(-EBUSY);
    expect(run(driver.configRead(pasid + PASID_CONTROL, 2)) & 1).toBe(0);
    expect(run(driver.configRead(pri + CONTROL, 2)) & 1).toBe(0);
    isStuck = false;
    expect(run(driver.permit(rights))).toBe(0);
    expect(run(driver.configRead(pasid + PASID_CONTROL, 2)) & 1).toBe(1);
    expect(run(driver.release())).toBe(0);
  });
});
