/** A domain whose GCR3 table and guest tables somebody else keeps, in memory that a host table translates. */
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL } from '../../uapi/index.ts';
import { ALL_PASIDS, NO_PASID } from '../iommu/attachments.ts';
import type { AttachOptions, PasidTableDomain } from '../iommu/driver.ts';
import { blockAround, EVERYTHING, type PageBlock } from '../iommu/routed-translation.ts';
import type { PciDevice } from '../pci/index.ts';
import type { Command } from './commands.ts';
import type { HostDomain } from './domain.ts';
import { GCR3_BITS } from './features.ts';
import { OverHost } from './over-host.ts';
import { PASID_OF_NONE, type PasidTableTarget } from './route.ts';

export class AmdPasidTable extends OverHost<PasidTableTarget, HostDomain> implements PasidTableDomain {
  override *attach(device: PciDevice, { pasid, ...handlers }: AttachOptions = {}): Script<number> {
    if (pasid !== undefined) return -EINVAL;
    return yield* super.attach(device, { pasid: ALL_PASIDS, ...handlers });
  }

  override *detach(device: PciDevice, pasid?: number): Script<number> {
    return pasid === undefined ? yield* super.detach(device, ALL_PASIDS) : -EINVAL;
  }

  *forget({ pasid, range }: Parameters<PasidTableDomain['forget']>[0] = {}): Script<number> {
    // Told without a PASID, the unit forgets all that guest tables have translated over a host table, and GCR3 entries.
    if (pasid === undefined) {
      return yield* this.driver.run([...this.#pages(NO_PASID, EVERYTHING), ...this.wholeDeviceTlbs()]);
    }
    if (!Number.isInteger(pasid) || pasid < 0 || pasid >= 2 ** (GCR3_BITS * this.target.place.levels)) return -EINVAL;
    const block = range === undefined ? EVERYTHING : blockAround(range.first, range.pages);
    // Devices keep apart what they got without PASID; told without one, they forget that and what has any PASID.
    const ofDevice = pasid === PASID_OF_NONE ? NO_PASID : pasid;
    return yield* this.driver.run([...this.#pages(pasid, block), ...this.deviceTlbs(block, ofDevice)]);
  }

  wholeDeviceTlbs(): Command[] {
    return this.deviceTlbs(EVERYTHING, NO_PASID);
  }

  #pages(pasid: number, block: PageBlock): Command[] {
    const { routes } = this.driver;
    return [...this.attached].map(({ device }) => {
      return { kind: 'pages', did: routes.guestDidOf(device), pasid, block, directories: true };
    });
  }
}
