/**
 * A user-owned PASID table (AMD-Vi's GCR3 table): a process keeps it, and the first stages that it leads to, in its own memory.
 * It takes all requests of the devices that are attached to it, and its PASIDs are the process's own.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL } from '../../uapi/index.ts';
import type { Abilities, IommuDomain, IommuDriver, PasidTableDomain } from '../iommu/driver.ts';
import type { PageRun } from '../page-run.ts';
import { ForeignTable } from './foreign-table.ts';
import type { KernelTable } from './kernel-table.ts';

/** No PASID has more. */
export const MOST_PASID_BITS = 20;

export interface PasidTableShape {
  readonly parent: KernelTable;
  /** Page of the top table, in the parent space. */
  readonly table: PageNumber;
  /** Bits of a PASID that it tells apart. */
  readonly pasidBits: number;
  /** Of the first stages. */
  readonly levels: 4 | 5;
  /** Requests without PASID use the first stage of PASID 0. */
  readonly usesPasidZero: boolean;
}

export class PasidTable extends ForeignTable<PasidTableDomain> {
  readonly #shape: PasidTableShape;

  constructor(shape: PasidTableShape) {
    super(shape.parent);
    this.#shape = shape;
  }

  isFor({ pasidTableBits, nestedLevels }: Abilities): boolean {
    const { pasidBits, levels } = this.#shape;
    return pasidBits >= 1 && pasidBits <= pasidTableBits && nestedLevels.includes(levels);
  }

  /** It has an entry for this PASID. */
  reaches(pasid: number): boolean {
    return pasid >= 0 && pasid < 2 ** this.#shape.pasidBits;
  }

  protected make(driver: IommuDriver, parent: IommuDomain): Script<PasidTableDomain | number> {
    return driver.allocatePasidTable({ ...this.#shape, parent });
  }

  /**
   * Makes hardware forget a range of a PASID's first stage, or all of that PASID with its entry here, or everything: 0, -EIO;
   * -EINVAL for a PASID that the table does not reach.
   */
  *invalidate(what: { readonly pasid?: number; readonly range?: PageRun } = {}): Script<number> {
    if (what.pasid !== undefined && !this.reaches(what.pasid)) return -EINVAL;
    return this.domain === null ? 0 : yield* this.domain.forget(what);
  }
}
