/**
 * The driver of an Intel VT-d remapping unit: tables in memory, registers by MMIO, faults by MSI. In scalable mode where
 * the unit has it and nobody asks for legacy mode, which has neither PASIDs nor first stages.
 *
 * Not used: x2APIC ids; translated requests with PASID; in legacy mode device TLBs and pass-through.
 */
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { CAP, ECAP, GCMD, GSTS, PMEN, RTADDR, VER } from '../../../hardware/vtd/spec/index.ts';
import { EIO, ENODEV, EOPNOTSUPP } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { Message } from '../interrupts.ts';
import { Attachments } from '../iommu/attachments.ts';
import { DomainIds } from '../iommu/domain-ids.ts';
import type {
  Abilities,
  DeviceFeatures,
  DomainOptions,
  IommuDomain,
  IommuDriver,
  NestedDomain,
  Nesting,
  Translation,
} from '../iommu/driver.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PciDevice } from '../pci/index.ts';
import { abilities } from './abilities.ts';
import { type Capabilities, readCapabilities, type ScalableCapabilities } from './capabilities.ts';
import { makeDomain, makeNested } from './domain-factory.ts';
import { FaultReader } from './faults.ts';
import { InterruptTable } from './interrupt-table.ts';
import { type Command, type Invalidation, type Invalidator, RegisterInvalidation } from './invalidation.ts';
import { LegacyRoutes } from './legacy-routes.ts';
import { PageRequestQueue } from './page-requests.ts';
import { InvalidationQueue } from './queue.ts';
import { Registers } from './registers.ts';
import type { Routes } from './routes.ts';
import { ScalableRoutes } from './scalable-routes.ts';
import { IDENTITY_DID, VtdIdentity } from './table-less.ts';

export interface VtdPlace {
  readonly name: string;
  readonly registerBase: number;
  /** Firmware says that interrupts can be remapped. */
  readonly interruptRemapping: boolean;
  /** Bus numbers of the segment. */
  readonly buses: readonly number[];
  /** Legacy mode even where the unit has scalable mode. */
  readonly legacy: boolean;
  /** Devices raise only the interrupts that they were given. */
  readonly remapInterrupts: boolean;
}

export class VtdDriver implements IommuDriver {
  readonly name: string;
  readonly bus: Bus;
  readonly attachments: Attachments;
  readonly #services: IommuServices;
  readonly #place: VtdPlace;
  readonly #registers: Registers;
  #capabilities: Capabilities | null = null;
  #routes: Routes | null = null;
  #invalidator: Invalidator | null = null;
  #pageRequests: PageRequestQueue | null = null;
  /** `null` while interrupts are not remapped. */
  #interrupts: InterruptTable | null = null;
  #domainIds: DomainIds | null = null;

  constructor(services: IommuServices, place: VtdPlace) {
    this.attachments = new Attachments(services.engine);
    this.name = place.name;
    this.bus = services.bus;
    this.#services = services;
    this.#place = place;
    this.#registers = new Registers(services.engine, services.bus, place.registerBase, services.log, place.name);
  }

  get capabilities(): Capabilities {
    return probed(this.#capabilities);
  }

  get abilities(): Abilities {
    return abilities(this);
  }

  get domainIds(): DomainIds {
    return probed(this.#domainIds);
  }

  get routes(): Routes {
    return probed(this.#routes);
  }

  /** `null` in legacy mode. */
  get scalable(): ScalableCapabilities | null {
    return this.#place.legacy ? null : this.capabilities.scalable;
  }

  *probe(): Script<number> {
    const registers = this.#registers;
    const capabilities = readCapabilities({
      ver: yield* registers.read(VER),
      cap: yield* registers.read(CAP),
      ecap: yield* registers.read(ECAP),
    });
    if (typeof capabilities === 'string') {
      this.#services.log.write(`${this.name}: not usable: ${capabilities}`);
      return -ENODEV;
    }
    this.#capabilities = capabilities;
    const { depth, queued, version, domainIds } = capabilities;
    const { log, faultPoints } = this.#services;
    // With caching mode id 0 marks entries that are not present.
    this.#domainIds = new DomainIds(this.scalable === null ? 1 : IDENTITY_DID + 1, domainIds, faultPoints);
    const mode = this.scalable === null ? '' : 'scalable mode, ';
    const invalidation = queued ? 'queued' : 'register-based';
    log.write(`${this.name}: VT-d ${version}, ${mode}${depth.levels}-level tables, ${invalidation} invalidation`);
    const reader = new FaultReader(this.#services.engine, registers, this.#services.faults, this.name, {
      offset: capabilities.faultOffset,
      count: capabilities.faultRecords,
    });
    reader.onFault = (fault) => this.attachments.reportFault(fault);
    let result = yield* this.#enableInvalidation(reader);
    if (result === 0) result = yield* this.#turnOff();
    if (result === 0) result = yield* this.#setRoot();
    if (result === 0) result = yield* this.#enablePageRequests();
    if (result === 0) result = yield* reader.enable(this.#services.interrupts);
    if (result === 0) result = yield* this.#remapInterrupts();
    return this.#reported(result);
  }

  *enable(): Script<number> {
    let result = yield* this.#registers.command(GCMD.TE, true, GSTS.TES, true);
    if (result === 0) result = yield* this.#openProtectedMemory();
    return this.#reported(result);
  }

  *allocateDomain(options: DomainOptions = {}): Script<IommuDomain | number> {
    const { allocator, bus } = this.#services;
    yield ns(bus.cost.allocate + bus.cost.clearPage);
    return makeDomain(this, options, allocator);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateIdentity(): Script<Translation | number> {
    return this.scalable?.passThrough === true ? new VtdIdentity(this) : -EOPNOTSUPP;
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateNested(nesting: Nesting): Script<NestedDomain | number> {
    return makeNested(this, nesting);
  }

  /** The unit finds PASID tables at host addresses only (VT-d 9.4 to 9.6): nobody else can keep one. */
  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocatePasidTable(): Script<number> {
    return -EOPNOTSUPP;
  }

  prepare(device: PciDevice, features: DeviceFeatures): number {
    return this.routes.prepare(device, features);
  }

  *admitInterrupt(device: PciDevice, message: Message): Script<Message | number> {
    return this.#interrupts === null ? message : yield* this.#interrupts.admit(device.requester, message);
  }

  *revokeInterrupt(_device: PciDevice, admitted: Message): Script<number> {
    return this.#interrupts === null ? 0 : yield* this.#interrupts.revoke(admitted);
  }

  moving(device: PciDevice, body: () => Script<number>): Script<number> {
    return this.routes.moving(device, body);
  }

  invalidate(invalidations: readonly Command[]): Script<number> {
    return probed(this.#invalidator).run(invalidations);
  }

  /** After requests were blocked: answers the page requests that came before. */
  *drainPageRequests(forgetting: readonly Invalidation[]): Script<number> {
    return this.#pageRequests === null ? 0 : yield* this.#pageRequests.drain(forgetting);
  }

  /** Needed after a change that calls for no invalidation, on units that buffer writes (VT-d 6.8). */
  *flushWriteBuffer(): Script<number> {
    if (!this.capabilities.writeBuffer) return 0;
    return yield* this.#registers.command(GCMD.WBF, true, GSTS.WBFS, false);
  }

  /** The time that writing table entries takes. */
  *writeEntries(count: number): Script {
    yield ns(count * this.bus.cost.writeEntry);
  }

  *#enableInvalidation(reader: FaultReader): Script<number> {
    const { queued, draining, invalidationOffset, scalable } = this.capabilities;
    const { log } = this.#services;
    if (!queued) {
      this.#invalidator = new RegisterInvalidation(this.#registers, log, this.name, invalidationOffset, draining);
      return 0;
    }
    const services = { ...this.#services, readFaults: () => reader.read() };
    const queue = yield* InvalidationQueue.enable(services, this.#registers, this.name, {
      wide: this.scalable !== null,
      draining,
      throttles: scalable?.throttles ?? false,
    });
    if (typeof queue === 'number') return queue;
    this.#invalidator = queue;
    return 0;
  }

  /** Whoever ran before may have left remapping on, with tables that nobody owns any more. */
  *#turnOff(): Script<number> {
    const status = yield* this.#registers.read(GSTS);
    let result = 0;
    if (GSTS.TES.isSet(status)) result = yield* this.#registers.command(GCMD.TE, false, GSTS.TES, false);
    if (result < 0 || !GSTS.IRES.isSet(status)) return result;
    return yield* this.#registers.command(GCMD.IRE, false, GSTS.IRES, false);
  }

  *#setRoot(): Script<number> {
    const routes = this.#makeRoutes();
    if (typeof routes === 'number') return routes;
    this.#routes = routes;
    yield* this.writeEntries(this.#place.buses.length);
    const flushed = yield* this.flushWriteBuffer();
    if (flushed < 0) return flushed;
    yield* this.#registers.write(RTADDR, { RTA: routes.root, TTM: routes.mode });
    const result = yield* this.#registers.command(GCMD.SRTP, true, GSTS.RTPS, true);
    if (result < 0 || this.capabilities.rootFlushes) return result;
    return yield* this.invalidate([
      { cache: 'context', scope: 'global' },
      ...(this.scalable === null ? [] : [{ cache: 'pasid', scope: 'global' } as const]),
      { cache: 'iotlb', scope: 'global' },
      ...(this.scalable?.hostPermissions === true ? [{ cache: 'host permissions', scope: 'global' } as const] : []),
    ]);
  }

  #makeRoutes(): Routes | number {
    const { engine, allocator, bus } = this.#services;
    const { buses } = this.#place;
    const { scalable } = this;
    if (scalable === null) return LegacyRoutes.create(this, bus.memory, allocator, buses);
    return ScalableRoutes.create(this, { engine, memory: bus.memory, allocator }, scalable, buses);
  }

  *#enablePageRequests(): Script<number> {
    if (this.scalable?.pageRequests !== true) return 0;
    const { attachments } = this;
    const services = {
      ...this.#services,
      registers: this.#registers,
      invalidator: probed(this.#invalidator),
      attachments,
    };
    const queue = yield* PageRequestQueue.enable(services, this.name);
    if (typeof queue === 'number') return queue;
    this.#pageRequests = queue;
    return 0;
  }

  /** After the kernel's own messages: the unit sends those past its table. */
  *#remapInterrupts(): Script<number> {
    const { remapInterrupts, interruptRemapping } = this.#place;
    if (!remapInterrupts) return 0;
    const { name, capabilities } = this;
    if (!interruptRemapping || !capabilities.interruptRemapping) {
      this.#services.log.write(`${name}: interrupts are not remapped: unit or firmware cannot`);
      return 0;
    }
    const unit = { ...this.#services, registers: this.#registers, invalidator: probed(this.#invalidator) };
    const table = yield* InterruptTable.enable(unit, capabilities);
    if (typeof table === 'number') return table;
    this.#services.log.write(`${name}: interrupts are remapped`);
    this.#interrupts = table;
    return 0;
  }

  #reported(result: number): number {
    if (result < 0) this.#services.log.write(`${this.name}: could not be taken into service`);
    return result;
  }

  /** Firmware may have closed memory to DMA; remapping protects it now. */
  *#openProtectedMemory(): Script<number> {
    if (!this.capabilities.protectedMemory) return 0;
    yield* this.#registers.write(PMEN, { EPM: 0 });
    const registers = this.#registers;
    const open = yield* registers.waitUntil(function* () {
      return !PMEN.PRS.isSet(yield* registers.read(PMEN));
    });
    return open ? 0 : -EIO;
  }
}

function probed<T>(value: T | null): T {
  if (value === null) throw new Error('a VT-d unit is used before it was probed');
  return value;
}
