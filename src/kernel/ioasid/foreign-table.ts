/**
 * A table that a process has built in its own memory, at an address of the parent space, and that hardware finds there through
 * the parent's table. Nothing in it is written here; the process tells what hardware has to forget.
 */
import type { Script } from '../../../hardware/sim/index.ts';
import { EINVAL } from '../../uapi/index.ts';
import type { Abilities, IommuDomain, IommuDriver, Translation } from '../iommu/driver.ts';
import type { KernelTable } from './kernel-table.ts';
import type { IoTable } from './table.ts';

export abstract class ForeignTable<Domain extends Translation> implements IoTable {
  readonly #parent: KernelTable;
  protected domain: Domain | null = null;
  #holders = 0;
  /** Hardware may walk it, whatever it is told. */
  #isDoubtful = false;

  constructor(parent: KernelTable) {
    this.#parent = parent;
  }

  get translation(): Translation | null {
    return this.domain;
  }

  /** Hardware with these abilities can walk it. */
  abstract isFor(abilities: Abilities): boolean;

  protected abstract make(driver: IommuDriver, parent: IommuDomain): Script<Domain | number>;

  *hold(driver: IommuDriver): Script<number> {
    if (!this.isFor(driver.abilities)) return -EINVAL;
    if (this.domain !== null && this.domain.driver !== driver) return -EINVAL;
    const held = yield* this.#parent.hold(driver);
    if (held < 0) return held;
    if (this.domain === null) {
      const made = yield* this.make(driver, this.#parent.translation!);
      if (typeof made === 'number') {
        yield* this.#parent.drop(true);
        return made;
      }
      this.domain = made;
    }
    this.#holders++;
    return 0;
  }

  *drop(trusted: boolean): Script {
    if (!trusted) this.#isDoubtful = true;
    this.#holders--;
    if (this.#holders === 0) {
      if (!this.#isDoubtful) yield* this.domain!.destroy();
      this.domain = null;
    }
    yield* this.#parent.drop(!this.#isDoubtful);
  }

  /** It has nothing of its own. */
  *destroy(): Script {}
}
