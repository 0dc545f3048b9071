/** What every VT-d domain is: requests are routed into it under one domain id, by which caches are told to forget. */
import { type PageBlock, RoutedTranslation } from '../iommu/routed-translation.ts';
import type { VtdDriver } from './driver.ts';
import type { Invalidation } from './invalidation.ts';
import type { Target, Use } from './routes.ts';
import { indexOf } from './scalable-routes.ts';

export abstract class VtdTranslation extends RoutedTranslation<Target, VtdDriver> {
  /** What is attached, as the tables say it. */
  get uses(): Use[] {
    return [...this.attached].map(({ device, pasid }) => ({ device, pasid, target: this.target }));
  }

  /** PASIDs that requests come with, 0 for those that come without. */
  protected get pasids(): number[] {
    return [...new Set([...this.attached].map(({ pasid }) => indexOf(pasid)))];
  }

  /** What devices must forget of a range. */
  protected deviceTlbs({ page, mask }: PageBlock): Invalidation[] {
    return [...this.attached]
      .filter(({ device }) => this.driver.routes.hasDeviceTlb(device))
      .map(({ device, pasid }) => ({ cache: 'device-tlb', sid: device.requester, pasid, page, mask }));
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
}
