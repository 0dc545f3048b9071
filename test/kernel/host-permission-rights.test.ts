/** Who gets host permissions: units, devices and domains that can have them; and a whole machine that has. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { AddressType } from '../../hardware/pcie/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { IommuDomain } from '../../src/kernel/iommu/driver.ts';
import {
  buildMachine,
  type DeviceBuffer,
  type KernelDriver,
  MaliciousDriver,
  registersOf,
} from '../../src/machine/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { CHECKED, checked, DENIED, FRAME, KEPT, READ_ONLY, READ_WRITE, verdict } from './host-permission-bench.ts';
import { behind, scalableBench, sure } from './scalable-bench.ts';

describe('Host permissions', () => {
  it('are refused without the capability, without device-TLB, and by units of other kinds.', () => {
    const without = behind(scalableBench());
    expect(without.driver.prepare(without.devices[0]!, CHECKED)).toBe(-EOPNOTSUPP);
    const legacy = behind(scalableBench({ ecap: { HPTS: 1 }, kernel: { iommuMode: 'legacy' } }));
    expect(legacy.driver.prepare(legacy.devices[0]!, CHECKED)).toBe(-EOPNOTSUPP);
    const amd = behind(AmdBench.up({ efr: GUEST_EFR }));
    expect(amd.driver.prepare(amd.devices[0]!, CHECKED)).toBe(-EOPNOTSUPP);
    const { driver, device } = checked();
    expect(driver.prepare(device, { ...CHECKED, deviceTlb: false })).toBe(-EOPNOTSUPP);
  });

  it('need a domain that keeps them, which units without the capability do not have.', () => {
    const { bench, driver, device } = checked();
    const without = scalableBench();
    expect(without.run(behind(without).driver.allocateDomain(KEPT))).toBe(-EOPNOTSUPP);
    bench.run(
      (function* () {
        const plain = yield* sure(driver.allocateDomain());
        expect(yield* plain.attach(device)).toBe(-EINVAL);
        const identity = yield* sure(driver.allocateIdentity());
        expect(yield* identity.attach(device)).toBe(-EINVAL);
        const kept = yield* sure(driver.allocateDomain(KEPT));
        expect(yield* kept.attach(device)).toBe(0);
        expect(yield* kept.attach(device, { pasid: 5 }), 'translated requests carry no PASID').toBe(-EOPNOTSUPP);
      })(),
    );
  });

  it('of a nested domain are those of the domain that it is nested in.', () => {
    const { bench, driver, device } = checked();
    bench.run(
      (function* () {
        const parent = yield* sure(driver.allocateDomain(KEPT));
        yield* bench.kernel.iommu.map(parent, 0x100, Float64Array.of(FRAME), READ_WRITE);
        const nested = yield* sure(driver.allocateNested({ parent, table: 0x100, levels: 4 }));
        expect(yield* nested.attach(device)).toBe(0);
      })(),
    );
    expect(verdict(bench, device.rid, FRAME)).toBe('rw');
    expect(verdict(bench, device.rid, FRAME + 1)).toBe(DENIED);
  });

  it('are forgotten when a kernel sets its root, if the unit does not do that by itself.', () => {
    const queued = (ESRTPS: number): string[] => {
      const bench = scalableBench({ ecap: { HPTS: 1 }, cap: { ESRTPS } });
      const ring = Number(bench.unit.read(0x90, 8) & ~0xfffn);
      return [0, 1, 2, 3, 4].map((i) => (bench.memory.read64(ring + i * 32) & 0xfffn).toString(16));
    };
    // Context, PASID and IOTLB, then host permissions, all of them global; and the wait.
    expect(queued(0)).toEqual(['11', '37', 'd2', '1a', '25']);
    expect(queued(1)).toEqual(['0', '0', '0', '0', '0']);
  });
});

describe('A machine whose unit keeps host permissions in a cache', () => {
  it('knows of more and of less permission as soon as the kernel has said so.', () => {
    const machine = buildMachine({
      preset: 'intel-host-permissions',
      devices: [{ name: 'evil0', model: 'malicious', at: '00:01.0' }],
    });
    const run = <T>(script: Script<T>): T => {
      const result = machine.engine.runUntilDone(machine.engine.spawn(script));
      machine.engine.run();
      return result;
    };
    run(machine.boot());
    const driver = machine.kernel.driver('evil0') as KernelDriver;
    run(driver.permit({ ats: true, hostPermissions: true }));
    run(driver.setBusMaster(true));
    const evil = new MaliciousDriver(registersOf(driver, 0));
    const buffer = driver.memory.allocate(1) as DeviceBuffer;
    const domain = run(driver.domain()) as IommuDomain;
    run(driver.attach(domain));
    const address = BigInt(buffer.frames[0]! * PAGE_SIZE);
    let writes = 0;
    const writeArrives = (): boolean => {
      const data = Uint8Array.of(++writes);
      run(evil.send({ kind: 'MEMORY_WRITE', addressType: AddressType.TRANSLATED, address, data }));
      return driver.memory.read(buffer, 0, 1)[0] === writes;
    };
    expect(writeArrives()).toBe(false);
    run(driver.map(domain, 0x100, buffer, READ_ONLY));
    expect(run(evil.fetch({ addressType: AddressType.TRANSLATED, address, length: 4 }))).toEqual(new Uint8Array(4));
    expect(writeArrives()).toBe(false);
    run(driver.map(domain, 0x200, buffer, READ_WRITE));
    expect(writeArrives()).toBe(true);
    run(driver.unmap(domain, 0x200, 1));
    expect(writeArrives()).toBe(false);
    expect(run(driver.release())).toBe(0);
  });
});
