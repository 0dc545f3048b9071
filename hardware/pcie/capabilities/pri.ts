/**
 * The page request capability: whether and how many page requests the function may send, and what went wrong.
 *
 * Its owner sets `outstanding`, and calls `failed` and `unexpected`; it is told of `onEnable` and `onReset`.
 */
import { ExtendedCapabilityId, PRI_CAPABILITY } from '../spec/index.ts';
import { Capability } from './capability.ts';

export interface PriSpec {
  /** Page requests that the function can have outstanding. */
  readonly capacity: number;
  /** It expects a PASID in the response to a request that had one. */
  readonly responsePasidRequired?: boolean;
}

const CONTROL_AT = 0x04;

export class PriCapability extends Capability<typeof PRI_CAPABILITY> {
  readonly capacity: number;
  readonly responsePasidRequired: boolean;
  onEnable: ((enabled: boolean) => void) | null = null;
  /** Software resets the interface: what is outstanding is to be forgotten. */
  onReset: (() => void) | null = null;
  #enabled = false;
  #outstanding = 0;

  constructor({ capacity, responsePasidRequired = false }: PriSpec) {
    super({
      extended: true,
      id: ExtendedCapabilityId.PAGE_REQUEST_INTERFACE,
      layout: PRI_CAPABILITY,
      initial: {
        STOPPED: 1,
        PRG_RESPONSE_PASID_REQUIRED: responsePasidRequired ? 1 : 0,
        OUTSTANDING_PAGE_REQUEST_CAPACITY: capacity,
      },
    });
    this.capacity = capacity;
    this.responsePasidRequired = responsePasidRequired;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Page requests that the function may have outstanding. */
  get allocation(): number {
    return Math.min(this.get(PRI_CAPABILITY.OUTSTANDING_PAGE_REQUEST_ALLOCATION), this.capacity);
  }

  /** It received Response Failure, and software has not taken note: it must not send. */
  get responseFailure(): boolean {
    return this.isSet(PRI_CAPABILITY.RESPONSE_FAILURE);
  }

  get stopped(): boolean {
    return this.isSet(PRI_CAPABILITY.STOPPED);
  }

  /** Page requests without a response. */
  get outstanding(): number {
    return this.#outstanding;
  }

  set outstanding(count: number) {
    this.#outstanding = count;
    this.#tellStopped();
  }

  /** A response said Response Failure. */
  failed(): void {
    this.set(PRI_CAPABILITY.RESPONSE_FAILURE, 1);
  }

  /** A response was for no group that is outstanding. */
  unexpected(): void {
    this.set(PRI_CAPABILITY.UNEXPECTED_PRG_INDEX, 1);
  }

  override reset(): void {
    this.#outstanding = 0;
    this.#enable(false);
  }

  protected override wire(): void {
    this.onWrite(CONTROL_AT, (written) => {
      this.#enable(this.isSet(PRI_CAPABILITY.ENABLE));
      if (this.#enabled || (written & PRI_CAPABILITY.RESET.mask) === 0) return;
      this.outstanding = 0;
      this.onReset?.();
    });
  }

  #enable(enabled: boolean): void {
    const changed = enabled !== this.#enabled;
    this.#enabled = enabled;
    if (changed && enabled) {
      // What went wrong before is over (PCIe 10.5.2.2).
      this.set(PRI_CAPABILITY.RESPONSE_FAILURE, 0);
      this.set(PRI_CAPABILITY.UNEXPECTED_PRG_INDEX, 0);
    }
    this.#tellStopped();
    if (changed) this.onEnable?.(enabled);
  }

  #tellStopped(): void {
    this.set(PRI_CAPABILITY.STOPPED, !this.#enabled && this.#outstanding === 0 ? 1 : 0);
  }
}
