/**
 * An address space that two units translate one after the other: a device's MMU from I/O virtual addresses to bus addresses,
 * and the platform's IOMMU from those to memory.
 *
 * The bus address of a page is its I/O virtual address and a constant (`window`), so that a translation which a device has not
 * forgotten leads to what is mapped at the same I/O virtual address, or nowhere. Both units get the same rights. So whatever
 * a device does with its tables, it reaches what the platform's domain maps and nothing else, and nothing here waits for it
 * to keep memory safe: a device that does not flush is told of in the log.
 *
 * Changes are made one at a time, because entering them in a device's memory takes a while.
 */
import { addressOf, type PageNumber } from '../../../hardware/bits/index.ts';
import { BUS_PAGES, IOVA_PAGES } from '../../../hardware/devices/mmu-engine/spec.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EINVAL, EIO, EOPNOTSUPP } from '../../uapi/index.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import { type AttachOptions, type Geometry, type IommuDomain, isPermitted } from '../iommu/driver.ts';
import type { Unlinking, Unmapped } from '../iommu/page-table.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PageRun } from '../page-run.ts';
import type { PciDevice } from '../pci/index.ts';
import { AttachedMmu } from './attached.ts';
import type { DeviceMmuDriver } from './driver.ts';
import { MmuTables } from './tables.ts';

/** What a device's MMU can translate, all of it: interrupts are raised by bus addresses, which are others. */
export const MMU_GEOMETRY: Geometry = { last: IOVA_PAGES - 1, reserved: [] };

export class DeviceMmuDomain implements IommuDomain {
  readonly driver: DeviceMmuDriver;
  readonly geometry = MMU_GEOMETRY;
  readonly #platform: IommuDomain;
  /** Bus page of I/O virtual page 0. */
  readonly #window: PageNumber;
  readonly #services: IommuServices;
  readonly #tables: MmuTables;
  readonly #attached = new Map<PciDevice, AttachedMmu>();
  readonly #lock: Semaphore;

  constructor(driver: DeviceMmuDriver, platform: IommuDomain, window: PageNumber, services: IommuServices) {
    this.driver = driver;
    this.#platform = platform;
    this.#window = window;
    this.#services = services;
    this.#tables = new MmuTables(services.faultPoints);
    this.#lock = new Semaphore(services.engine, 1, `a domain of ${driver.name}`);
  }

  get enforcesSnoop(): boolean {
    return this.#platform.enforcesSnoop;
  }

  attach(device: PciDevice, options: AttachOptions = {}): Script<number> {
    return this.#locked(() => this.#attach(device, options));
  }

  detach(device: PciDevice, pasid: number = NO_PASID): Script<number> {
    return this.#locked(() => this.#detach(device, pasid));
  }

  map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): Script<number> {
    return this.#locked(() => this.#map(first, frame, pages, protection));
  }

  /** Of what is missing devices' MMUs remember nothing. */
  mapped(first: PageNumber, pages: number): Script<number> {
    return this.#platform.mapped(this.#window + first, pages);
  }

  unmap(first: PageNumber, pages: number, unlinking?: Unlinking): Script<Unmapped> {
    return this.#locked(() => this.#unmap(first, pages, unlinking));
  }

  flush(unmapped: Unmapped): Script<number> {
    return this.#platform.flush(moved(unmapped, this.#window));
  }

  reclaim(unmapped: Unmapped): void {
    this.#platform.reclaim(moved(unmapped, this.#window));
  }

  /** What a device has written reaches memory through the platform's tables, which keep track. */
  setDirtyTracking(on: boolean): Script<number> {
    return this.#platform.setDirtyTracking(on);
  }

  *readDirty(first: PageNumber, pages: number, options?: { readonly keep?: boolean }): Script<PageRun[] | number> {
    const runs = yield* this.#platform.readDirty(this.#window + first, pages, options);
    return typeof runs === 'number' ? runs : runs.map((run) => ({ ...run, first: run.first - this.#window }));
  }

  destroy(): Script {
    return this.#platform.destroy();
  }

  *#attach(device: PciDevice, { pasid = NO_PASID, ...handlers }: AttachOptions): Script<number> {
    if (pasid !== NO_PASID) return -EOPNOTSUPP;
    const { onFault } = handlers;
    const result = yield* this.#platform.attach(device, {
      ...handlers,
      ...(onFault && { onFault: (fault) => onFault({ ...fault, address: this.#seenByDevice(fault.address) }) }),
    });
    if (result < 0 && result !== -EIO) return result;
    const { moves } = this.driver;
    const platform = this.#platform.driver;
    const attached = new AttachedMmu({ device, handlers, platform, services: this.#services, moves });
    this.#attached.set(device, attached);
    // What the device sends meanwhile is outside the window, and blocked.
    const begun = result < 0 ? result : yield* attached.begin(this.#tables.all());
    // With -EIO nobody knows what hardware does: it counts as attached until a detach succeeds.
    if (begun === 0 || begun === -EIO) return begun;
    const undone = yield* this.#detach(device, pasid);
    return undone < 0 ? undone : begun;
  }

  *#detach(device: PciDevice, pasid: number): Script<number> {
    const attached = this.#attached.get(device);
    if (attached === undefined || pasid !== NO_PASID) return -EINVAL;
    const ended = yield* attached.end();
    const result = ended < 0 ? ended : yield* this.#platform.detach(device);
    if (result === 0) this.#attached.delete(device);
    return result;
  }

  /** From memory to the device: nothing leads to a page that the next unit does not know yet. */
  *#map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): Script<number> {
    let result = this.#tables.reserve(first, pages);
    if (result === 0) result = yield* this.#platform.map(this.#window + first, frame, pages, protection);
    if (result < 0) return result;
    const changes = this.#tables.map(first, this.#window + first, pages, protection);
    for (const { mmu } of this.#attached.values()) {
      for (const change of changes) if (result === 0) result = yield* mmu.enter(change);
    }
    return result;
  }

  /** From the device to memory, so that no request which was let through finds its page gone at the next unit. */
  *#unmap(first: PageNumber, pages: number, unlinking?: Unlinking): Script<Unmapped> {
    const changes = this.#tables.unmap(first, pages);
    for (const { mmu, device } of changes.length === 0 ? [] : this.#attached.values()) {
      for (const change of changes) yield* mmu.remove(change);
      if (yield* mmu.flush()) continue;
      this.#services.log.write(
        `${this.driver.name}: ${device.address} does not say that it has forgotten translations`,
      );
    }
    return moved(yield* this.#platform.unmap(this.#window + first, pages, unlinking), -this.#window);
  }

  /** Where the device was, by what the platform's IOMMU saw. Outside the window it has not been sent by these tables. */
  #seenByDevice(address: bigint): bigint {
    const start = addressOf(this.#window);
    return address >= start && address < start + addressOf(IOVA_PAGES) ? address - start : address;
  }

  *#locked<T>(body: () => Script<T>): Script<T> {
    yield this.#lock.acquire();
    const result = yield* body();
    this.#lock.release();
    return result;
  }
}

/** The first bus page of a window that a platform's domain can map whole; `undefined` when there is none. */
export function windowIn(geometry: Geometry): PageNumber | undefined {
  // Not from 0: there addresses of a device whose MMU is off would be bus addresses of the window.
  for (let start = IOVA_PAGES; start + IOVA_PAGES <= BUS_PAGES; start += IOVA_PAGES) {
    if (isPermitted(geometry, start, IOVA_PAGES)) return start;
  }
  return undefined;
}

/** The same, seen from addresses that are `by` pages higher. */
function moved(unmapped: Unmapped, by: number): Unmapped {
  const mappings = unmapped.mappings.map((mapping) => ({ ...mapping, first: mapping.first + by }));
  return { ...unmapped, first: unmapped.first + by, mappings };
}
