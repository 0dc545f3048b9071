/** What the IOMMU drivers do when memory or domain ids run out: at each place in turn, the call fails and has taken nothing. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { NO_PASID } from '../../src/kernel/iommu/attachments.ts';
import type { DomainIds } from '../../src/kernel/iommu/domain-ids.ts';
import type { IommuDomain, IommuDriver } from '../../src/kernel/iommu/driver.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { ENOMEM, ENOSPC } from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { held, type MachineBench } from './machine-bench.ts';
import { behind, scalableBench, sure } from './scalable-bench.ts';

const amd = (): MachineBench => AmdBench.up({ efr: GUEST_EFR, efr2: { GCR3TRPModeSup: 1 } });
const intel = (): MachineBench => scalableBench({ ecap: { HPTS: 1, HPT1GPS: 1 } });

interface World {
  readonly driver: IommuDriver;
  readonly device: PciDevice;
  readonly parent: IommuDomain;
}

/** Something that takes memory or ids; what it gives back is a negative errno when it could not. */
type Deed = (world: World) => Script<unknown>;

const attachTo = (allocate: (world: World) => Script<unknown>, pasid?: number): Deed =>
  function* (world) {
    const domain = yield* allocate(world);
    if (typeof domain === 'number') return domain;
    const { attach, destroy } = domain as IommuDomain;
    const result = yield* attach.call(domain, world.device, pasid === undefined ? {} : { pasid });
    if (result < 0) yield* destroy.call(domain);
    return result;
  };

const DEEDS: readonly (readonly [string, () => MachineBench, number, Deed])[] = [
  // What it is for the kernel, a table and an id.
  ['a second stage of VT-d', intel, 3, ({ driver }) => driver.allocateDomain()],
  // The same and a table of permissions.
  ['a second stage with host permissions', intel, 4, ({ driver }) => driver.allocateDomain({ hostPermissions: true })],
  ['a nested domain of VT-d', intel, 2, ({ driver, parent }) => driver.allocateNested({ parent, table: 0, levels: 4 })],
  // As the first; a PASID directory and a table.
  [
    'a first stage of VT-d that a PASID is attached to',
    intel,
    5,
    attachTo(({ driver }) => driver.allocateDomain({ stage: 'first' }), 0x4_1234),
  ],
  ['a host table of AMD-Vi', amd, 3, ({ driver }) => driver.allocateDomain()],
  // What it is for the kernel, a table; an id for the device, a GCR3 table of three levels.
  [
    'a guest table of AMD-Vi that a PASID is attached to',
    amd,
    6,
    attachTo(({ driver }) => driver.allocateDomain({ stage: 'first' }), 0x4_1234),
  ],
  // What it is for the kernel; an id and a GCR3 table.
  [
    'a nested guest table',
    amd,
    3,
    attachTo(({ driver, parent }) => driver.allocateNested({ parent, table: 0, levels: 4 }), 3),
  ],
  // What it is for the kernel, and an id.
  [
    'a PASID table of user space',
    amd,
    2,
    attachTo(({ driver, parent }) => {
      return driver.allocatePasidTable({ parent, table: 0, pasidBits: 9, levels: 4, usesPasidZero: true });
    }),
  ],
];

describe('When something runs out', () => {
  it.each(DEEDS)('at any place, %s fails and has taken nothing.', (_, up, places, deed) => {
    const bench = up();
    const { driver, devices } = behind(bench);
    const device = devices[0]!;
    const { domainIds } = driver as IommuDriver & { readonly domainIds: DomainIds };
    const { faultPoints } = bench.kernel;
    bench.run(
      (function* () {
        const parent = yield* sure(driver.allocateDomain());
        const before = { ...held(bench), ids: [...domainIds.used] };
        let refused = 0;
        for (;;) {
          let left = refused;
          faultPoints.refuse = () => left-- === 0;
          const result = yield* deed({ driver, device, parent });
          faultPoints.refuse = null;
          if (typeof result !== 'number' || result === 0) break;
          expect([-ENOMEM, -ENOSPC]).toContain(result);
          expect({ ...held(bench), ids: [...domainIds.used] }).toEqual(before);
          expect(driver.attachments.find(device.requester, NO_PASID)).toBeUndefined();
          expect(driver.attachments.uses(device)).toBe(false);
          refused++;
        }
        expect(refused).toBe(places);
      })(),
    );
  });
});

describe('Domain ids', () => {
  it('are given out lowest first, none twice, and again when they come back.', () => {
    const bench = scalableBench({ cap: { ND: 0 } });
    const { driver } = behind(bench);
    bench.run(
      (function* () {
        const domains: IommuDomain[] = [];
        // 16 ids: 0 is hardware's, 1 that of identity domains.
        for (let n = 0; n < 14; n++) domains.push(yield* sure(driver.allocateDomain()));
        const { domainIds } = driver as IommuDriver & { readonly domainIds: DomainIds };
        expect([...domainIds.used]).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        expect(yield* driver.allocateDomain()).toBe(-ENOSPC);
        yield* domains[9]!.destroy();
        yield* domains[3]!.destroy();
        yield* sure(driver.allocateDomain());
        expect(domainIds.used).toContain(5);
        expect(domainIds.used).not.toContain(11);
        yield* sure(driver.allocateDomain());
        expect(yield* driver.allocateDomain()).toBe(-ENOSPC);
      })(),
    );
  });
});
