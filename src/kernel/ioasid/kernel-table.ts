/**
 * A kernel-managed I/O page table. That of a root pins the pages of processes; that of a nested space is made of its own
 * mappings and its parent's, merged (software nesting), and kept in step with both: what the parent loses it loses, before
 * anything is unpinned, and what the parent gains it gains.
 *
 * Pages are unpinned only after hardware has confirmed that it cannot reach them. When it does not, they stay pinned for
 * ever: losing memory is better than letting a device write into somebody else's.
 */
import { PAGE_SHIFT, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import { EADDRINUSE, EDEADLK, EEXIST, EINVAL, EIO, ENOENT, ENOMEM, ENOSPC } from '../../uapi/index.ts';
import { type IommuDomain, type IommuDriver, isPermitted } from '../iommu/driver.ts';
import type { PageRun } from '../page-run.ts';
import { DirtyLog, type LoggedTable } from './dirty-log.ts';
import { type Mapping, Mappings } from './mappings.ts';
import { partsIn, piecesOf } from './pieces.ts';
import { type PinRequest, RootPages } from './root-pages.ts';
import type { SoftwareAccess } from './software-access.ts';
import type { IoasidServices, IoTable } from './table.ts';

/** A range of whole pages in both spaces; the source is one of the process, or of the parent space. */
export type MapRequest = PageRun & PinRequest;

export interface KernelTableShape {
  /** What the table is called in the kernel's log. */
  readonly name: string;
  /** `null` for a root. */
  readonly parent: KernelTable | null;
  /** Left out: where hardware can. */
  readonly enforceSnoop?: boolean;
  /** Left out: where hardware can. */
  readonly dirtyTracking?: boolean;
  /** Bits of an address that devices must be able to use. */
  readonly addressWidth?: number;
  /** Mappings outlive the last holder. */
  readonly keepsMappings: boolean;
}

export class KernelTable implements IoTable, LoggedTable {
  readonly mappings = new Mappings();
  readonly log: DirtyLog = new DirtyLog(this);
  readonly shape: KernelTableShape;
  /** Tables that are merged of this one and their own. */
  readonly merged = new Set<KernelTable>();
  /** Who uses it in software: neither a unit nor a table in hardware is needed for that. */
  readonly #accesses = new Set<SoftwareAccess>();
  readonly #services: IoasidServices;
  readonly #pages = new RootPages();
  #domain: IommuDomain | null = null;
  #holders = 0;
  /** Hardware may reach what the table has mapped, whatever it is told. */
  #isDoubtful = false;

  constructor(shape: KernelTableShape, services: IoasidServices) {
    this.shape = shape;
    this.#services = services;
    if (shape.parent !== null) shape.parent.merged.add(this);
  }

  get parent(): KernelTable | null {
    return this.shape.parent;
  }

  get translation(): IommuDomain | null {
    return this.#domain;
  }

  /** It can be tracked which pages devices write to. */
  get canTrack(): boolean {
    return this.shape.dirtyTracking ?? this.#domain?.driver.abilities.dirtyTracking ?? false;
  }

  *hold(driver: IommuDriver): Script<number> {
    if (this.#domain === null) {
      const made = yield* this.#open(driver);
      if (made < 0) return made;
    }
    // One table belongs to one unit: for a device behind another the program has to make another space.
    if (this.#domain?.driver !== driver) return -EINVAL;
    this.#holders++;
    return 0;
  }

  *drop(trusted: boolean): Script {
    if (!trusted) this.distrust();
    this.#holders--;
    if (this.#holders > 0) return;
    yield* this.log.leaving();
    const domain = this.#domain!;
    this.#domain = null;
    if (!this.#isDoubtful) yield* domain.destroy();
    yield* this.#endMappings();
  }

  /** One user in software more. */
  join(access: SoftwareAccess): void {
    this.#accesses.add(access);
  }

  /** One less, who has nothing pinned any more. */
  *part(access: SoftwareAccess): Script {
    this.#accesses.delete(access);
    yield* this.#endMappings();
  }

  /** Ends the table, which nobody holds and nothing is merged of. */
  *destroy(): Script {
    const { parent } = this.shape;
    if (parent !== null) parent.merged.delete(this);
    yield* this.#giveUp();
  }

  /** Nobody knows what hardware has of this table: neither it nor what it is nested on gives back a page any more. */
  distrust(): void {
    this.#isDoubtful = true;
    this.shape.parent?.distrust();
  }

  /**
   * Pins the pages and maps them: 0, -EEXIST, -ENOSPC, -EINVAL, -EFAULT, -ENOMEM, -EIO, -ENOENT where the parent does not map
   * all of them. Nothing stays behind on failure.
   */
  *map({ space, registered, source, first, pages, protection }: MapRequest): Script<number> {
    const { cost, mappingLimit, faultPoints } = this.#services;
    const { parent } = this.shape;
    if (this.mappings.overlaps(first, pages)) return -EEXIST;
    if (this.mappings.count >= mappingLimit) return -ENOSPC;
    if (this.#domain !== null && !isPermitted(this.#domain.geometry, first, pages)) return -EINVAL;
    if (!this.#isWithinWidth(first, pages)) return -EINVAL;
    if (parent !== null && !parent.mappings.covers(source, pages)) return -ENOENT;
    if (faultPoints.refuses('mapping')) return -ENOMEM;
    const pinned = parent === null ? this.#pages.pin({ space, registered, source, pages, protection }) : null;
    if (typeof pinned === 'number') return pinned;
    if (pinned?.space === space) {
      yield* space.settle();
      yield ns(pages * cost.pinPage);
    }
    const mapping = { first, pages, source, protection, pinned, isLeaving: false };
    this.mappings.add(mapping);
    const result = yield* this.#enter(mapping);
    if (result === 0) return 0;
    // Merged tables may have a part of it, and somebody in software may use it already.
    mapping.isLeaving = true;
    const revoked = yield* this.#revoke(mapping);
    const undone = result === -EIO ? result : Math.min(revoked, yield* this.#leave(mapping));
    if (undone < 0) this.distrust();
    this.mappings.remove(mapping);
    yield* this.#unpin([mapping]);
    return undone < 0 ? undone : result;
  }

  /**
   * Removes every mapping in a range and gives the number of pages; -EINVAL when one would be cut; -EDEADLK when somebody in
   * software does not let go of it, -EIO.
   */
  *unmap({ first, pages }: PageRun): Script<number> {
    const found = this.mappings.within(first, pages);
    const start = found[0];
    const end = found.at(-1);
    if (start === undefined || end === undefined) return 0;
    if (start.first < first || end.first + end.pages > first + pages) return -EINVAL;
    // On failure the mappings stay listed and pinned: the program may try again, and closing gives them up for good.
    const span = { first: start.first, pages: end.first + end.pages - start.first };
    for (const mapping of found) mapping.isLeaving = true;
    let result = yield* this.#revoke(span);
    if (result === 0) result = yield* this.#leave(span);
    if (result < 0) {
      for (const mapping of found) mapping.isLeaving = false;
      return result;
    }
    this.log.clear(span);
    for (const mapping of found) this.mappings.remove(mapping);
    yield* this.#unpin(found);
    return pagesOf(found);
  }

  /** A table in hardware with everything that is mapped already. */
  *#open(driver: IommuDriver): Script<number> {
    const { enforceSnoop, dirtyTracking, addressWidth = 0 } = this.shape;
    const { abilities } = driver;
    if (enforceSnoop === true && !abilities.enforcesSnoop) return -EINVAL;
    if (dirtyTracking === true && !abilities.dirtyTracking) return -EINVAL;
    if (abilities.geometry.last + 1 < 2 ** (addressWidth - PAGE_SHIFT)) return -EINVAL;
    const domain = yield* driver.allocateDomain({
      ...(enforceSnoop === undefined ? {} : { enforceSnoop }),
      ...(dirtyTracking === undefined ? {} : { dirtyTracking }),
    });
    if (typeof domain === 'number') return domain;
    let result = 0;
    for (const mapping of this.mappings) {
      if (result === 0 && !isPermitted(domain.geometry, mapping.first, mapping.pages)) result = -EADDRINUSE;
      if (result === 0) result = yield* this.#fill(domain, mapping);
    }
    // Nothing is attached to it yet, so nothing of it is cached.
    if (result === 0) {
      this.#domain = domain;
      result = yield* this.log.opened();
    }
    if (result < 0) {
      this.#domain = null;
      yield* domain.destroy();
    }
    return result;
  }

  /** Enters what a range has into this table, and into those that are merged of it. */
  *#enter(range: PageRun): Script<number> {
    let result = this.#domain === null ? 0 : yield* this.#fill(this.#domain, range);
    for (const [table, part] of this.merging(range)) {
      if (result === 0) result = yield* table.#enter(part);
    }
    return result;
  }

  /** Takes what a range has out of the tables that are merged of this one, then out of this one: 0 or -EIO. */
  *#leave({ first, pages }: PageRun): Script<number> {
    for (const [table, part] of this.merging({ first, pages })) {
      const result = yield* table.#leave(part);
      if (result < 0) return result;
    }
    yield* this.log.leaving({ first, pages });
    return this.#domain === null ? 0 : yield* this.#services.iommu.unmap(this.#domain, first, pages);
  }

  /**
   * Makes those who use a range in software let go of it, here and in the tables that are merged of this one, while it is
   * leaving: 0, -EDEADLK when somebody does not.
   */
  *#revoke(range: PageRun): Script<number> {
    let result = 0;
    for (const [table, part] of this.merging(range)) result = Math.min(result, yield* table.#revoke(part));
    for (const access of [...this.#accesses]) if (!(yield* access.revoke(range))) result = -EDEADLK;
    return result;
  }

  *#fill(domain: IommuDomain, range: PageRun): Script<number> {
    for (const { first, frames, protection } of piecesOf(this, range)) {
      const result = yield* this.#services.iommu.map(domain, first, frames, protection);
      if (result < 0) return result;
    }
    return 0;
  }

  /** Where the ranges of merged tables are that use a range of this one. */
  merging(range: PageRun): Iterable<readonly [KernelTable, PageRun]> {
    return partsIn(this.merged, range);
  }

  #isWithinWidth(first: PageNumber, pages: number): boolean {
    const { addressWidth } = this.shape;
    return addressWidth === undefined || first + pages <= 2 ** (addressWidth - PAGE_SHIFT);
  }

  /** Version 1: nobody is attached any more. */
  *#endMappings(): Script {
    if (this.#holders > 0 || this.#accesses.size > 0 || this.shape.keepsMappings) return;
    yield* this.#giveUp();
    yield* this.log.set(false);
  }

  /** Unmaps everything; what somebody does not let go of is never used again. */
  *#giveUp(): Script {
    for (const mapping of this.mappings) {
      mapping.isLeaving = true;
      if ((yield* this.#revoke(mapping)) < 0 || (yield* this.#leave(mapping)) < 0) this.distrust();
    }
    yield* this.#unpin(this.mappings.clear());
  }

  *#unpin(mappings: readonly Mapping[]): Script {
    const pinning = mappings.filter(({ pinned }) => pinned !== null);
    const pages = pagesOf(pinning);
    if (pages === 0) return;
    const { log, cost } = this.#services;
    if (this.#isDoubtful) {
      log.write(`${this.shape.name}: hardware may still reach ${pages * PAGE_SIZE} bytes, which are never used again`);
      return;
    }
    for (const { pinned } of pinning) pinned!.space.unpin(pinned!);
    yield ns(pages * cost.pinPage);
  }
}

function pagesOf(mappings: readonly Mapping[]): number {
  return mappings.reduce((sum, { pages }) => sum + pages, 0);
}
