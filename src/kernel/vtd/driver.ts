/**
 * The driver of an Intel VT-d remapping unit in legacy mode: tables in memory, registers by MMIO, faults by MSI.
 *
 * Not used: interrupt remapping, scalable mode, device TLBs, pass-through.
 */
import { vtdSecondStage } from '../../../hardware/formats/index.ts';
import { type Engine, ns, type Script } from '../../../hardware/sim/index.ts';
import {
  CAP,
  ECAP,
  FEADDR,
  FECTL,
  FEDATA,
  FEUADDR,
  FSTS,
  GCMD,
  GSTS,
  PMEN,
  RTADDR,
  TranslationTableMode,
  VER,
} from '../../../hardware/vtd/spec/index.ts';
import { EIO, ENODEV, ENOSPC } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { FaultLog } from '../fault-log.ts';
import type { Interrupts } from '../interrupts.ts';
import type { IommuDomain, IommuDriver } from '../iommu/driver.ts';
import { PageTable } from '../iommu/page-table.ts';
import type { KernelLog } from '../log.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { type Capabilities, readCapabilities } from './capabilities.ts';
import { ContextTables } from './context-tables.ts';
import { INTERRUPT_PAGES, VtdDomain } from './domain.ts';
import { FaultReader } from './faults.ts';
import { type Invalidation, type Invalidator, RegisterInvalidation } from './invalidation.ts';
import { InvalidationQueue } from './queue.ts';
import { Registers } from './registers.ts';

export interface VtdServices {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly log: KernelLog;
  readonly faults: FaultLog;
  readonly allocator: PageAllocator;
  readonly interrupts: Interrupts;
}

export interface VtdPlace {
  readonly name: string;
  readonly registerBase: number;
  /** Bus numbers of the segment. */
  readonly buses: readonly number[];
}

export class VtdDriver implements IommuDriver {
  readonly name: string;
  readonly bus: Bus;
  /** Devices that are in a domain. */
  readonly attached = new Set<object>();
  readonly #services: VtdServices;
  readonly #place: VtdPlace;
  readonly #registers: Registers;
  #capabilities: Capabilities | null = null;
  #contexts: ContextTables | null = null;
  #invalidator: Invalidator | null = null;
  /** Domain ids in use. 0 is never used: with caching mode it marks entries that are not present. */
  readonly #dids = new Set<number>();

  constructor(services: VtdServices, place: VtdPlace) {
    this.name = place.name;
    this.bus = services.bus;
    this.#services = services;
    this.#place = place;
    this.#registers = new Registers(services.engine, services.bus, place.registerBase, services.log, place.name);
  }

  get capabilities(): Capabilities {
    return probed(this.#capabilities);
  }

  get contexts(): ContextTables {
    return probed(this.#contexts);
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
    const { depth, queued, version } = capabilities;
    this.#services.log.write(
      `${this.name}: VT-d ${version}, ${depth.levels}-level tables, ${queued ? 'queued' : 'register-based'} invalidation`,
    );
    const reader = new FaultReader(this.#services.engine, registers, this.#services.faults, this.name, {
      offset: capabilities.faultOffset,
      count: capabilities.faultRecords,
    });
    let result = yield* this.#enableInvalidation(reader);
    if (result === 0) result = yield* this.#turnOff();
    if (result === 0) result = yield* this.#setRoot();
    if (result === 0) result = yield* this.#enableFaults(reader);
    return this.#reported(result);
  }

  *enable(): Script<number> {
    let result = yield* this.#registers.command(GCMD.TE, true, GSTS.TES, true);
    if (result === 0) result = yield* this.#openProtectedMemory();
    return this.#reported(result);
  }

  *allocateDomain(): Script<IommuDomain | number> {
    const { allocator, bus } = this.#services;
    const { depth, superpages, snoopControl, lastPage } = this.capabilities;
    const did = this.#takeDid();
    if (did < 0) return did;
    const format = vtdSecondStage({ levels: depth.levels, superpages });
    yield ns(bus.cost.allocate + bus.cost.clearPage);
    const table = PageTable.create(format, allocator, bus.memory);
    if (typeof table === 'number') {
      this.releaseDid(did);
      return table;
    }
    const geometry = { last: lastPage, reserved: [INTERRUPT_PAGES] };
    return new VtdDomain(this, did, table, { addressWidth: depth.addressWidth, geometry, enforcesSnoop: snoopControl });
  }

  invalidate(invalidations: readonly Invalidation[]): Script<number> {
    return probed(this.#invalidator).run(invalidations);
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

  /** Only when nothing in the unit's caches carries the id any more. */
  releaseDid(did: number): void {
    this.#dids.delete(did);
  }

  #takeDid(): number {
    for (let did = 1; did < this.capabilities.domainIds; did++) {
      if (this.#dids.has(did)) continue;
      this.#dids.add(did);
      return did;
    }
    return -ENOSPC;
  }

  *#enableInvalidation(reader: FaultReader): Script<number> {
    const { queued, draining, invalidationOffset } = this.capabilities;
    const { log } = this.#services;
    if (!queued) {
      this.#invalidator = new RegisterInvalidation(this.#registers, log, this.name, invalidationOffset, draining);
      return 0;
    }
    const services = { ...this.#services, readFaults: () => reader.read() };
    const queue = yield* InvalidationQueue.enable(services, this.#registers, this.name, draining);
    if (typeof queue === 'number') return queue;
    this.#invalidator = queue;
    return 0;
  }

  /** Whoever ran before may have left remapping on, with tables that nobody owns any more. */
  *#turnOff(): Script<number> {
    if (!GSTS.TES.isSet(yield* this.#registers.read(GSTS))) return 0;
    return yield* this.#registers.command(GCMD.TE, false, GSTS.TES, false);
  }

  *#setRoot(): Script<number> {
    const { allocator, bus } = this.#services;
    const contexts = ContextTables.create(bus.memory, allocator, this.#place.buses);
    if (typeof contexts === 'number') return contexts;
    this.#contexts = contexts;
    yield* this.writeEntries(this.#place.buses.length);
    const flushed = yield* this.flushWriteBuffer();
    if (flushed < 0) return flushed;
    yield* this.#registers.write(RTADDR, { RTA: contexts.root, TTM: TranslationTableMode.LEGACY });
    const result = yield* this.#registers.command(GCMD.SRTP, true, GSTS.RTPS, true);
    if (result < 0 || this.capabilities.rootFlushes) return result;
    return yield* this.invalidate([
      { cache: 'context', scope: 'global' },
      { cache: 'iotlb', scope: 'global' },
    ]);
  }

  *#enableFaults(reader: FaultReader): Script<number> {
    const message = this.#services.interrupts.allocate(`${this.name} fault`, () => reader.read());
    if (typeof message === 'number') return message;
    // What is left over from before is read first: a pending fault would keep new ones from raising an event.
    yield* reader.read();
    yield* this.#registers.write(FSTS, { IQE: 1, ICE: 1, ITE: 1 });
    yield* this.#registers.write(FEDATA, { IMD: message.data });
    yield* this.#registers.write(FEADDR, { MA: message.address / 4 });
    yield* this.#registers.write(FEUADDR, { MUA: 0 });
    yield* this.#registers.write(FECTL, { IM: 0 });
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
