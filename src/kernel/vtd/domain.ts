/** A VT-d domain with a table of its own, of the first or of the second stage. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import type { DirtyTracking } from '../iommu/dirty-tracking.ts';
import type { Geometry, IommuDomain } from '../iommu/driver.ts';
import type { PageTable, Unlinking, Unmapped } from '../iommu/page-table.ts';
import { blockAround, type PageBlock } from '../iommu/routed-translation.ts';
import type { PageRun } from '../page-run.ts';
import type { VtdDriver } from './driver.ts';
import type { HostPermissions } from './host-permissions.ts';
import type { Invalidation } from './invalidation.ts';
import type { FirstStageTarget, SecondStageTarget, Use } from './routes.ts';
import { VtdTranslation } from './translation.ts';

export interface DomainShape {
  readonly target: FirstStageTarget | SecondStageTarget;
  readonly geometry: Geometry;
}

/** A domain that is nested in another. */
export interface Nested {
  readonly did: number;
  readonly uses: readonly Use[];
  /** What its devices must forget when the table below changes. */
  wholeDeviceTlbs(): Invalidation[];
}

export class VtdDomain extends VtdTranslation implements IommuDomain {
  readonly table: PageTable;
  readonly geometry: Geometry;
  readonly target: FirstStageTarget | SecondStageTarget;
  /** For devices whose translated requests are checked. */
  readonly #permissions: HostPermissions | null;
  /** Domains whose first stage this second stage translates. */
  readonly nested = new Set<Nested>();

  constructor(
    driver: VtdDriver,
    did: number,
    table: PageTable,
    permissions: HostPermissions | null,
    shape: DomainShape,
  ) {
    super(driver, did);
    this.table = table;
    this.#permissions = permissions;
    this.geometry = shape.geometry;
    this.target = shape.target;
  }

  get enforcesSnoop(): boolean {
    return this.target.snoop;
  }

  *map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): Script<number> {
    // A first-stage entry that is present can be read.
    if (this.target.kind === 'first-stage' && !protection.read && !protection.write) return -EINVAL;
    const permitted = { frame, pages, protection: this.#granted(protection) };
    const refusal = this.#permissions === null ? 0 : yield* this.#permissions.permit(permitted);
    if (refusal < 0) return refusal;
    const result = this.table.map(first, frame, pages, { ...protection, snoop: this.enforcesSnoop });
    const { pages: mapped, entries, tables } = this.table;
    yield* this.driver.writeEntries(entries);
    yield ns(tables * this.driver.bus.cost.allocate);
    if (result < 0 && this.#permissions !== null) {
      yield* this.#permissions.withdraw([{ ...permitted, frame: frame + mapped, pages: pages - mapped }]);
    }
    return result;
  }

  *mapped(first: PageNumber, pages: number): Script<number> {
    // What is not present in the first stage is never cached, not even with caching mode.
    const mayBeCached = this.driver.capabilities.cachingMode && this.target.kind === 'second-stage';
    if (!mayBeCached) return yield* this.driver.flushWriteBuffer();
    return yield* this.driver.invalidate(this.#secondStage(blockAround(first, pages), false));
  }

  *unmap(first: PageNumber, pages: number, unlinking?: Unlinking): Script<Unmapped> {
    const unmapped = this.table.unmap(first, pages, unlinking);
    yield* this.driver.writeEntries(unmapped.entries);
    return unmapped;
  }

  *flush({ first, pages, mappings, tables, entries }: Unmapped): Script<number> {
    // No entries: this is another try after a flush that failed, and nobody knows what the first one changed.
    const leafOnly = tables.length === 0 && entries > 0;
    const block = blockAround(first, pages);
    const unit =
      this.target.kind === 'first-stage' ? this.firstStage(block, leafOnly) : this.#secondStage(block, leafOnly);
    const result = yield* this.driver.invalidate([...unit, ...this.deviceTlbs(block), ...this.#nestedDeviceTlbs()]);
    if (result < 0) {
      this.table.keep(tables);
      this.#permissions?.keep(mappings);
    }
    if (result < 0 || this.#permissions === null) return result;
    return yield* this.#permissions.withdraw([...mappings, ...this.#permissions.takeKept(first, pages)]);
  }

  reclaim({ tables }: Unmapped): void {
    this.table.reclaim(tables);
  }

  *setDirtyTracking(on: boolean): Script<number> {
    const tracking = this.#tracking;
    if (tracking === null) return -EOPNOTSUPP;
    const uses = () => [...this.uses, ...[...this.nested].flatMap((domain) => domain.uses)];
    return yield* tracking.turn(on, () => this.driver.routes.retrack(uses()));
  }

  *readDirty(first: PageNumber, pages: number, { keep = false } = {}): Script<PageRun[] | number> {
    const tracking = this.#tracking;
    if (tracking === null) return -EOPNOTSUPP;
    return yield* tracking.read({ first, pages }, keep, (written, entries) => this.#forgetWritten(written, entries));
  }

  get #tracking(): DirtyTracking | null {
    return this.target.kind === 'second-stage' ? this.target.tracking : null;
  }

  *#forgetWritten({ first, pages }: PageRun, entries: number): Script<number> {
    yield* this.driver.writeEntries(entries);
    const block = blockAround(first, pages);
    const devices = [...this.deviceTlbs(block), ...this.#nestedDeviceTlbs()];
    return yield* this.driver.invalidate([...this.#secondStage(block, true), ...devices]);
  }

  protected release(): void {
    if (this.nested.size > 0) throw new Error(`domain ${this.did} is destroyed while others are nested in it`);
    this.table.destroy();
    this.#permissions?.destroy();
    this.driver.domainIds.release(this.did);
  }

  /** What an entry with this protection lets devices do. */
  #granted({ read, write }: Protection): Protection {
    return { read: read || this.target.kind === 'first-stage', write };
  }

  /** Page by page, or the whole domain where that is too much; under every domain id that the table is used with. */
  #secondStage({ page, mask }: PageBlock, leafOnly: boolean): Invalidation[] {
    const { pageSelective, maxAddressMask } = this.driver.capabilities;
    const byPage = pageSelective && mask <= maxAddressMask;
    return [this.did, ...[...this.nested].map(({ did }) => did)].map((did) =>
      byPage ? { cache: 'iotlb', scope: 'page', did, page, mask, leafOnly } : { cache: 'iotlb', scope: 'domain', did },
    );
  }

  /** Nobody knows at which first-stage addresses a page of the second stage is seen. */
  #nestedDeviceTlbs(): Invalidation[] {
    return [...this.nested].flatMap((domain) => domain.wholeDeviceTlbs());
  }
}
