/** A device in hardware that one context controls, and the spaces that its requests go to. */
import { NO_PASID } from '../iommu/attachments.ts';
import type { Abilities } from '../iommu/driver.ts';
import type { IommuGroup } from '../iommu/iommu.ts';
import type { PciDevice } from '../pci/index.ts';
import type { Ioasid } from './ioasid.ts';
import { PasidTable } from './pasid-table.ts';

export class BoundDevice {
  readonly device: PciDevice;
  readonly group: IommuGroup;
  /** What the program calls it; version 1 has no names. */
  readonly cookie: bigint;
  /**
   * By PASID, or NO_PASID: a space and the space that is nested on it, in this order. The last one translates; the others keep
   * their attachment meanwhile.
   */
  readonly slots = new Map<number, Ioasid[]>();

  constructor(device: PciDevice, group: IommuGroup, cookie: bigint) {
    this.device = device;
    this.group = group;
    this.cookie = cookie;
  }

  get abilities(): Abilities {
    return this.group.driver.abilities;
  }

  /** A device is attached to a space at most once, under whatever PASID. */
  isAttached(ioasid: Ioasid): boolean {
    return [...this.slots.values()].some((stack) => stack.includes(ioasid));
  }

  /** Where requests go now; `undefined` while they are blocked. */
  translating(pasid: number = NO_PASID): Ioasid | undefined {
    return this.slots.get(pasid)?.at(-1);
  }

  /**
   * The table by which the program itself says where requests with a PASID go. What is attached with a PASID then leads no
   * request anywhere; it only says which space the program means by that PASID.
   */
  get pasidTable(): PasidTable | undefined {
    const table = this.translating()?.table;
    return table instanceof PasidTable ? table : undefined;
  }

  /** It is attached somewhere with a PASID. */
  get hasPasids(): boolean {
    return [...this.slots.keys()].some((pasid) => pasid !== NO_PASID);
  }
}
