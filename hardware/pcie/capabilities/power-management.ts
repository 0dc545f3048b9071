/** The power management capability: a function in D3hot answers to configuration requests only, and sends nothing. */
import { CapabilityId, PM_CAPABILITY, PowerState } from '../spec/index.ts';
import { Capability } from './capability.ts';

export interface PowerManagementSpec {
  /** The function keeps its configuration from D3hot to D0; else that is a reset. */
  readonly noSoftReset?: boolean;
}

const VERSION = 3;
const STATE_AT = 0x04;

export class PowerManagementCapability extends Capability<typeof PM_CAPABILITY> {
  /** Set by the configuration space. */
  onChange: ((before: number) => void) | null = null;
  #before: number = PowerState.D0;

  constructor({ noSoftReset = false }: PowerManagementSpec) {
    const initial = { VERSION, NO_SOFT_RESET: noSoftReset ? 1 : 0 };
    super({ extended: false, id: CapabilityId.POWER_MANAGEMENT, layout: PM_CAPABILITY, initial });
  }

  /** One of `PowerState`. */
  get state(): number {
    return this.get(PM_CAPABILITY.POWER_STATE);
  }

  get noSoftReset(): boolean {
    return this.isSet(PM_CAPABILITY.NO_SOFT_RESET);
  }

  override reset(): void {
    this.#before = PowerState.D0;
  }

  protected override wire(): void {
    this.onWrite(STATE_AT, () => {
      const before = this.#before;
      if (this.state === PowerState.D1 || this.state === PowerState.D2) this.set(PM_CAPABILITY.POWER_STATE, before);
      this.#before = this.state;
      if (before !== this.state) this.onChange?.(before);
    });
  }
}
