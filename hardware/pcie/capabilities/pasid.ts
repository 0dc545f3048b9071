/** The PASID capability: whether requests may carry a PASID, and what they may ask for with it. */
import { ExtendedCapabilityId, PASID_CAPABILITY } from '../spec/index.ts';
import { Capability } from './capability.ts';

export interface PasidSpec {
  /** Bits of a PASID that the function can send: 0 to 20. */
  readonly width: number;
  /** It can ask for execute permission. */
  readonly execute?: boolean;
  /** It can ask for privileged mode. */
  readonly privileged?: boolean;
}

const MOST_BITS = 20;
const CONTROL_AT = 0x04;

export class PasidCapability extends Capability<typeof PASID_CAPABILITY> {
  readonly width: number;
  readonly #spec: PasidSpec;

  constructor(spec: PasidSpec) {
    const { width, execute = false, privileged = false } = spec;
    if (width < 0 || width > MOST_BITS) throw new RangeError(`a PASID of ${width} bits is not possible`);
    super({
      extended: true,
      id: ExtendedCapabilityId.PASID,
      layout: PASID_CAPABILITY,
      initial: {
        EXECUTE_SUPPORTED: execute ? 1 : 0,
        PRIVILEGED_SUPPORTED: privileged ? 1 : 0,
        MAX_PASID_WIDTH: width,
      },
    });
    this.width = width;
    this.#spec = spec;
  }

  get enabled(): boolean {
    return this.isSet(PASID_CAPABILITY.ENABLE);
  }

  /** Requests may ask for execute permission. */
  get execute(): boolean {
    return this.enabled && this.isSet(PASID_CAPABILITY.EXECUTE_ENABLE);
  }

  /** Requests may ask for privileged mode. */
  get privileged(): boolean {
    return this.enabled && this.isSet(PASID_CAPABILITY.PRIVILEGED_ENABLE);
  }

  /** Enable must not change while ATS is enabled: what is cached was asked for with or without a PASID. */
  lock(locked: boolean): void {
    this.file.lock(this.offset + CONTROL_AT, 1, locked);
  }

  protected override wire(): void {
    if (!this.#spec.execute) this.withhold(PASID_CAPABILITY.EXECUTE_ENABLE);
    if (!this.#spec.privileged) this.withhold(PASID_CAPABILITY.PRIVILEGED_ENABLE);
  }
}
