/**
 * What leads to the guest tables of each device: a GCR3 table, and the domain id under which what they translate is cached. While a
 * device moves from one domain to another it keeps what it had, so that there is a way back.
 */
import type { Script } from '../../../hardware/sim/index.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PciDevice } from '../pci/index.ts';
import type { AmdDriver } from './driver.ts';
import { Gcr3Table } from './gcr3-table.ts';
import type { Gcr3, GuestsTarget } from './route.ts';

export class GuestRoots {
  readonly #driver: AmdDriver;
  readonly #services: IommuServices;
  /** Devices that move, with what they had before. */
  readonly #moving = new Map<PciDevice, Gcr3 | null>();

  constructor(driver: AmdDriver, services: IommuServices) {
    this.#driver = driver;
    this.#services = services;
  }

  /** What can lead a device to such tables: what it had before, or something new; -ENOMEM, -ENOSPC. */
  take(device: PciDevice, target: GuestsTarget): Gcr3 | number {
    const kept = this.#moving.get(device) ?? null;
    if (kept === null || !this.#suits(kept, target)) return this.#make(target);
    this.#moving.set(device, null);
    return kept;
  }

  /** Nothing leads there any more. */
  giveBack(device: PciDevice, gcr3: Gcr3): void {
    if (this.#moving.get(device) === null) this.#moving.set(device, gcr3);
    else this.#free(gcr3);
  }

  /** As the driver's. */
  *moving(device: PciDevice, body: () => Script<number>): Script<number> {
    this.#moving.set(device, null);
    const result = yield* body();
    const kept = this.#moving.get(device) ?? null;
    this.#moving.delete(device);
    if (kept !== null) this.#free(kept);
    return result;
  }

  #make(target: GuestsTarget): Gcr3 | number {
    const { levels } = target;
    const did = this.#driver.domainIds.take();
    if (did < 0) return did;
    if (target.kind === 'PASID table') return { place: target.place, table: null, did, levels };
    const { bus, allocator } = this.#services;
    const table = Gcr3Table.create(bus.memory, allocator, this.#levelsOf(target));
    if (typeof table !== 'number') return { place: table.place, table, did, levels };
    this.#driver.domainIds.release(did);
    return table;
  }

  #suits({ levels, place, table }: Gcr3, target: GuestsTarget): boolean {
    if (levels !== target.levels) return false;
    return target.kind === 'PASID table'
      ? place === target.place
      : table !== null && place.levels === this.#levelsOf(target);
  }

  /** Of a GCR3 table. */
  #levelsOf({ kind }: GuestsTarget): number {
    return kind === 'nested' ? 1 : this.#driver.features.guest!.gcr3Levels;
  }

  #free({ table, did }: Gcr3): void {
    table?.destroy();
    this.#driver.domainIds.release(did);
  }
}
