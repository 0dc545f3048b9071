/**
 * The driver of an Intel VT-d remapping unit: tables in memory, registers by MMIO, faults by MSI. In scalable mode where
 * the unit has it and nobody asks for legacy mode, which has neither PASIDs nor first stages.
 *
 * Not used: x2APIC ids; translated requests with PASID; in legacy mode device TLBs and pass-through.
 */
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { CAP, ECAP, GCMD, GSTS, PMEN, RTADDR, VER } from '../../../hardware/vtd/spec/index.ts';
import { EIO, ENODEV, ENOMEM, EOPNOTSUPP } from '../../uapi/index.ts';
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
import type { Command, Invalidation } from './invalidation.ts';
import { Registers } from './registers.ts';
import type { Routes } from './routes.ts';
import { IDENTITY_DID, VtdIdentity } from './table-less.ts';
import { takeParts, type UnitParts } from './unit-parts.ts';

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
  #parts: UnitParts | null = null;
  #domainIds: DomainIds | null = null;

  constructor(services: IommuServices, place: VtdPlace) {
    this.attachments = new Attachments(services.engine, services.faultPoints);
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
    return probed(this.#parts).routes;
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
    const taken = this.#take();
    const result = taken < 0 ? taken : yield* this.#begin();
    if (result < 0) this.#parts?.taken.release();
    // Whatever ran before has no tables any more, also where there are none to take their place.
    if (taken < 0) yield* this.#turnOff();
    return this.#reported(result);
  }

  *enable(): Script<number> {
    let result = yield* this.#registers.command(GCMD.TE, true, GSTS.TES, true);
    if (result === 0) result = yield* this.#openProtectedMemory();
    return this.#reported(result);
  }

  *allocateDomain(options: DomainOptions = {}): Script<IommuDomain | number> {
    const { allocator, bus, faultPoints } = this.#services;
    if (faultPoints.refuses('domain')) return -ENOMEM;
    yield ns(bus.cost.allocate + bus.cost.clearPage);
    return makeDomain(this, options, allocator);
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateIdentity(): Script<Translation | number> {
    return this.scalable?.passThrough === true ? new VtdIdentity(this) : -EOPNOTSUPP;
  }

  // biome-ignore lint/correctness/useYield: other drivers have to wait here
  *allocateNested(nesting: Nesting): Script<NestedDomain | number> {
    return this.#services.faultPoints.refuses('domain') ? -ENOMEM : makeNested(this, nesting);
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
    const { interrupts } = probed(this.#parts);
    return interrupts === null ? message : yield* interrupts.admit(device.requester, message);
  }

  *revokeInterrupt(_device: PciDevice, admitted: Message): Script<number> {
    const { interrupts } = probed(this.#parts);
    return interrupts === null ? 0 : yield* interrupts.revoke(admitted);
  }

  moving(device: PciDevice, body: () => Script<number>): Script<number> {
    return this.routes.moving(device, body);
  }

  invalidate(invalidations: readonly Command[]): Script<number> {
    return probed(this.#parts).invalidator.run(invalidations);
  }

  /** After requests were blocked: answers the page requests that came before. */
  *drainPageRequests(forgetting: readonly Invalidation[]): Script<number> {
    const { pageRequests } = probed(this.#parts);
    return pageRequests === null ? 0 : yield* pageRequests.drain(forgetting);
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

  /** All that can be missing: 0, -ENOMEM, -ENOSPC and nothing is taken. */
  #take(): number {
    const { remapInterrupts, interruptRemapping } = this.#place;
    const parts = takeParts(this, {
      services: this.#services,
      registers: this.#registers,
      capabilities: this.capabilities,
      place: this.#place,
      remapsInterrupts: remapInterrupts && interruptRemapping && this.capabilities.interruptRemapping,
    });
    if (typeof parts === 'number') return parts;
    parts.faults.onFault = (fault) => this.attachments.reportFault(fault);
    this.#parts = parts;
    return 0;
  }

  /** Tells the unit of everything: 0, -EIO. */
  *#begin(): Script<number> {
    const { queue, pageRequests, faults } = probed(this.#parts);
    let result = queue === null ? 0 : yield* queue.enable();
    if (result === 0) result = yield* this.#turnOff();
    if (result === 0) result = yield* this.#setRoot();
    if (result < 0) return result;
    if (pageRequests !== null) yield* pageRequests.enable();
    yield* faults.enable();
    return yield* this.#remapInterrupts();
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
    const { routes, tellRoot } = probed(this.#parts);
    yield* this.writeEntries(this.#place.buses.length);
    const flushed = yield* this.flushWriteBuffer();
    if (flushed < 0) return flushed;
    tellRoot();
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

  /** After the kernel's own messages: the unit sends those past its table. */
  *#remapInterrupts(): Script<number> {
    if (!this.#place.remapInterrupts) return 0;
    const { interrupts } = probed(this.#parts);
    const result = interrupts === null ? 0 : yield* interrupts.enable();
    const state = interrupts === null ? 'not remapped: unit or firmware cannot' : 'remapped';
    if (result === 0) this.#services.log.write(`${this.name}: interrupts are ${state}`);
    return result;
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
