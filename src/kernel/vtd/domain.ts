/** A VT-d domain: a second-stage table under one domain id. */
import { type PageNumber, pageOf } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL } from '../../uapi/index.ts';
import type { Geometry, IommuDomain } from '../iommu/driver.ts';
import type { PageTable, Unmapped } from '../iommu/page-table.ts';
import type { PciDevice } from '../pci.ts';
import type { VtdDriver } from './driver.ts';
import type { Invalidation } from './invalidation.ts';

/** Requests to these addresses are interrupts (VT-d 3.15). */
export const INTERRUPT_PAGES = [pageOf(0xfee0_0000n), pageOf(0xfeef_ffffn)] as const;

export interface DomainShape {
  /** CONTEXT_ENTRY.AW */
  readonly addressWidth: number;
  readonly geometry: Geometry;
  readonly enforcesSnoop: boolean;
}

export class VtdDomain implements IommuDomain {
  readonly driver: VtdDriver;
  readonly did: number;
  readonly table: PageTable;
  readonly geometry: Geometry;
  readonly enforcesSnoop: boolean;
  readonly #addressWidth: number;
  readonly #devices = new Set<PciDevice>();

  constructor(driver: VtdDriver, did: number, table: PageTable, shape: DomainShape) {
    this.driver = driver;
    this.did = did;
    this.table = table;
    this.geometry = shape.geometry;
    this.enforcesSnoop = shape.enforcesSnoop;
    this.#addressWidth = shape.addressWidth;
  }

  *attach(device: PciDevice): Script<number> {
    const { contexts, capabilities } = this.driver;
    if (!contexts.covers(device.rid)) return -EINVAL;
    if (this.driver.attached.has(device)) return -EBUSY;
    this.driver.attached.add(device);
    this.#devices.add(device);
    contexts.set(device.rid, { did: this.did, root: this.table.root, addressWidth: this.#addressWidth });
    yield* this.driver.writeEntries(2);
    // With caching mode the entry may be cached as not present, and such entries are tagged with domain id 0.
    const result = capabilities.cachingMode
      ? yield* this.driver.invalidate([
          { cache: 'context', scope: 'device', did: 0, sid: device.rid },
          { cache: 'iotlb', scope: 'domain', did: this.did },
        ])
      : yield* this.driver.flushWriteBuffer();
    if (result < 0) contexts.block(device.rid);
    return result;
  }

  *detach(device: PciDevice): Script<number> {
    const { contexts } = this.driver;
    contexts.block(device.rid);
    yield* this.driver.writeEntries(1);
    const result = yield* this.driver.invalidate([
      { cache: 'context', scope: 'device', did: this.did, sid: device.rid },
      { cache: 'iotlb', scope: 'domain', did: this.did },
    ]);
    if (result < 0) return result;
    contexts.erase(device.rid);
    this.#devices.delete(device);
    this.driver.attached.delete(device);
    return 0;
  }

  *map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): Script<number> {
    const result = this.table.map(first, frame, pages, { ...protection, snoop: this.enforcesSnoop });
    yield* this.driver.writeEntries(this.table.entries);
    yield ns(this.table.tables * this.driver.bus.cost.allocate);
    return result;
  }

  *mapped(first: PageNumber, pages: number): Script<number> {
    if (!this.driver.capabilities.cachingMode) return yield* this.driver.flushWriteBuffer();
    return yield* this.driver.invalidate([this.#pages(first, pages, false)]);
  }

  *unmap(first: PageNumber, pages: number): Script<Unmapped> {
    const unmapped = this.table.unmap(first, pages);
    yield* this.driver.writeEntries(unmapped.entries);
    return unmapped;
  }

  *flush({ first, pages, tables, entries }: Unmapped): Script<number> {
    // No entries: this is another try after a flush that failed, and nobody knows what the first one changed.
    const leafOnly = tables.length === 0 && entries > 0;
    const result = yield* this.driver.invalidate([this.#pages(first, pages, leafOnly)]);
    if (result < 0) this.table.keep(tables);
    return result;
  }

  reclaim({ tables }: Unmapped): void {
    this.table.reclaim(tables);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *destroy(): Script {
    if (this.#devices.size > 0) throw new Error(`domain ${this.did} is destroyed while devices are attached`);
    this.table.destroy();
    this.driver.releaseDid(this.did);
  }

  /** The smallest aligned power of two of pages that covers a range, or the whole domain where that is too much. */
  #pages(first: PageNumber, pages: number, leafOnly: boolean): Invalidation {
    const { pageSelective, maxAddressMask } = this.driver.capabilities;
    const last = first + pages - 1;
    let mask = 0;
    while (Math.floor(first / 2 ** mask) !== Math.floor(last / 2 ** mask)) mask++;
    if (!pageSelective || mask > maxAddressMask) return { cache: 'iotlb', scope: 'domain', did: this.did };
    const page = Math.floor(first / 2 ** mask) * 2 ** mask;
    return { cache: 'iotlb', scope: 'page', did: this.did, page, mask, leafOnly };
  }
}
