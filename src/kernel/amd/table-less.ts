/** Domains without a table that the driver writes: one that leaves addresses as they are, and nested ones. */
import type { Script } from '../../../hardware/sim/index.ts';
import type { NestedDomain } from '../iommu/driver.ts';
import { blockAround, EVERYTHING } from '../iommu/routed-translation.ts';
import type { PageRun } from '../page-run.ts';
import type { Command } from './commands.ts';
import type { AmdDriver } from './driver.ts';
import { OverHost } from './over-host.ts';
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

export class AmdNestedDomain extends OverHost<NestedTarget> implements NestedDomain {
  *forget(range?: PageRun): Script<number> {
    const block = range === undefined ? EVERYTHING : blockAround(range.first, range.pages);
    return yield* this.driver.run([...this.guestPages(block, true), ...this.deviceTlbs(block)]);
  }

  wholeDeviceTlbs(): Command[] {
    return this.deviceTlbs(EVERYTHING);
  }
}
