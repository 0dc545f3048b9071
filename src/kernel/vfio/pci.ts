/** A PCI function that processes may drive: its requests go where its IOMMU leads them, its regions are its base addresses. */
import type { Engine, Script } from '../../../hardware/sim/index.ts';
import { EINVAL, ENODEV, formatResult } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import { TranslationFeatures } from '../drivers/translation-features.ts';
import type { Interrupts } from '../interrupts.ts';
import type { BoundDevice } from '../ioasid/bound-device.ts';
import type { IoasidContext } from '../ioasid/context.ts';
import { type IommuDriver, NO_FEATURES } from '../iommu/driver.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { KernelLog } from '../log.ts';
import { type Pci, type PciDevice, resetFunction } from '../pci/index.ts';
import { enqueueAt, readRange, writeRange } from '../register-range.ts';
import { isWholeStore, type RegionPart, type VfioDriver, type VfioInfo } from './driver.ts';

export interface PciVfioServices {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly interrupts: Interrupts;
  readonly pci: Pci;
  readonly iommu: Iommu;
  readonly log: KernelLog;
  /** A device that is given back forgets what it was told. */
  readonly resetOnRelease: boolean;
  /** Devices may keep translations, ask for pages and send PASIDs, as far as they and their IOMMU can. */
  readonly trustDevices: boolean;
}

/** What a device is while a context has it. */
interface Held {
  readonly context: IoasidContext;
  readonly bound: BoundDevice;
}

export class PciVfio implements VfioDriver {
  readonly device: PciDevice;
  protected readonly services: PciVfioServices;
  readonly #features: TranslationFeatures;
  #held: Held | null = null;
  #hasPasids = false;

  constructor(device: PciDevice, services: PciVfioServices) {
    this.device = device;
    this.services = services;
    this.#features = new TranslationFeatures(services.bus, device.rid);
  }

  get name(): string {
    return this.device.address;
  }

  get hasPasidTable(): boolean {
    return this.#held?.bound.pasidTable !== undefined;
  }

  get info(): VfioInfo {
    return { isPci: true, hasPasids: this.#hasPasids };
  }

  claim(context: IoasidContext, cookie: bigint): number {
    const group = this.services.iommu.groupOf(this.device);
    if (group === undefined) return -ENODEV;
    const bound = context.bind(this.device, group, cookie);
    if (typeof bound === 'number') return bound;
    this.#held = { context, bound };
    return 0;
  }

  *begin(): Script {
    if (this.services.trustDevices) yield* this.#trust(this.held.bound.group.driver);
    // The device may issue requests from now on; the IOMMU blocks them until it is attached.
    yield* this.services.pci.setBusMaster(this.device, true);
  }

  *end(): Script {
    const { pci, bus, resetOnRelease, trustDevices, log } = this.services;
    yield* pci.setBusMaster(this.device, false);
    if (trustDevices) yield* this.#features.disable();
    this.#hasPasids = false;
    // Before the memory goes to somebody else: what the device still has to do must not find it.
    if (resetOnRelease && !this.#isGone && (yield* resetFunction(bus, this.device)) < 0) {
      log.write(`vfio ${this.name}: it cannot be reset and keeps what it was told`);
    }
  }

  *attach(ioasid: number, pasid: number): Script<number> {
    const { context, bound } = this.held;
    if (this.#isGone) return -ENODEV;
    return yield* context.attach(bound, ioasid, pasid);
  }

  detach(ioasid: number): Script<number> {
    const { context, bound } = this.held;
    return context.detach(bound, ioasid);
  }

  release(): Script<number> {
    const { context, bound } = this.held;
    this.#held = null;
    return context.unbind(bound);
  }

  /** It was unplugged. */
  get #isGone(): boolean {
    return this.services.iommu.groupOf(this.device) === undefined;
  }

  regionBytes(region: number): number {
    return this.device.bars.get(region)?.bytes ?? 0;
  }

  read(part: RegionPart): Script<Uint8Array> {
    return readRange(this.services.bus, this.#at(part), part.length);
  }

  /** 64 aligned bytes go as one write (MOVDIR64B). */
  write(part: RegionPart, bytes: Uint8Array): Script {
    const { bus } = this.services;
    return isWholeStore(part) ? bus.directStore(this.#at(part), bytes) : writeRange(bus, this.#at(part), bytes);
  }

  *enqueue(part: RegionPart, bytes: Uint8Array): Script<number> {
    return isWholeStore(part) ? yield* enqueueAt(this.services.bus, this.#at(part), bytes) : -EINVAL;
  }

  protected get held(): Held {
    if (this.#held === null) throw new Error(`vfio ${this.name}: no context has it`);
    return this.#held;
  }

  /** Before anything is attached. What the device does not take on is not given to it. */
  *#trust(driver: IommuDriver): Script {
    const { device } = this;
    const rights = yield* this.#features.most(device, driver.abilities);
    const { ats = false, pageRequests = 0, pasid = false } = rights;
    let result = driver.prepare(device, { deviceTlb: ats, pageRequests: pageRequests > 0 });
    if (result === 0) result = yield* this.#features.enable(rights);
    this.#hasPasids = result === 0 && pasid;
    if (result === 0) return;
    yield* this.#features.disable();
    driver.prepare(device, NO_FEATURES);
    this.services.log.write(`vfio ${this.name}: it is not trusted with translations: ${formatResult(result)}`);
  }

  #at({ region, start }: RegionPart): number {
    return this.device.bars.get(region)!.address + start;
  }
}
