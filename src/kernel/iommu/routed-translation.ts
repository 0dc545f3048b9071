/** What the domains of every driver are: something that requests are routed into, with a list of what is attached. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EIO } from '../../uapi/index.ts';
import type { PciDevice } from '../pci/index.ts';
import { type Attachment, NO_PASID, refuseGroups } from './attachments.ts';
import type { AttachOptions, DeviceFeatures, IommuDriver, Translation } from './driver.ts';

/** What leads from a requester to its domain, whatever tables that takes. `Target` is what they say about a domain. */
export interface Router<Target> {
  /** 0 when requests of this kind can be routed, or why not: -EINVAL, -EOPNOTSUPP. */
  refusal(device: PciDevice, pasid: number): number;
  /** Called before the first route of a device: 0, -EBUSY, -EOPNOTSUPP. */
  prepare(device: PciDevice, features: DeviceFeatures): number;
  /** The device keeps translations. */
  hasDeviceTlb(device: PciDevice): boolean;
  /** Routes requests that go nowhere yet: 0, -EBUSY, -ENOMEM, or -EIO with the way blocked again. */
  open(device: PciDevice, pasid: number, target: Target): Script<number>;
  /** As a driver does it. */
  moving(device: PciDevice, body: () => Script<number>): Script<number>;
  /** Blocks requests. With 0 nothing of them is cached any more. */
  close(device: PciDevice, pasid: number, target: Target): Script<number>;
}

export interface RoutingDriver<Target> extends IommuDriver {
  readonly routes: Router<Target>;
}

export abstract class RoutedTranslation<Target, Driver extends RoutingDriver<Target>> implements Translation {
  readonly driver: Driver;
  readonly did: number;
  protected abstract readonly target: Target;
  protected readonly attached = new Set<Attachment>();

  constructor(driver: Driver, did: number) {
    this.driver = driver;
    this.did = did;
  }

  *attach(device: PciDevice, { pasid = NO_PASID, ...handlers }: AttachOptions = {}): Script<number> {
    const { routes, attachments } = this.driver;
    const refusal = routes.refusal(device, pasid);
    if (refusal < 0) return refusal;
    if (attachments.isTaken(device, pasid)) return -EBUSY;
    const attachment = attachments.add(device, pasid, handlers);
    this.attached.add(attachment);
    const result = yield* routes.open(device, pasid, this.target);
    // With -EIO nobody knows what hardware still reads: it counts as attached until a detach succeeds.
    if (result < 0 && result !== -EIO) this.#forget(attachment);
    return result;
  }

  *detach(device: PciDevice, pasid: number = NO_PASID): Script<number> {
    const { routes, attachments } = this.driver;
    const attachment = attachments.find(device.requester, pasid);
    if (attachment === undefined || !this.attached.has(attachment)) return -EINVAL;
    attachment.closing = true;
    const result = yield* routes.close(device, pasid, this.target);
    if (result < 0) return result;
    const refused = yield* refuseGroups(attachment);
    if (refused === 0) this.#forget(attachment);
    return refused;
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *destroy(): Script {
    if (this.attached.size > 0) throw new Error(`domain ${this.did} is destroyed while devices are attached`);
    this.release();
  }

  /** Frees what the domain has. */
  protected abstract release(): void;

  #forget(attachment: Attachment): void {
    this.attached.delete(attachment);
    this.driver.attachments.remove(attachment);
  }
}

/** An aligned power of two of pages. */
export interface PageBlock {
  readonly page: PageNumber;
  readonly mask: number;
}

/** Address mask of everything. */
export const WHOLE = 52;

/** Every page. */
export const EVERYTHING: PageBlock = { page: 0, mask: WHOLE };

/** The smallest block that covers a range. */
export function blockAround(first: PageNumber, pages: number): PageBlock {
  const last = first + pages - 1;
  let mask = 0;
  while (Math.floor(first / 2 ** mask) !== Math.floor(last / 2 ** mask)) mask++;
  return { page: Math.floor(first / 2 ** mask) * 2 ** mask, mask };
}

/** The page number that names a block of several pages: its lowest 0 bit is half their number (PCIe ATS, AMD-Vi). */
export function codeOfBlock({ page, mask }: PageBlock): PageNumber {
  return mask > 0 ? page + 2 ** (mask - 1) - 1 : page;
}
