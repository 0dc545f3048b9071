/**
 * What the translated requests of a domain's devices may reach: every page that the domain maps, as it maps it. Permissions
 * come before the mapping, and go when devices have forgotten it (VT-d 6.5.3.4).
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import type { Mapping } from '../iommu/page-table.ts';
import { blockAround } from '../iommu/routed-translation.ts';
import type { VtdDriver } from './driver.ts';
import type { HostPermissionTable, Permitted, Written } from './host-permission-table.ts';
import type { Invalidation } from './invalidation.ts';
import type { PermissionRoot } from './routes.ts';

/** More ranges than this are forgotten together with all others. */
const MOST_RANGES = 16;

export class HostPermissions implements PermissionRoot {
  readonly did: number;
  readonly #driver: VtdDriver;
  readonly #table: HostPermissionTable;
  /** Mappings that are gone, of which devices may still have translations. */
  #lingering: Mapping[] = [];
  /** Nobody knows what hardware has cached. */
  #isUnsure = false;

  constructor(driver: VtdDriver, did: number, table: HostPermissionTable) {
    this.#driver = driver;
    this.did = did;
    this.#table = table;
  }

  get root(): PageNumber {
    return this.#table.root;
  }

  /** 0, or -ENOMEM or -EIO and nothing more is permitted in memory. */
  *permit(permitted: Permitted): Script<number> {
    const written = this.#table.permit(permitted);
    if (typeof written === 'number') return written;
    const result = yield* this.#announce([permitted], written);
    if (result < 0) yield* this.withdraw([permitted]);
    return result;
  }

  /** With 0 hardware has forgotten the permissions, too. */
  *withdraw(all: readonly Permitted[]): Script<number> {
    let entries = 0;
    for (const one of all) entries += this.#table.withdraw(one).entries;
    return yield* this.#announce(all, { entries, tables: 0 });
  }

  /** Devices could not be made to forget these. */
  keep(mappings: readonly Mapping[]): void {
    this.#lingering.push(...mappings);
  }

  /** What was kept of a range that devices have forgotten now. */
  takeKept(first: PageNumber, pages: number): Mapping[] {
    const isInside = (one: Mapping): boolean => one.first >= first && one.first + one.pages <= first + pages;
    const taken = this.#lingering.filter(isInside);
    this.#lingering = this.#lingering.filter((one) => !isInside(one));
    return taken;
  }

  /** Nothing leads to the table any more. */
  destroy(): void {
    this.#table.destroy();
  }

  /** Tells hardware of changed entries: also of those that permitted nothing, which may be cached (VT-d 6.2.6). */
  *#announce(ranges: readonly Permitted[], { entries, tables }: Written): Script<number> {
    const { bus, capabilities } = this.#driver;
    if (entries === 0 && !this.#isUnsure) return 0;
    yield* this.#driver.writeEntries(entries);
    yield ns(tables * bus.cost.allocate);
    const { did } = this;
    const blocks = ranges.map(({ frame, pages }) => blockAround(frame, pages));
    const byPage =
      !this.#isUnsure &&
      ranges.length <= MOST_RANGES &&
      blocks.every(({ mask }) => mask <= capabilities.maxAddressMask);
    const invalidations: readonly Invalidation[] = byPage
      ? blocks.map((block) => ({ cache: 'host permissions', scope: 'page', did, ...block, leafOnly: tables === 0 }))
      : [{ cache: 'host permissions', scope: 'domain', did }];
    const result = yield* this.#driver.invalidate(invalidations);
    this.#isUnsure = result < 0;
    return result;
  }
}
