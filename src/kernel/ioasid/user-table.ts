/** A user-managed I/O page table: hardware walks it through the parent's table (hardware nesting). */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { Abilities, IommuDomain, IommuDriver, NestedDomain } from '../iommu/driver.ts';
import type { PageRun } from '../page-run.ts';
import { ForeignTable } from './foreign-table.ts';
import type { KernelTable } from './kernel-table.ts';

/** Levels of an x86 table, by the bits of an address that it translates. */
export const LEVELS_OF_WIDTH: ReadonlyMap<number, 4 | 5> = new Map([
  [48, 4],
  [57, 5],
]);

export interface UserTableShape {
  readonly parent: KernelTable;
  /** Page of the top table, in the parent space. */
  readonly table: PageNumber;
  readonly levels: 4 | 5;
}

export class UserTable extends ForeignTable<NestedDomain> {
  readonly #shape: UserTableShape;

  constructor(shape: UserTableShape) {
    super(shape.parent);
    this.#shape = shape;
  }

  isFor({ nestedLevels }: Abilities): boolean {
    return nestedLevels.includes(this.#shape.levels);
  }

  protected make(driver: IommuDriver, parent: IommuDomain): Script<NestedDomain | number> {
    const { table, levels } = this.#shape;
    return driver.allocateNested({ parent, table, levels });
  }

  /** Makes the IOMMU and every device with a device-TLB that is attached forget a range, or everything: 0, -EIO. */
  *invalidate(range?: PageRun): Script<number> {
    return this.domain === null ? 0 : yield* this.domain.forget(range);
  }
}
