/** Domains without a table that the driver writes: one that leaves addresses as they are, and nested ones. */
import type { Script } from '../../../hardware/sim/index.ts';
import type { NestedDomain } from '../iommu/driver.ts';
import { blockAround, EVERYTHING } from '../iommu/routed-translation.ts';
import type { PageRun } from '../page-run.ts';
import type { Nested, VtdDomain } from './domain.ts';
import type { VtdDriver } from './driver.ts';
import type { Invalidation } from './invalidation.ts';
import type { NestedTarget, PassThroughTarget } from './routes.ts';
import { VtdTranslation } from './translation.ts';

/** The domain id of every identity domain: what they translate is the same. */
export const IDENTITY_DID = 1;

export class VtdIdentity extends VtdTranslation {
  readonly target: PassThroughTarget = { kind: 'pass-through', did: IDENTITY_DID, permissions: null };

  constructor(driver: VtdDriver) {
    super(driver, IDENTITY_DID);
  }

  /** It has nothing. */
  protected release(): void {}
}

export class VtdNestedDomain extends VtdTranslation implements NestedDomain, Nested {
  readonly target: NestedTarget;
  readonly #parent: VtdDomain;

  constructor(parent: VtdDomain, target: NestedTarget) {
    super(parent.driver, target.did);
    this.target = target;
    this.#parent = parent;
    parent.nested.add(this);
  }

  *forget(range?: PageRun): Script<number> {
    const block = range === undefined ? EVERYTHING : blockAround(range.first, range.pages);
    return yield* this.driver.invalidate([...this.firstStage(block, false), ...this.deviceTlbs(block)]);
  }

  wholeDeviceTlbs(): Invalidation[] {
    return this.deviceTlbs(EVERYTHING);
  }

  protected release(): void {
    this.#parent.nested.delete(this);
    this.driver.domainIds.release(this.did);
  }
}
