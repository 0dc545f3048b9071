/** An AMD-Vi domain with a table of its own: a host table, or a guest table in the CPU's format. */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EINVAL, EOPNOTSUPP } from '../../uapi/index.ts';
import type { Geometry, IommuDomain } from '../iommu/driver.ts';
import type { PageTable, Unlinking, Unmapped } from '../iommu/page-table.ts';
import { blockAround } from '../iommu/routed-translation.ts';
import type { PageRun } from '../page-run.ts';
import type { Command } from './commands.ts';
import type { AmdDriver } from './driver.ts';
import type { GuestTarget, HostTarget } from './route.ts';
import { AmdTranslation } from './translation.ts';

/** A domain that is nested in another. */
export interface Nested {
  /** What its devices must forget when the table below changes. */
  wholeDeviceTlbs(): Command[];
}

/** A domain with a host table: it can translate what others keep their tables in. */
export type HostDomain = AmdDomain & { readonly target: HostTarget };

export function isHost(domain: AmdDomain): domain is HostDomain {
  return domain.target.kind === 'host';
}

export class AmdDomain extends AmdTranslation implements IommuDomain {
  readonly table: PageTable;
  readonly geometry: Geometry;
  readonly target: GuestTarget | HostTarget;
  /** Domains whose guest tables this host table translates. */
  readonly nested = new Set<Nested>();

  constructor(driver: AmdDriver, table: PageTable, target: GuestTarget | HostTarget, geometry: Geometry) {
    super(driver, target.kind === 'host' ? target.did : 0);
    this.table = table;
    this.target = target;
    this.geometry = geometry;
  }

  /** Entries of guest tables cannot. */
  get enforcesSnoop(): boolean {
    return this.target.kind === 'host' && this.target.snoop;
  }

  *map(first: PageNumber, frame: PageNumber, pages: number, protection: Protection): Script<number> {
    // A guest entry that is present can be read.
    if (this.target.kind === 'guest' && !protection.read && !protection.write) return -EINVAL;
    const result = this.table.map(first, frame, pages, { ...protection, snoop: this.enforcesSnoop });
    yield* this.driver.writeEntries(this.table.entries);
    yield ns(this.table.tables * this.driver.bus.cost.allocate);
    return result;
  }

  /** Only where entries that are not present may be cached there is something to forget. */
  *mapped(first: PageNumber, pages: number): Script<number> {
    if (!this.driver.features.npCache) return 0;
    return yield* this.driver.run(this.#forgetting(first, pages, true));
  }

  *unmap(first: PageNumber, pages: number, unlinking?: Unlinking): Script<Unmapped> {
    const unmapped = this.table.unmap(first, pages, unlinking);
    yield* this.driver.writeEntries(unmapped.entries);
    return unmapped;
  }

  *flush({ first, pages, tables, entries }: Unmapped): Script<number> {
    // No entries: this is another try after a flush that failed, and nobody knows what the first one changed.
    const directories = tables.length > 0 || entries === 0;
    const devices = [...this.deviceTlbs(blockAround(first, pages)), ...this.#nestedDeviceTlbs()];
    const result = yield* this.driver.run([...this.#forgetting(first, pages, directories), ...devices]);
    if (result < 0) this.table.keep(tables);
    return result;
  }

  reclaim({ tables }: Unmapped): void {
    this.table.reclaim(tables);
  }

  *setDirtyTracking(on: boolean): Script<number> {
    const { target } = this;
    if (target.kind !== 'host' || target.tracking === null) return -EOPNOTSUPP;
    return yield* target.tracking.turn(on, () => this.driver.routes.retrack(target));
  }

  *readDirty(first: PageNumber, pages: number, { keep = false } = {}): Script<PageRun[] | number> {
    const { target } = this;
    if (target.kind !== 'host' || target.tracking === null) return -EOPNOTSUPP;
    return yield* target.tracking.read({ first, pages }, keep, (written, entries) =>
      this.#forgetWritten(written, entries),
    );
  }

  *#forgetWritten({ first, pages }: PageRun, entries: number): Script<number> {
    yield* this.driver.writeEntries(entries);
    const devices = [...this.deviceTlbs(blockAround(first, pages)), ...this.#nestedDeviceTlbs()];
    return yield* this.driver.run([...this.#forgetting(first, pages, false), ...devices]);
  }

  protected release(): void {
    if (this.nested.size > 0) throw new Error(`domain ${this.did} is destroyed while others are nested in it`);
    this.table.destroy();
    if (this.target.kind === 'host') this.driver.domainIds.release(this.did);
  }

  /** One command for each domain id that the table is used with: a power of two of pages around the range. */
  #forgetting(first: PageNumber, pages: number, directories: boolean): Command[] {
    const block = blockAround(first, pages);
    if (this.target.kind === 'guest') return this.guestPages(block, directories);
    const dids = this.driver.routes.didsOf(this.target);
    return dids.map((did) => ({ kind: 'pages', did, pasid: -1, block, directories }));
  }

  /** Nobody knows at which guest addresses a page of the host table is seen. */
  #nestedDeviceTlbs(): Command[] {
    return [...this.nested].flatMap((domain) => domain.wholeDeviceTlbs());
  }
}
