/** A domain whose guest tables somebody else keeps, in memory that the host table of another domain translates. */
import type { Command } from './commands.ts';
import type { AmdDomain, Nested } from './domain.ts';
import type { Target } from './route.ts';
import { AmdTranslation } from './translation.ts';

export abstract class OverHost<Its extends Target, Parent extends AmdDomain = AmdDomain>
  extends AmdTranslation
  implements Nested
{
  readonly target: Its;
  readonly #parent: Parent;

  constructor(parent: Parent, target: Its) {
    super(parent.driver, parent.did);
    this.target = target;
    this.#parent = parent;
    parent.nested.add(this);
  }

  abstract wholeDeviceTlbs(): Command[];

  protected release(): void {
    this.#parent.nested.delete(this);
  }
}
