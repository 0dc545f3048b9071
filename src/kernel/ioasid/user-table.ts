/**
 * A user-managed I/O page table: a process has built it in its own memory, at an address of the parent space, and hardware
 * walks it through the parent's table (hardware nesting). The process tells what hardware has to forget.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL } from '../../uapi/index.ts';
import type { IommuDriver, NestedDomain } from '../iommu/driver.ts';
import type { PageRun } from '../page-run.ts';
import type { KernelTable } from './kernel-table.ts';
import type { IoTable } from './table.ts';

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

export class UserTable implements IoTable {
  readonly #shape: UserTableShape;
  #domain: NestedDomain | null = null;
  #holders = 0;
  /** Hardware may walk it, whatever it is told. */
  #isDoubtful = false;

  constructor(shape: UserTableShape) {
    this.#shape = shape;
  }

  get translation(): NestedDomain | null {
    return this.#domain;
  }

  *hold(driver: IommuDriver): Script<number> {
    const { parent, table, levels } = this.#shape;
    if (!driver.abilities.nestedLevels.includes(levels)) return -EINVAL;
    if (this.#domain !== null && this.#domain.driver !== driver) return -EINVAL;
    const held = yield* parent.hold(driver);
    if (held < 0) return held;
    if (this.#domain === null) {
      const made = yield* driver.allocateNested({ parent: parent.translation!, table, levels });
      if (typeof made === 'number') {
        yield* parent.drop(true);
        return made;
      }
      this.#domain = made;
    }
    this.#holders++;
    return 0;
  }

  *drop(trusted: boolean): Script {
    if (!trusted) this.#isDoubtful = true;
    this.#holders--;
    if (this.#holders === 0) {
      if (!this.#isDoubtful) yield* this.#domain!.destroy();
      this.#domain = null;
    }
    yield* this.#shape.parent.drop(!this.#isDoubtful);
  }

  /** It has nothing of its own. */
  *destroy(): Script {}

  /** Makes the IOMMU and every device with a device-TLB that is attached forget a range, or everything: 0, -EIO. */
  *invalidate(range?: PageRun): Script<number> {
    return this.#domain === null ? 0 : yield* this.#domain.forget(range);
  }
}
