/**
 * The driver of devices that have an MMU of their own, in front of the driver of the IOMMU that they are behind.
 *
 * Each unit does what it can be trusted with. Isolation is the platform's: whoever drives the device can reach its MMU. The
 * device's MMU gives what the platform's unit does not have: every 32-bit address can be mapped, those that mean
 * interrupts too; pages that can be written and not read, whatever the platform's tables can say; and it tells the
 * device at once that it may not, where the platform's unit drops a write without a word.
 */
import { PAGE_SHIFT } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { ENOMEM, EOPNOTSUPP } from '../../uapi/index.ts';
import type { Message } from '../interrupts.ts';
import type { Attachments } from '../iommu/attachments.ts';
import type {
  Abilities,
  AttachOptions,
  DeviceFeatures,
  DomainOptions,
  IommuDomain,
  IommuDriver,
  NestedDomain,
  PasidTableDomain,
  Translation,
} from '../iommu/driver.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PciDevice } from '../pci/index.ts';
import { DeviceMmu } from './device.ts';
import { DeviceMmuDomain, MMU_GEOMETRY, windowIn } from './domain.ts';
import { MovingDevices } from './moving.ts';

export class DeviceMmuDriver implements IommuDriver {
  readonly name: string;
  readonly moves = new MovingDevices();
  readonly #platform: IommuDriver;
  readonly #services: IommuServices;

  /** `platform` is in service. */
  constructor(platform: IommuDriver, services: IommuServices) {
    this.name = `${platform.name}+mmu`;
    this.#platform = platform;
    this.#services = services;
  }

  get attachments(): Attachments {
    return this.#platform.attachments;
  }

  /** Those of kernel-managed tables that both have: what the device's MMU maps, and what the platform's does with it. */
  get abilities(): Abilities {
    const { enforcesSnoop, dirtyTracking } = this.#platform.abilities;
    return {
      pageShifts: [PAGE_SHIFT],
      geometry: MMU_GEOMETRY,
      enforcesSnoop,
      dirtyTracking,
      nestedLevels: [],
      pasidTableBits: 0,
      pasidBits: 0,
      deviceTlb: false,
      pageRequests: false,
    };
  }

  /** Devices are made ready one by one, when they are attached. */
  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *probe(): Script<number> {
    return 0;
  }

  /** The platform's unit blocks them already. */
  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *enable(): Script<number> {
    return 0;
  }

  *allocateDomain(options?: DomainOptions): Script<IommuDomain | number> {
    if (this.#services.faultPoints.refuses('domain')) return -ENOMEM;
    const domain = yield* this.#platform.allocateDomain(options);
    if (typeof domain === 'number') return domain;
    const window = windowIn(domain.geometry);
    if (window !== undefined) return new DeviceMmuDomain(this, domain, window, this.#services);
    yield* domain.destroy();
    return -EOPNOTSUPP;
  }

  *allocateIdentity(): Script<Translation | number> {
    const identity = yield* this.#platform.allocateIdentity();
    return typeof identity === 'number' ? identity : new Untranslated(this, identity, this.#services);
  }

  /** The formats of user space's tables are those of platforms. */
  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateNested(): Script<NestedDomain | number> {
    return -EOPNOTSUPP;
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocatePasidTable(): Script<PasidTableDomain | number> {
    return -EOPNOTSUPP;
  }

  /** What a device keeps of the platform's translations it would look up by bus address: none of these does. */
  prepare(device: PciDevice, features: DeviceFeatures): number {
    return features.deviceTlb ? -EOPNOTSUPP : this.#platform.prepare(device, features);
  }

  moving(device: PciDevice, body: () => Script<number>): Script<number> {
    return this.#platform.moving(device, () => this.moves.moving(device, body));
  }

  admitInterrupt(device: PciDevice, message: Message): Script<Message | number> {
    return this.#platform.admitInterrupt(device, message);
  }

  revokeInterrupt(device: PciDevice, admitted: Message): Script<number> {
    return this.#platform.revokeInterrupt(device, admitted);
  }
}

/** Addresses stay as they are: the device's MMU is off, whatever it was told before. */
class Untranslated implements Translation {
  readonly driver: DeviceMmuDriver;
  readonly #identity: Translation;
  readonly #services: IommuServices;

  constructor(driver: DeviceMmuDriver, identity: Translation, services: IommuServices) {
    this.driver = driver;
    this.#identity = identity;
    this.#services = services;
  }

  *attach(device: PciDevice, options?: AttachOptions): Script<number> {
    yield* new DeviceMmu(device, this.#services).stop();
    return yield* this.#identity.attach(device, options);
  }

  detach(device: PciDevice, pasid?: number): Script<number> {
    return this.#identity.detach(device, pasid);
  }

  destroy(): Script {
    return this.#identity.destroy();
  }
}
