/** Domains without a table that the driver writes: one that leaves addresses as they are, and nested ones. */
import type { Script } from '../../../hardware/sim/index.ts';
import type { NestedDomain } from '../iommu/driver.ts';
import { blockAround, EVERYTHING } from '../iommu/routed-translation.ts';
import type { Command } from './commands.ts';
import type { AmdDomain, Nested } from './domain.ts';
import type { AmdDriver } from './driver.ts';
import type { IdentityTarget, NestedTarget } from './route.ts';
import { AmdTranslation } from './translation.ts';

/** The domain id of every identity domain: what they translate is the same. */
export const IDENTITY_DID = 1;

export class AmdIdentity extends AmdTranslation {
  readonly target: IdentityTarget = { kind: 'identity', did: IDENTITY_DID };

  constructor(driver: AmdDriver) {
    super(driver, IDENTITY_DID);
  }

  /** It has nothing. */
  protected release(): void {}
}

export class AmdNestedDomain extends AmdTranslation implements NestedDomain, Nested {
  readonly target: NestedTarget;
  readonly #parent: AmdDomain;

  constructor(parent: AmdDomain, target: NestedTarget) {
    super(parent.driver, parent.did);
    this.target = target;
    this.#parent = parent;
    parent.nested.add(this);
  }

  *forget(range?: { readonly first: number; readonly pages: number }): Script<number> {
    const block = range === undefined ? EVERYTHING : blockAround(range.first, range.pages);
    return yield* this.driver.run([...this.guestPages(block, true), ...this.deviceTlbs(block)]);
  }

  wholeDeviceTlbs(): Command[] {
    return this.deviceTlbs(EVERYTHING);
  }

  protected release(): void {
    this.#parent.nested.delete(this);
  }
}
