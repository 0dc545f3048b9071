/** What every VT-d domain is: something that requests are routed into, under one domain id. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EIO } from '../../uapi/index.ts';
import { type Attachment, NO_PASID, refuseGroups } from '../iommu/attachments.ts';
import type { AttachOptions, Translation } from '../iommu/driver.ts';
import type { PciDevice } from '../pci.ts';
import type { VtdDriver } from './driver.ts';
import type { Invalidation } from './invalidation.ts';
import type { Target } from './routes.ts';
import { indexOf } from './scalable-routes.ts';

/** An aligned power of two of pages. */
export interface PageBlock {
  readonly page: PageNumber;
  readonly mask: number;
}

export abstract class VtdTranslation implements Translation {
  readonly driver: VtdDriver;
  readonly did: number;
  protected abstract readonly target: Target;
  readonly #attached = new Set<Attachment>();

  constructor(driver: VtdDriver, did: number) {
    this.driver = driver;
    this.did = did;
  }

  *attach(device: PciDevice, { pasid = NO_PASID, ...handlers }: AttachOptions = {}): Script<number> {
    const { routes, attachments } = this.driver;
    const refusal = routes.refusal(device, pasid);
    if (refusal < 0) return refusal;
    if (attachments.find(device.rid, pasid) !== undefined) return -EBUSY;
    const attachment = attachments.add(device, pasid, handlers);
    this.#attached.add(attachment);
    const result = yield* routes.open(device, pasid, this.target);
    // With -EIO nobody knows what hardware still reads: it counts as attached until a detach succeeds.
    if (result < 0 && result !== -EIO) this.#forget(attachment);
    return result;
  }

  *detach(device: PciDevice, pasid: number = NO_PASID): Script<number> {
    const { routes, attachments } = this.driver;
    const attachment = attachments.find(device.rid, pasid);
    if (attachment === undefined || !this.#attached.has(attachment)) return -EINVAL;
    attachment.closing = true;
    const result = yield* routes.close(device, pasid, this.target);
    if (result < 0) return result;
    const refused = yield* refuseGroups(attachment);
    this.#forget(attachment);
    return refused;
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *destroy(): Script {
    if (this.#attached.size > 0) throw new Error(`domain ${this.did} is destroyed while devices are attached`);
    this.release();
  }

  /** Frees what the domain has. */
  protected abstract release(): void;

  /** PASIDs that requests come with, 0 for those that come without. */
  protected get pasids(): number[] {
    return [...new Set([...this.#attached].map(({ pasid }) => indexOf(pasid)))];
  }

  /** What devices must forget of a range. */
  protected deviceTlbs({ page, mask }: PageBlock): Invalidation[] {
    return [...this.#attached]
      .filter(({ device }) => this.driver.routes.hasDeviceTlb(device))
      .map(({ device, pasid }) => ({ cache: 'device-tlb', sid: device.rid, pasid, page, mask }));
  }

  /** What the unit must forget of a range of first-stage pages: for each PASID, page by page where the mask allows. */
  protected firstStage({ page, mask }: PageBlock, leafOnly: boolean): Invalidation[] {
    const { did } = this;
    const byPage = mask <= this.driver.capabilities.maxAddressMask;
    return this.pasids.map((pasid) =>
      byPage
        ? { cache: 'pasid iotlb', scope: 'page', did, pasid, page, mask, leafOnly }
        : { cache: 'pasid iotlb', scope: 'pasid', did, pasid },
    );
  }

  #forget(attachment: Attachment): void {
    this.#attached.delete(attachment);
    this.driver.attachments.remove(attachment);
  }
}

/** The smallest block that covers a range. */
export function blockAround(first: PageNumber, pages: number): PageBlock {
  const last = first + pages - 1;
  let mask = 0;
  while (Math.floor(first / 2 ** mask) !== Math.floor(last / 2 ** mask)) mask++;
  return { page: Math.floor(first / 2 ** mask) * 2 ** mask, mask };
}
