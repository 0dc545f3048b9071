/** The control register. The driver knows what it has written: changes keep everything else and need no read. */
import { CONTROL } from '../../../hardware/amdvi/spec/index.ts';
import type { Values } from '../../../hardware/bits/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import type { RegisterPage } from '../iommu/register-page.ts';

export class Control {
  readonly #registers: RegisterPage;
  #values: Values<typeof CONTROL> = {};

  constructor(registers: RegisterPage) {
    this.#registers = registers;
  }

  /** Switches everything off, whoever switched it on. */
  *clear(): Script {
    this.#values = {};
    yield* this.#registers.write(CONTROL, this.#values);
  }

  *set(values: Values<typeof CONTROL>): Script {
    this.#values = { ...this.#values, ...values };
    yield* this.#registers.write(CONTROL, this.#values);
  }
}
