/** The driver of AMD-Vi units with guest tables: PASIDs, first stages, nesting, device TLBs. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { IommuDomain } from '../../src/kernel/iommu/driver.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { EBUSY, EINVAL, EIO, EOPNOTSUPP } from '../../src/uapi/index.ts';
import { AmdBench, type AmdBenchOptions, entryOf, GUEST_EFR, submitted } from './amd-bench.ts';
import { held, RIDS } from './machine-bench.ts';
import { behind, dmaRead, mapPage, sure, unmapPage } from './scalable-bench.ts';

const AT = 0x40_0000;
const IOVA_PAGE = AT / PAGE_SIZE;
const BLOCKED = [3n, 0n, 0n, 0n];
const GV = 1n << 55n;
const GIOV = 1n << 54n;

function guestBench({ efr, ...rest }: AmdBenchOptions = {}) {
  const bench = AmdBench.up({ ...rest, efr: { ...GUEST_EFR, ...efr } });
  const { driver, devices } = behind(bench);
  return { bench, driver, one: devices[0]!, two: devices[1]! };
}

describe('With guest tables', () => {
  it.each([
    ['of 4 levels', 4, 0n],
    ['of 5 levels', 5, 1n],
  ] as const)('%s requests without PASID go through a first stage.', (_, levels, mode) => {
    const { bench, driver, one } = guestBench();
    const before = held(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first', levels }));
        const frame = yield* mapPage(bench, domain, IOVA_PAGE, 5);
        expect(yield* domain.attach(one)).toBe(0);
        const [q0, , q2] = entryOf(bench, RIDS[0]) as [bigint, bigint, bigint];
        expect(q0 & (GV | GIOV | 0xfffn)).toBe(GV | GIOV | 3n);
        expect((q2 >> 54n) & 3n).toBe(mode);
        expect(yield* dmaRead(bench, one, { address: AT })).toBe(5);
        expect(yield* unmapPage(bench, domain, IOVA_PAGE, frame)).toBe(0);
        expect(yield* dmaRead(bench, one, { address: AT })).toBe('COMPLETER_ABORT');
        expect(yield* domain.detach(one)).toBe(0);
        yield* domain.destroy();
      })(),
    );
    expect(entryOf(bench, RIDS[0])).toEqual(BLOCKED);
    expect(held(bench)).toEqual(before);
    expect(bench.kernel.faults.map(({ pasid }) => pasid)).toEqual([-1]);
  });

  it('each PASID has a table of its own, and what has none is blocked.', () => {
    const { bench, driver, one, two } = guestBench();
    const before = held(bench);
    const pasids = [1, 0x1ff, 0x200, 0xf_ffff];
    const told: number[] = [];
    bench.run(
      (function* () {
        const domains: IommuDomain[] = [];
        for (const [i, pasid] of pasids.entries()) {
          const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
          yield* mapPage(bench, domain, IOVA_PAGE, i + 1);
          expect(yield* domain.attach(one, { pasid, onFault: () => void told.push(pasid) })).toBe(0);
          domains.push(domain);
        }
        expect(yield* domains[0]!.attach(two, { pasid: 1 })).toBe(0);
        expect(yield* dmaRead(bench, two, { address: AT, pasid: 1 })).toBe(1);
        for (const [i, pasid] of pasids.entries()) {
          expect(yield* dmaRead(bench, one, { address: AT, pasid })).toBe(i + 1);
        }
        expect(yield* dmaRead(bench, one, { address: AT })).toBe('COMPLETER_ABORT');
        expect(yield* dmaRead(bench, one, { address: AT, pasid: 2 })).toBe('COMPLETER_ABORT');
        expect(yield* dmaRead(bench, one, { address: 0x1000, pasid: 0x200 })).toBe('COMPLETER_ABORT');
        expect(yield* domains[2]!.detach(one, 0x200)).toBe(0);
        expect(yield* dmaRead(bench, one, { address: AT, pasid: 0x200 })).toBe('COMPLETER_ABORT');
        expect(yield* dmaRead(bench, one, { address: AT, pasid: 0x1ff })).toBe(2);
        for (const [i, pasid] of pasids.entries()) if (i !== 2) expect(yield* domains[i]!.detach(one, pasid)).toBe(0);
        expect(yield* domains[0]!.detach(two, 1)).toBe(0);
        for (const domain of domains) yield* domain.destroy();
      })(),
    );
    expect(told).toEqual([0x200]);
    expect(bench.kernel.allocator.inUse['GCR3 tables']).toBeUndefined();
    expect(bench.kernel.allocator.inUse['I/O page table']).toBe(before.inUse['I/O page table']);
  });

  it('requests without PASID may keep their addresses beside PASIDs, but not a host table.', () => {
    const { bench, driver, one, two } = guestBench();
    bench.run(
      (function* () {
        const identity = yield* sure(driver.allocateIdentity());
        const guest = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const deep = yield* sure(driver.allocateDomain({ stage: 'first', levels: 5 }));
        const host = yield* sure(driver.allocateDomain());
        yield* mapPage(bench, guest, IOVA_PAGE, 6);
        bench.memory.write(0x20_0010, Uint8Array.of(9));
        expect(yield* identity.attach(one)).toBe(0);
        expect(yield* guest.attach(one, { pasid: 7 })).toBe(0);
        expect(yield* dmaRead(bench, one, { address: 0x20_0010 })).toBe(9);
        expect(yield* dmaRead(bench, one, { address: AT, pasid: 7 })).toBe(6);
        expect(yield* deep.attach(one, { pasid: 8 })).toBe(-EOPNOTSUPP);
        expect(yield* host.attach(one, { pasid: 8 })).toBe(-EOPNOTSUPP);
        expect(yield* identity.detach(one)).toBe(0);
        expect(yield* dmaRead(bench, one, { address: 0x20_0010 })).toBe('COMPLETER_ABORT');
        expect(yield* dmaRead(bench, one, { address: AT, pasid: 7 })).toBe(6);
        expect(yield* host.attach(one)).toBe(-EOPNOTSUPP);
        expect(yield* host.attach(two)).toBe(0);
        expect(yield* guest.attach(two, { pasid: 7 })).toBe(-EOPNOTSUPP);
        expect(yield* guest.detach(one, 7)).toBe(0);
        expect(yield* host.attach(one)).toBe(0);
      })(),
    );
  });

  it('a PASID that cannot be, or that goes somewhere, is refused.', () => {
    const { bench, driver, one } = guestBench({ efr: { PASMax: 8, GLXSup: 0 } });
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        for (const pasid of [0, 512, 1.5]) expect(yield* domain.attach(one, { pasid })).toBe(-EINVAL);
        expect(yield* domain.attach(one, { pasid: 511 })).toBe(0);
        expect(yield* domain.attach(one, { pasid: 511 })).toBe(-EBUSY);
        expect(yield* domain.detach(one, 510)).toBe(-EINVAL);
        expect(yield* domain.map(0, 0, 1, { read: false, write: false })).toBe(-EINVAL);
      })(),
    );
  });

  it('the unit forgets by PASID, under a domain id of the device.', () => {
    const { bench, driver, one } = guestBench();
    const commands = submitted(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* domain.attach(one, { pasid: 0x12345 });
        yield* mapPage(bench, domain, 0, 1);
        yield* mapPage(bench, domain, 7, 1);
        const result = yield* bench.kernel.iommu.unmap(domain, 7, 1);
        expect(result).toBe(0);
        yield* domain.detach(one, 0x12345);
      })(),
    );
    expect(commands).toEqual([
      '2000000000000010 0000000000000000',
      `3000000200000000 7ffffffffffff003`,
      `3000000200012345 7ffffffffffff007`,
      '3000000200012345 0000000000007004',
      '2000000000000010 0000000000000000',
      `3000000200000000 7ffffffffffff003`,
      `3000000200012345 7ffffffffffff007`,
    ]);
  });

  it('a device that keeps translations is told to forget them with each flush.', () => {
    const { bench, driver, one } = guestBench();
    const commands = submitted(bench);
    expect(driver.prepare(one, { deviceTlb: true, pageRequests: false })).toBe(0);
    bench.run(
      (function* () {
        const host = yield* sure(driver.allocateDomain());
        yield* host.attach(one);
        expect(entryOf(bench, RIDS[0])[1]! & (1n << 32n), 'DTE.I').not.toBe(0n);
        expect(driver.prepare(one, { deviceTlb: false, pageRequests: false })).toBe(-EBUSY);
        yield* mapPage(bench, host, 0, 1);
        yield* mapPage(bench, host, 4, 1);
        commands.length = 0;
        yield* bench.kernel.iommu.unmap(host, 4, 1);
        yield* host.detach(one);
        const guest = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* guest.attach(one, { pasid: 0x12345 });
        yield* mapPage(bench, guest, 0, 1);
        yield* mapPage(bench, guest, 7, 1);
        commands.push('guest');
        yield* bench.kernel.iommu.unmap(guest, 7, 1);
      })(),
    );
    expect(commands.slice(0, 2)).toEqual(['3000000200000000 0000000000004000', '4000001020000010 0000000000004000']);
    expect(commands.slice(commands.indexOf('guest') + 1)).toEqual([
      '3000000300012345 0000000000007004',
      '4145001020230010 0000000000007004',
    ]);
  });

  it('a guest keeps its own table in memory that a host table translates.', () => {
    const { bench, driver, one, two } = guestBench();
    const before = held(bench);
    bench.run(
      (function* () {
        const parent = yield* sure(driver.allocateDomain());
        const frames: number[] = [];
        for (let page = 0; page < 5; page++) frames.push(yield* mapPage(bench, parent, page, 17));
        // Guest pages 0 to 3 are tables, one level each, and lead address 0 to guest page 4: present, writable, user.
        for (let page = 0; page < 4; page++) {
          bench.memory.write64(frames[page]! * PAGE_SIZE, BigInt((page + 1) * PAGE_SIZE) | 7n);
        }
        const nested = yield* sure(driver.allocateNested({ parent, table: 0, levels: 4 }));
        expect(yield* parent.attach(one)).toBe(0);
        expect(yield* nested.attach(one, { pasid: 3 })).toBe(0);
        expect(yield* nested.attach(two)).toBe(0);
        expect(yield* nested.attach(two, { pasid: 512 })).toBe(-EOPNOTSUPP);
        const ask = (device: PciDevice, pasid?: number) =>
          dmaRead(bench, device, { address: 0, ...(pasid === undefined ? {} : { pasid }) });
        expect(yield* ask(one, 3)).toBe(17);
        expect(yield* ask(two)).toBe(17);

        bench.memory.write64(frames[3]! * PAGE_SIZE, 0n);
        expect(yield* nested.forget({ first: 0, pages: 1 })).toBe(0);
        expect(yield* ask(one, 3)).toBe('COMPLETER_ABORT');
        bench.memory.write64(frames[3]! * PAGE_SIZE, BigInt(4 * PAGE_SIZE) | 7n);
        expect(yield* ask(one, 3)).toBe(17);
        expect(yield* ask(two)).toBe(17);

        expect(yield* dmaRead(bench, one, { address: 4 * PAGE_SIZE })).toBe(17);
        expect(yield* unmapPage(bench, parent, 4, frames[4]!)).toBe(0);
        expect(yield* dmaRead(bench, one, { address: 4 * PAGE_SIZE })).toBe('COMPLETER_ABORT');
        expect(yield* ask(one, 3)).toBe('COMPLETER_ABORT');
        expect(yield* ask(two)).toBe('COMPLETER_ABORT');

        expect(yield* parent.detach(one)).toBe(0);
        expect(yield* nested.detach(one, 3)).toBe(0);
        expect(yield* nested.detach(two)).toBe(0);
        yield* nested.destroy();
        for (let page = 0; page < 4; page++) yield* unmapPage(bench, parent, page, frames[page]!);
        yield* parent.destroy();
      })(),
    );
    expect(held(bench)).toEqual(before);
  });

  it('nesting needs a host table of the same unit, and a table that is in it.', () => {
    const { bench, driver } = guestBench({ efr: { GATS: 0 } });
    bench.run(
      (function* () {
        const guest = yield* sure(driver.allocateDomain({ stage: 'first' }));
        const host = yield* sure(driver.allocateDomain());
        expect(yield* driver.allocateDomain({ stage: 'first', levels: 5 })).toBe(-EOPNOTSUPP);
        expect(yield* driver.allocateNested({ parent: guest, table: 0, levels: 4 })).toBe(-EINVAL);
        expect(yield* driver.allocateNested({ parent: host, table: 2 ** 36, levels: 4 })).toBe(-EINVAL);
        expect(yield* driver.allocateNested({ parent: host, table: 0, levels: 5 })).toBe(-EOPNOTSUPP);
      })(),
    );
  });

  it('they are all that a unit without host tables offers, and none in legacy mode.', () => {
    const without = guestBench({ efr: { HATS: 3 } });
    const legacy = guestBench({ kernel: { iommuMode: 'legacy' } });
    without.bench.run(
      (function* () {
        const domain = yield* sure(without.driver.allocateDomain());
        expect(domain.geometry.last).toBe(2 ** 35 - 1);
        expect(domain.enforcesSnoop).toBe(false);
        expect(yield* without.driver.allocateDomain({ stage: 'second' })).toBe(-EOPNOTSUPP);
        yield* mapPage(without.bench, domain, IOVA_PAGE, 3);
        yield* domain.attach(without.one);
        expect(yield* dmaRead(without.bench, without.one, { address: AT })).toBe(3);
      })(),
    );
    legacy.bench.run(
      (function* () {
        const domain = yield* sure(legacy.driver.allocateDomain());
        expect(yield* legacy.driver.allocateDomain({ stage: 'first' })).toBe(-EOPNOTSUPP);
        expect(yield* domain.attach(legacy.one, { pasid: 1 })).toBe(-EOPNOTSUPP);
        expect(legacy.driver.prepare(legacy.one, { deviceTlb: true, pageRequests: true })).toBe(-EOPNOTSUPP);
      })(),
    );
  });

  it('a detach that hardware does not confirm can be repeated, and nothing is freed before.', () => {
    const { bench, driver, one } = guestBench();
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ stage: 'first' }));
        yield* domain.attach(one, { pasid: 4 });
        const { inUse } = held(bench);
        bench.tap = (offset, value) => {
          if (offset !== 0x2008) return true;
          const ring = Number(BigInt.asUintN(52, bench.unit.read(0x0008, 8)));
          bench.memory.write(ring + Number(value) - 32, new Uint8Array(16).fill(0xff));
          bench.tap = null;
          return true;
        };
        expect(yield* domain.detach(one, 4)).toBe(-EIO);
        expect(held(bench).inUse).toEqual(inUse);
        expect(yield* domain.detach(one, 4)).toBe(0);
        expect(bench.kernel.allocator.inUse['GCR3 tables']).toBeUndefined();
        yield* domain.destroy();
      })(),
    );
  });
});
