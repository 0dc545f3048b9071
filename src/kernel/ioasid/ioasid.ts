/**
 * One I/O address space: its page table exists while devices are attached, its mappings pin the pages behind them.
 *
 * Pages are unpinned only after hardware has confirmed that it cannot reach them. When it does not, they stay pinned for
 * ever: losing memory is better than letting a device write into somebody else's.
 */
import { PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EDEADLK, EEXIST, EINVAL, EIO, ENOSPC } from '../../uapi/index.ts';
import type { KernelCosts } from '../costs.ts';
import { type IommuDomain, isPermitted } from '../iommu/driver.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { KernelLog } from '../log.ts';
import type { AddressSpace, Pinned } from '../memory/address-space.ts';
import type { BoundDevice } from './context.ts';
import { type Mapping, Mappings } from './mappings.ts';

export interface IoasidServices {
  readonly iommu: Iommu;
  readonly log: KernelLog;
  readonly cost: KernelCosts;
  /** Mappings that one I/O address space may have. */
  readonly mappingLimit: number;
}

/** A range of whole pages in both spaces. */
export interface MapRequest {
  readonly space: AddressSpace;
  /** First page of the process. */
  readonly source: PageNumber;
  /** First page of I/O virtual memory. */
  readonly first: PageNumber;
  readonly pages: number;
  readonly read: boolean;
  readonly write: boolean;
}

export class Ioasid {
  readonly id: number;
  readonly devices = new Set<BoundDevice>();
  readonly mappings = new Mappings();
  #domain: IommuDomain | null = null;
  readonly #services: IoasidServices;

  constructor(id: number, services: IoasidServices) {
    this.id = id;
    this.#services = services;
  }

  /** 0 when commands are accepted: a device is attached (else -EINVAL), and its whole group is (else -EDEADLK). */
  get readiness(): number {
    if (this.#domain === null) return -EINVAL;
    const attached = new Set([...this.devices].map(({ device }) => device));
    const partial = [...this.devices].some(({ group }) => !group.devices.every((device) => attached.has(device)));
    return partial ? -EDEADLK : 0;
  }

  /** Routes a device's requests without PASID here. The first device brings the page table into being. */
  *attach(device: BoundDevice): Script<number> {
    let domain = this.#domain;
    if (domain === null) {
      const made = yield* device.group.driver.allocateDomain();
      if (typeof made === 'number') return made;
      domain = made;
    }
    // One table belongs to one unit: for a device behind another the program has to make another space.
    const result = domain.driver === device.group.driver ? yield* domain.attach(device.device) : -EINVAL;
    if (result < 0) {
      if (this.#domain === null && result !== -EIO) yield* domain.destroy();
      return result;
    }
    this.#domain = domain;
    this.devices.add(device);
    return 0;
  }

  /** Blocks a device again. With the last one all mappings go, as they do in type1, and the page table. */
  *detach(device: BoundDevice): Script<number> {
    const domain = this.#domain!;
    const result = yield* domain.detach(device.device);
    this.devices.delete(device);
    if (this.devices.size > 0) return result;
    this.#domain = null;
    const mappings = this.mappings.clear();
    if (result < 0) {
      this.#abandon(mappings);
      return result;
    }
    for (const { pinned } of mappings) yield* this.#unpin(pinned);
    yield* domain.destroy();
    return 0;
  }

  /** Pins the pages and maps them: 0, -EEXIST, -ENOSPC, -EINVAL, -EFAULT, -ENOMEM, -EIO. Nothing stays behind on failure. */
  *map({ space, source, first, pages, read, write }: MapRequest): Script<number> {
    const domain = this.#domain!;
    const { iommu, cost, mappingLimit } = this.#services;
    if (this.mappings.overlaps(first, pages)) return -EEXIST;
    if (this.mappings.count >= mappingLimit) return -ENOSPC;
    if (!isPermitted(domain.geometry, first, pages)) return -EINVAL;
    const pinned = space.pin(source, pages, write);
    if (typeof pinned === 'number') return pinned;
    yield* space.settle();
    yield ns(pages * cost.pinPage);
    const result = yield* iommu.map(domain, first, pinned.frames, { read, write });
    if (result === 0) this.mappings.add({ first, pages, pinned });
    else if (result === -EIO) this.#abandon([{ first, pages, pinned }]);
    else yield* this.#unpin(pinned);
    return result;
  }

  /** Removes every mapping in a range and gives the number of pages; -EINVAL when one would be cut, -EIO. */
  *unmap(first: PageNumber, pages: number): Script<number> {
    const domain = this.#domain!;
    const found = this.mappings.within(first, pages);
    const start = found[0];
    const end = found.at(-1);
    if (start === undefined || end === undefined) return 0;
    if (start.first < first || end.first + end.pages > first + pages) return -EINVAL;
    // On failure the mappings stay listed and pinned: the program may try again, and closing gives them up for good.
    const span = end.first + end.pages - start.first;
    const result = yield* this.#services.iommu.unmap(domain, start.first, span);
    if (result < 0) return result;
    let removed = 0;
    for (const mapping of found) {
      this.mappings.remove(mapping);
      yield* this.#unpin(mapping.pinned);
      removed += mapping.pages;
    }
    return removed;
  }

  *#unpin(pinned: Pinned): Script {
    pinned.space.unpin(pinned);
    yield ns(pinned.frames.length * this.#services.cost.pinPage);
  }

  #abandon(mappings: readonly Mapping[]): void {
    const bytes = mappings.reduce((sum, { pages }) => sum + pages * PAGE_SIZE, 0);
    this.#services.log.write(`ioasid ${this.id}: hardware may still reach ${bytes} bytes, which are never used again`);
  }
}
