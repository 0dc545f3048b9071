/** A device whose translated requests are checked, under the VT-d driver of the kernel. */
import { expect } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { Access, Translation } from '../../hardware/iommu/index.ts';
import { AddressType } from '../../hardware/pcie/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import type { DomainOptions, IommuDomain } from '../../src/kernel/iommu/driver.ts';
import type { Bench } from './bench.ts';
import { behind, scalableBench, sure } from './scalable-bench.ts';

export const CHECKED = { deviceTlb: true, pageRequests: false, hostPermissions: true };
export const KEPT = { hostPermissions: true };
export const READ_WRITE = { read: true, write: true };
export const READ_ONLY = { read: true, write: false };
/** The first of 32 pages whose permissions share an entry. */
export const FRAME = 0x1240;

export function checked() {
  const bench = scalableBench({ ecap: { HPTS: 1, HPT1GPS: 1 } });
  const { driver, devices } = behind(bench);
  const device = devices[0]!;
  expect(driver.prepare(device, CHECKED)).toBe(0);
  const open = (options: DomainOptions = {}): IommuDomain =>
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain({ ...KEPT, ...options }));
        expect(yield* domain.attach(device)).toBe(0);
        return domain;
      })(),
    );
  const { iommu } = bench.kernel;
  const map = (domain: IommuDomain, page: number, frames: readonly number[], rights = READ_WRITE) =>
    bench.run(iommu.map(domain, page, Float64Array.from(frames), rights));
  const unmap = (domain: IommuDomain, page: number, pages = 1) => bench.run(iommu.unmap(domain, page, pages));
  return { bench, driver, device, open, map, unmap };
}

/** What the unit makes of a translated request to a host page: `rw`, `r-`, or the faults. */
export function verdict({ unit }: Bench, requester: number, frame: number): string {
  const ask = (access: number): string | null => {
    const t = new Translation<Fault>();
    t.effects = false;
    t.ask(requester, -1, access, Math.floor((frame * PAGE_SIZE) / 2 ** 32), (frame * PAGE_SIZE) | 0);
    t.addressType = AddressType.TRANSLATED;
    unit.translate(t);
    return t.fault?.name ?? null;
  };
  return `${ask(Access.READ) ?? 'r'}${ask(Access.WRITE) ?? 'w'}`;
}

export const DENIED = 'HPT.6HPT.5';
