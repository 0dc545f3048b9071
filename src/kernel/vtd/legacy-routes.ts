/** Routing in legacy mode: one context entry for each requester, and no PASIDs. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { TranslationTableMode } from '../../../hardware/vtd/spec/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import type { CpuMemory } from '../bus.ts';
import type { DeviceFeatures } from '../iommu/driver.ts';
import type { PageAllocator } from '../page-allocator.ts';
import type { PciDevice } from '../pci/index.ts';
import { ContextTables } from './context-tables.ts';
import type { VtdDriver } from './driver.ts';
import type { Routes, Target } from './routes.ts';

export class LegacyRoutes implements Routes {
  readonly mode = TranslationTableMode.LEGACY;
  readonly #driver: VtdDriver;
  readonly #contexts: ContextTables;

  private constructor(driver: VtdDriver, contexts: ContextTables) {
    this.#driver = driver;
    this.#contexts = contexts;
  }

  /** Tables with nothing present, or -ENOMEM. */
  static create(
    driver: VtdDriver,
    memory: CpuMemory,
    allocator: PageAllocator,
    buses: readonly number[],
  ): LegacyRoutes | number {
    const contexts = ContextTables.create(memory, allocator, buses);
    return typeof contexts === 'number' ? contexts : new LegacyRoutes(driver, contexts);
  }

  get root(): PageNumber {
    return this.#contexts.root;
  }

  destroy(): void {
    this.#contexts.destroy();
  }

  refusal(device: PciDevice, pasid: number): number {
    if (pasid >= 0) return -EOPNOTSUPP;
    return this.#contexts.covers(device.requester) ? 0 : -EINVAL;
  }

  prepare(_device: PciDevice, { deviceTlb, pageRequests, hostPermissions = false }: DeviceFeatures): number {
    return deviceTlb || pageRequests || hostPermissions ? -EOPNOTSUPP : 0;
  }

  /** Context tables are there from the beginning. */
  moving(_device: PciDevice, body: () => Script<number>): Script<number> {
    return body();
  }

  hasDeviceTlb(): boolean {
    return false;
  }

  /** Context entries have no such flag, so nothing is ever tracked. */
  // biome-ignore lint/correctness/useYield: other modes have to wait here
  *retrack(): Script<number> {
    return -EOPNOTSUPP;
  }

  *open(device: PciDevice, _pasid: number, target: Target): Script<number> {
    if (target.kind !== 'second-stage') return -EOPNOTSUPP;
    const driver = this.#driver;
    this.#contexts.set(device.requester, target);
    yield* driver.writeEntries(2);
    // With caching mode the entry may be cached as not present, and such entries are tagged with domain id 0.
    const result = driver.capabilities.cachingMode
      ? yield* driver.invalidate([
          { cache: 'context', scope: 'device', did: 0, sid: device.requester },
          { cache: 'iotlb', scope: 'domain', did: target.did },
        ])
      : yield* driver.flushWriteBuffer();
    if (result < 0) this.#contexts.block(device.requester);
    return result;
  }

  *close(device: PciDevice, _pasid: number, { did }: Target): Script<number> {
    this.#contexts.block(device.requester);
    yield* this.#driver.writeEntries(1);
    const result = yield* this.#driver.invalidate([
      { cache: 'context', scope: 'device', did, sid: device.requester },
      { cache: 'iotlb', scope: 'domain', did },
    ]);
    if (result === 0) this.#contexts.erase(device.requester);
    return result;
  }
}
