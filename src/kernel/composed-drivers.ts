/**
 * Drivers of IOMMUs that are made of others: of devices which translate addresses themselves, in front of the unit that they are
 * behind. Nothing above a driver knows of that; who has another such device writes a driver and a line in the table.
 */
import { DMA_ENGINE_VENDOR } from '../../hardware/devices/dma-engine/spec.ts';
import { MMU_ENGINE_DEVICE } from '../../hardware/devices/mmu-engine/spec.ts';
import { DeviceMmuDriver } from './device-mmu/driver.ts';
import type { IommuDriver } from './iommu/driver.ts';
import type { IommuServices } from './iommu/services.ts';
import type { PciDevice } from './pci/index.ts';

interface Composition {
  /** Of the devices. */
  readonly vendor: number;
  readonly device: number;
  readonly over: (platform: IommuDriver, services: IommuServices) => IommuDriver;
}

const COMPOSITIONS: readonly Composition[] = [
  {
    vendor: DMA_ENGINE_VENDOR,
    device: MMU_ENGINE_DEVICE,
    over: (platform, services) => new DeviceMmuDriver(platform, services),
  },
];

/** The drivers of what is behind one unit. */
export class ComposedDrivers {
  readonly #platform: IommuDriver;
  readonly #services: IommuServices;
  readonly #made = new Map<Composition, IommuDriver>();

  constructor(platform: IommuDriver, services: IommuServices) {
    this.#platform = platform;
    this.#services = services;
  }

  /** The one that serves a group: composed, if all its devices are of one such kind, else the unit's own. */
  of(devices: readonly PciDevice[]): IommuDriver {
    const composition = COMPOSITIONS.find(({ vendor, device }) =>
      devices.every((one) => one.vendor === vendor && one.device === device),
    );
    if (composition === undefined) return this.#platform;
    const driver = this.#made.get(composition) ?? composition.over(this.#platform, this.#services);
    this.#made.set(composition, driver);
    return driver;
  }
}
