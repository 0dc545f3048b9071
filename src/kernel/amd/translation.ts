/** What every AMD-Vi domain is: requests are routed into it, and caches are told to forget what came of it. */
import { type PageBlock, RoutedTranslation } from '../iommu/routed-translation.ts';
import type { Command } from './commands.ts';
import type { AmdDriver } from './driver.ts';
import { indexOf, type Target } from './route.ts';

export abstract class AmdTranslation extends RoutedTranslation<Target, AmdDriver> {
  /** What devices must forget of a range: of the requests that are attached, unless somebody says of which. */
  protected deviceTlbs(block: PageBlock, of?: number): Command[] {
    return [...this.attached]
      .filter(({ device }) => this.driver.routes.hasDeviceTlb(device))
      .map(({ device, pasid }) => ({ kind: 'device tlb', deviceId: device.requester, pasid: of ?? pasid, block }));
  }

  /** What the unit must forget of a range of guest pages: each device has a domain id of its own. */
  protected guestPages(block: PageBlock, directories: boolean): Command[] {
    return [...this.attached].map(({ device, pasid }) => ({
      kind: 'pages',
      did: this.driver.routes.guestDidOf(device),
      pasid: indexOf(pasid),
      block,
      directories,
    }));
  }
}
