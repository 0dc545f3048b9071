/**
 * What a driver inside the kernel has of its device: registers, interrupts, memory, what the device may do beside plain DMA,
 * the address spaces that it is attached to, and a way to report faults that the device tells in a manner of its own.
 *
 * Scripts that can fail give 0 or a negative errno.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EIO, ENODEV, ENOMEM, EOPNOTSUPP } from '../../uapi/index.ts';
import type { AccessSize, Bus } from '../bus.ts';
import { type DefaultDomains, DeviceDma } from '../dma/index.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { Interrupts, Message } from '../interrupts.ts';
import type { PageRequest, PageResponse } from '../iommu/attachments.ts';
import {
  type AttachOptions,
  type DomainOptions,
  type IommuDomain,
  NO_FEATURES,
  type Translation,
} from '../iommu/driver.ts';
import type { Iommu, IommuGroup } from '../iommu/iommu.ts';
import type { Unmapped } from '../iommu/page-table.ts';
import type { KernelLog } from '../log.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { isRedirected, isTranslatedBlocked, type Pci, type PciDevice, resetFunction } from '../pci/index.ts';
import { enqueueAt, readRange, writeRange } from '../register-range.ts';
import { DeviceInterrupts } from './device-interrupts.ts';
import { type DeviceBuffer, DriverMemory } from './memory.ts';
import { type DeviceRights, TranslationFeatures } from './translation-features.ts';

export type { DeviceRights } from './translation-features.ts';

/** What drivers are made of. */
export interface DriverServices {
  readonly bus: Bus;
  readonly pci: Pci;
  readonly iommu: Iommu;
  readonly interrupts: Interrupts;
  readonly allocator: PageAllocator;
  readonly log: KernelLog;
  readonly faultPoints: FaultPoints;
  readonly defaultDomains: DefaultDomains;
}

interface Attached {
  readonly domain: Translation;
  readonly pasid: number | undefined;
}

export class KernelDriver {
  readonly device: PciDevice;
  readonly memory: DriverMemory;
  /** Lends memory to the device, at addresses that the kernel chooses. */
  readonly dma: DeviceDma;
  readonly #services: DriverServices;
  readonly #group: IommuGroup;
  readonly #interrupts: DeviceInterrupts;
  readonly #features: TranslationFeatures;
  readonly #attached: Attached[] = [];
  readonly #domains = new Set<IommuDomain>();
  #hostPermissions = false;

  private constructor(device: PciDevice, group: IommuGroup, services: DriverServices) {
    const { bus, allocator } = services;
    this.device = device;
    this.memory = new DriverMemory(allocator, bus.memory);
    this.#services = services;
    this.#group = group;
    this.#interrupts = new DeviceInterrupts({ ...services, iommu: group.driver }, device);
    this.#features = new TranslationFeatures(bus, device.rid);
    this.dma = new DeviceDma(device, {
      domain: services.defaultDomains.of(group, device),
      memory: this.memory,
      cost: bus.cost,
      log: services.log,
      domainOptions: () => ({ hostPermissions: this.#hostPermissions }),
    });
  }

  /** Takes the device for the kernel: -ENODEV when no IOMMU serves it, -EBUSY when a process has it, -ENOMEM. */
  static take(device: PciDevice, services: DriverServices): KernelDriver | number {
    const group = services.iommu.groupOf(device);
    if (group === undefined) return -ENODEV;
    if (services.faultPoints.refuses('kernel driver')) return -ENOMEM;
    if (group.claimForKernel(services.iommu, device) < 0) return -EBUSY;
    return new KernelDriver(device, group, services);
  }

  /** Stops the device, takes everything away from it, and lets go of it. */
  *release(): Script<number> {
    if (!this.#isKept) yield* this.#services.pci.setBusMaster(this.device, false);
    yield* this.#features.disable();
    for (const { domain, pasid } of [...this.#attached]) {
      const result = yield* this.detach(domain, pasid);
      // Nobody knows what hardware still reaches: memory and tables stay, and this can be tried again.
      if (result < 0) return result;
    }
    const left = yield* this.dma.release();
    if (left < 0) return left;
    // Whoever has the device next trusts it with nothing that this driver has.
    this.#group.driver.prepare(this.device, NO_FEATURES);
    for (const domain of this.#domains) yield* domain.destroy();
    this.#domains.clear();
    const silenced = yield* this.#interrupts.free();
    if (silenced < 0) return silenced;
    this.memory.freeAll();
    this.#group.release(this.device);
    return 0;
  }

  /** Reads a register behind a base address. All ones where nothing answers. */
  read(bar: number, offset: number, size: AccessSize): Script<bigint> {
    return this.#services.bus.mmioRead(this.#at(bar, offset), size);
  }

  write(bar: number, offset: number, size: AccessSize, value: bigint): Script {
    return this.#services.bus.mmioWrite(this.#at(bar, offset), size, value);
  }

  /** The same for bytes, in the largest aligned accesses. */
  readBytes(bar: number, offset: number, length: number): Script<Uint8Array> {
    return readRange(this.#services.bus, this.#at(bar, offset), length);
  }

  writeBytes(bar: number, offset: number, bytes: Uint8Array): Script {
    return writeRange(this.#services.bus, this.#at(bar, offset), bytes);
  }

  /** Writes 64 bytes at once, posted, to a multiple of 64 (MOVDIR64B). */
  store(bar: number, offset: number, bytes: Uint8Array): Script {
    return this.#services.bus.directStore(this.#at(bar, offset), bytes);
  }

  /** Writes 64 bytes that the device may put off (ENQCMDS): 0, -EAGAIN when it does, -EIO when it does not take them. */
  enqueue(bar: number, offset: number, bytes: Uint8Array): Script<number> {
    return enqueueAt(this.#services.bus, this.#at(bar, offset), bytes);
  }

  configRead(offset: number, size: 1 | 2 | 4): Script<number> {
    return this.#services.bus.configRead(this.device.rid, offset, size);
  }

  configWrite(offset: number, size: 1 | 2 | 4, value: number): Script {
    return this.#services.bus.configWrite(this.device.rid, offset, size, value);
  }

  setBusMaster(on: boolean): Script {
    return this.#services.pci.setBusMaster(this.device, on);
  }

  /** The device forgets what it was told and what it does; bus mastering is off then: 0, -EOPNOTSUPP. */
  reset(): Script<number> {
    return resetFunction(this.#services.bus, this.device);
  }

  /** `handler` runs for each interrupt message of a vector: 0, -EINVAL, -EOPNOTSUPP, -ENOSPC, -ENOMEM, -EIO. */
  requestInterrupt(vector: number, handler: () => Script): Script<number> {
    return this.#interrupts.request(vector, `${this.device.address} vector ${vector}`, handler);
  }

  /** What the device has been told to write for the interrupts that were requested, the oldest first. */
  get interruptMessages(): readonly Message[] {
    return this.#interrupts.messages;
  }

  /**
   * Lets the device send PASIDs, keep translations, ask for pages. Before anything is attached: 0, -EBUSY, -EINVAL,
   * -EOPNOTSUPP when device or IOMMU cannot, or a port would block what the device has translated, or send what has a PASID
   * across to a peer.
   */
  *permit(rights: DeviceRights): Script<number> {
    const refusal = yield* this.#features.refusal(rights);
    if (refusal < 0) return refusal;
    const { pasid = false, ats = false, pageRequests = 0, hostPermissions = false } = rights;
    if (ats && isTranslatedBlocked(this.device)) return -EOPNOTSUPP;
    if (pasid && !isRedirected(this.device)) return -EOPNOTSUPP;
    const features = { deviceTlb: ats, pageRequests: pageRequests > 0, hostPermissions };
    const result = this.#group.driver.prepare(this.device, features);
    if (result < 0) return result;
    const enabled = yield* this.#features.enable(rights);
    if (enabled === 0) {
      this.#hostPermissions = hostPermissions;
      return 0;
    }
    yield* this.#features.disable();
    this.#group.driver.prepare(this.device, NO_FEATURES);
    return enabled;
  }

  /** Takes all of that away from the device; its IOMMU goes on expecting it. */
  revoke(): Script {
    return this.#features.disable();
  }

  /** An empty address space for this device's IOMMU. */
  *domain(options?: DomainOptions): Script<IommuDomain | number> {
    const domain = yield* this.#group.driver.allocateDomain({ hostPermissions: this.#hostPermissions, ...options });
    if (typeof domain !== 'number') this.#domains.add(domain);
    return domain;
  }

  /** Maps a buffer from I/O virtual page `first` on; on failure nothing stays mapped. */
  map(domain: IommuDomain, first: PageNumber, buffer: DeviceBuffer, protection: Protection): Script<number> {
    return this.#services.iommu.map(domain, first, buffer.frames, protection);
  }

  unmap(domain: IommuDomain, first: PageNumber, pages: number): Script<number> {
    return this.#services.iommu.unmap(domain, first, pages);
  }

  /**
   * Unmaps without waiting for hardware, which goes on using what it has cached: until a `flush` that takes this with it,
   * the device may reach the memory.
   */
  unmapLater(domain: IommuDomain, first: PageNumber, pages: number): Script<Unmapped> {
    return this.#services.iommu.unmapLater(domain, first, pages);
  }

  /** Makes hardware forget all that was unmapped for later: 0 or -EIO. */
  flush(domain: IommuDomain, waiting: readonly Unmapped[]): Script<number> {
    return this.#services.iommu.flush(domain, waiting);
  }

  /** Routes the device's requests into a domain, those of a PASID or those without one. */
  *attach(domain: Translation, options: AttachOptions = {}): Script<number> {
    if (this.#services.faultPoints.refuses('attachment')) return -ENOMEM;
    const result = yield* domain.attach(this.device, options);
    // With -EIO nobody knows what hardware reads: it counts as attached until a detach succeeds.
    if (result === 0 || result === -EIO) this.#attached.push({ domain, pasid: options.pasid });
    return result;
  }

  *detach(domain: Translation, pasid?: number): Script<number> {
    const result = yield* domain.detach(this.device, pasid);
    const at = this.#attached.findIndex((one) => one.domain === domain && one.pasid === pasid);
    if (result === 0 && at >= 0) this.#attached.splice(at, 1);
    return result;
  }

  /**
   * The device has told in a manner of its own that it wants a page. Whoever is attached there is asked as if a page request
   * had come, and this waits for the answer. -ENODEV when nothing is attached there that answers.
   */
  reportPageFault(request: PageRequest, pasid?: number): Script<PageResponse | number> {
    return this.#group.driver.attachments.reportPageFault(this.device, request, pasid);
  }

  /** Firmware goes on using it. */
  get #isKept(): boolean {
    return (this.#group.kept.get(this.device)?.domain ?? null) !== null;
  }

  #at(bar: number, offset: number): number {
    const { address, bars } = this.device;
    const found = bars.get(bar);
    if (found === undefined || offset < 0 || offset >= found.bytes) {
      throw new RangeError(`${address}: a driver accesses offset ${offset} of base address ${bar}`);
    }
    return found.address + offset;
  }
}
