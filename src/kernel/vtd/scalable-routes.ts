/**
 * Routing in scalable mode: a context entry and PASID tables for each device that is attached, one PASID-table entry for
 * each PASID; PASID 0 stands for requests without one.
 *
 * What is forgotten after which change, and in which order: VT-d 6.5.3.3 (table 28).
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { type Engine, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { TranslationTableMode } from '../../../hardware/vtd/spec/index.ts';
import { EBUSY, EINVAL, EIO, EOPNOTSUPP } from '../../uapi/index.ts';
import type { CpuMemory } from '../bus.ts';
import { type DeviceFeatures, NO_FEATURES } from '../iommu/driver.ts';
import { EVERYTHING } from '../iommu/routed-translation.ts';
import type { PageAllocator } from '../page-allocator.ts';
import type { PciDevice } from '../pci/index.ts';
import { takesPageRequests } from './abilities.ts';
import type { ScalableCapabilities } from './capabilities.ts';
import type { VtdDriver } from './driver.ts';
import type { Invalidation } from './invalidation.ts';
import { pasidEntry } from './pasid-entry.ts';
import { PasidTables } from './pasid-tables.ts';
import type { Routes, Target, Use } from './routes.ts';
import { ScalableContexts } from './scalable-contexts.ts';

/** Domain id that hardware gives to faulting entries that it caches. */
const FAULTING_DID = 0;
const RID_PASID = 0;
const PASID_ENTRY_WRITES = 8;
const CONTEXT_ENTRY_WRITES = 4;

interface Services {
  readonly engine: Engine;
  readonly memory: CpuMemory;
  readonly allocator: PageAllocator;
}

export class ScalableRoutes implements Routes {
  readonly mode = TranslationTableMode.SCALABLE;
  readonly #driver: VtdDriver;
  readonly #services: Services;
  readonly #capabilities: ScalableCapabilities;
  readonly #contexts: ScalableContexts;
  readonly #devices = new Map<PciDevice, PasidTables>();
  readonly #features = new Map<PciDevice, DeviceFeatures>();
  /** Devices whose tables are kept, whether anything is attached or not. */
  readonly #moving = new Set<PciDevice>();
  /** One change of the tables at a time. */
  readonly #lock: Semaphore;

  private constructor(
    driver: VtdDriver,
    services: Services,
    capabilities: ScalableCapabilities,
    contexts: ScalableContexts,
  ) {
    this.#driver = driver;
    this.#services = services;
    this.#capabilities = capabilities;
    this.#contexts = contexts;
    this.#lock = new Semaphore(services.engine, 1, `${driver.name} tables`);
  }

  /** Tables with nothing present, or -ENOMEM. */
  static create(
    driver: VtdDriver,
    services: Services,
    capabilities: ScalableCapabilities,
    buses: readonly number[],
  ): ScalableRoutes | number {
    const contexts = ScalableContexts.create(services.memory, services.allocator, buses);
    return typeof contexts === 'number' ? contexts : new ScalableRoutes(driver, services, capabilities, contexts);
  }

  get root(): PageNumber {
    return this.#contexts.root;
  }

  destroy(): void {
    this.#contexts.destroy();
  }

  refusal(device: PciDevice, pasid: number): number {
    const { pasidBits } = this.#capabilities;
    if (!this.#contexts.covers(device.requester)) return -EINVAL;
    if (pasid < 0) return 0;
    // Translated requests come without PASID: what all PASIDs of a device may reach would be one table.
    if (pasidBits === 0 || this.#isChecked(device)) return -EOPNOTSUPP;
    return pasid === RID_PASID || pasid >= 2 ** pasidBits || !Number.isInteger(pasid) ? -EINVAL : 0;
  }

  prepare(device: PciDevice, features: DeviceFeatures): number {
    const { deviceTlb, hostPermissions } = this.#capabilities;
    if (this.#devices.has(device)) return -EBUSY;
    if (features.deviceTlb && !deviceTlb) return -EOPNOTSUPP;
    const canRequest = takesPageRequests(this.#capabilities) && features.deviceTlb;
    if (features.pageRequests && !canRequest) return -EOPNOTSUPP;
    if (features.hostPermissions === true && !(hostPermissions && features.deviceTlb)) return -EOPNOTSUPP;
    this.#features.set(device, features);
    return 0;
  }

  hasDeviceTlb(device: PciDevice): boolean {
    return (this.#features.get(device) ?? NO_FEATURES).deviceTlb;
  }

  *open(device: PciDevice, pasid: number, target: Target): Script<number> {
    // A domain that keeps no permissions permits nothing.
    if (this.#isChecked(device) && target.permissions === null) return -EINVAL;
    yield this.#lock.acquire();
    try {
      const entered = yield* this.#enter(device);
      if (typeof entered === 'number') return entered;
      const result = yield* this.#fill(entered, pasid, target);
      if (result < 0 && result !== -EIO) yield* this.#leaveIfEmpty(device);
      return result;
    } finally {
      this.#lock.release();
    }
  }

  *close(device: PciDevice, pasid: number, target: Target): Script<number> {
    yield this.#lock.acquire();
    try {
      const tables = this.#devices.get(device);
      // The first try ended when its entry was gone and the device was not; it has left since, after somebody else.
      if (tables === undefined) return 0;
      const index = indexOf(pasid);
      tables.block(index);
      yield* this.#driver.writeEntries(1);
      const result = yield* this.#driver.invalidate([
        { cache: 'pasid', scope: 'pasid', did: target.did, pasid: index },
        ...this.forgetting(device, pasid, target),
        ...this.#permissionsOf(device, target),
      ]);
      if (result < 0) return result;
      tables.erase(index);
      yield* this.#driver.writeEntries(PASID_ENTRY_WRITES);
      if (this.#features.get(device)?.pageRequests === true) {
        const drained = yield* this.#driver.drainPageRequests(this.forgetting(device, pasid, target));
        if (drained < 0) return drained;
      }
      return yield* this.#leaveIfEmpty(device);
    } finally {
      this.#lock.release();
    }
  }

  *moving(device: PciDevice, body: () => Script<number>): Script<number> {
    this.#moving.add(device);
    const result = yield* body();
    yield this.#lock.acquire();
    try {
      this.#moving.delete(device);
      const left = yield* this.#leaveIfEmpty(device);
      return left < 0 ? left : result;
    } finally {
      this.#lock.release();
    }
  }

  *retrack(uses: readonly Use[]): Script<number> {
    yield this.#lock.acquire();
    try {
      const invalidations: Invalidation[] = [];
      for (const { device, pasid, target } of uses) {
        const index = indexOf(pasid);
        const entry = pasidEntry(target, this.#driver.capabilities);
        if (this.#devices.get(device)?.change(index, entry) !== true) continue;
        yield* this.#driver.writeEntries(1);
        const changed: Invalidation = { cache: 'pasid', scope: 'pasid', did: target.did, pasid: index };
        invalidations.push(changed, ...this.forgetting(device, pasid, target));
      }
      return yield* this.#driver.invalidate(invalidations);
    } finally {
      this.#lock.release();
    }
  }

  /** Everything that was translated for these requests: in the unit, then in the device. */
  forgetting(device: PciDevice, pasid: number, { kind, did }: Target): Invalidation[] {
    const usesSecondStage = kind === 'second-stage' || kind === 'nested';
    const unit: Invalidation = usesSecondStage
      ? { cache: 'iotlb', scope: 'domain', did }
      : { cache: 'pasid iotlb', scope: 'pasid', did, pasid: indexOf(pasid) };
    return this.hasDeviceTlb(device) ? [unit, wholeDeviceTlb(device, pasid)] : [unit];
  }

  /** Translated requests of the device are checked. */
  #isChecked(device: PciDevice): boolean {
    return this.#features.get(device)?.hostPermissions === true;
  }

  /** What was permitted to these requests: forgotten after everything else. */
  #permissionsOf(device: PciDevice, { permissions }: Target): Invalidation[] {
    if (permissions === null || !this.#isChecked(device)) return [];
    return [{ cache: 'host permissions', scope: 'domain', did: permissions.did }];
  }

  /** The device's tables, with a context entry that leads to them. */
  *#enter(device: PciDevice): Script<PasidTables | number> {
    const { memory, allocator } = this.#services;
    const known = this.#devices.get(device);
    if (known?.entered === true) return known;
    const tables = known ?? PasidTables.create(memory, allocator, this.#capabilities.pasidBits);
    if (typeof tables === 'number') return tables;
    this.#devices.set(device, tables);
    const { directory, pdts } = tables;
    const features = this.#features.get(device) ?? NO_FEATURES;
    const pasids = this.#capabilities.pasidBits > 0;
    this.#contexts.set(device.requester, { directory, pdts, pasids, ...features });
    yield* this.#driver.writeEntries(CONTEXT_ENTRY_WRITES);
    const result = yield* this.#announce([
      { cache: 'context', scope: 'device', did: FAULTING_DID, sid: device.requester },
      { cache: 'pasid', scope: 'domain', did: FAULTING_DID },
      { cache: 'iotlb', scope: 'domain', did: FAULTING_DID },
    ]);
    tables.entered = result === 0;
    if (result === 0) return tables;
    this.#contexts.block(device.requester);
    return result;
  }

  *#fill(tables: PasidTables, pasid: number, target: Target): Script<number> {
    const index = indexOf(pasid);
    const written = tables.reserve(index);
    if (written < 0) return written;
    if (tables.isUsed(index)) return -EBUSY;
    tables.set(index, pasidEntry(target, this.#driver.capabilities));
    yield* this.#driver.writeEntries(written + PASID_ENTRY_WRITES);
    const usesSecondStage = target.kind === 'second-stage' || target.kind === 'nested';
    const result = yield* this.#announce([
      { cache: 'pasid', scope: 'pasid', did: FAULTING_DID, pasid: index },
      { cache: 'pasid', scope: 'pasid', did: target.did, pasid: index },
      usesSecondStage
        ? { cache: 'iotlb', scope: 'domain', did: target.did }
        : { cache: 'pasid iotlb', scope: 'pasid', did: target.did, pasid: index },
    ]);
    if (result < 0) tables.block(index);
    return result;
  }

  /** After the last entry: the context entry goes, and the tables. */
  *#leaveIfEmpty(device: PciDevice): Script<number> {
    const tables = this.#devices.get(device);
    if (tables?.isEmpty !== true || this.#moving.has(device)) return 0;
    this.#contexts.block(device.requester);
    tables.entered = false;
    yield* this.#driver.writeEntries(1);
    // Every PASID-table entry is absent and was forgotten with its domain; with caching mode their absence may be cached.
    const absence: readonly Invalidation[] = this.#driver.capabilities.cachingMode
      ? [
          { cache: 'pasid', scope: 'domain', did: FAULTING_DID },
          { cache: 'iotlb', scope: 'domain', did: FAULTING_DID },
        ]
      : [];
    const result = yield* this.#driver.invalidate([
      { cache: 'context', scope: 'device', did: FAULTING_DID, sid: device.requester },
      ...absence,
      ...(this.hasDeviceTlb(device) ? [wholeDeviceTlb(device, -1)] : []),
    ]);
    if (result < 0) return result;
    this.#contexts.erase(device.requester);
    this.#devices.delete(device);
    tables.destroy();
    return 0;
  }

  /** After an entry became present: its absence may be cached with caching mode only. */
  *#announce(invalidations: readonly Invalidation[]): Script<number> {
    const driver = this.#driver;
    return driver.capabilities.cachingMode ? yield* driver.invalidate(invalidations) : yield* driver.flushWriteBuffer();
  }
}

/** The PASID-table entry that serves a PASID. */
export function indexOf(pasid: number): number {
  return pasid < 0 ? RID_PASID : pasid;
}

function wholeDeviceTlb(device: PciDevice, pasid: number): Invalidation {
  return { cache: 'device-tlb', sid: device.requester, pasid, ...EVERYTHING };
}
