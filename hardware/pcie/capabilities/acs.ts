/** The ACS capability: which rules a port or function applies to keep others apart. */
import { ACS_CAPABILITY, AcsBit, acsWithEgressControl, ExtendedCapabilityId } from '../spec/index.ts';
import { Capability } from './capability.ts';

export interface AcsSpec {
  /** Bits of `AcsBit`: the services that there are. */
  readonly services: number;
  /** Ports or functions that egress control can forbid: 1 to 256, with AcsBit.EGRESS_CONTROL only. */
  readonly egressTargets?: number;
}

const MOST_TARGETS = 256;
const CONTROL_AT = 0x04;
const VECTOR_AT = 0x08;

export class AcsCapability extends Capability<typeof ACS_CAPABILITY> {
  /** Told when software switches services. */
  onChange: (() => void) | null = null;
  /** Bits of `AcsBit`. */
  readonly supported: number;
  readonly #targets: number;

  constructor({ services, egressTargets = 0 }: AcsSpec) {
    const hasEgress = (services & AcsBit.EGRESS_CONTROL) !== 0;
    if (egressTargets > MOST_TARGETS || hasEgress !== egressTargets > 0) {
      throw new RangeError(`${egressTargets} targets of egress control do not fit services 0x${services.toString(16)}`);
    }
    super({
      extended: true,
      id: ExtendedCapabilityId.ACCESS_CONTROL_SERVICES,
      layout: hasEgress ? acsWithEgressControl(egressTargets) : ACS_CAPABILITY,
      initial: { SUPPORTED: services, EGRESS_VECTOR_SIZE: egressTargets % MOST_TARGETS },
    });
    this.supported = services;
    this.#targets = egressTargets;
  }

  /** Bits of `AcsBit` that software has set. */
  get enabled(): number {
    return this.get(ACS_CAPABILITY.ENABLED);
  }

  /** True when each of `services` is on. */
  has(services: number): boolean {
    return (this.enabled & services) === services;
  }

  /** True when egress control is on and forbids the port or function with this number. */
  blocks(target: number): boolean {
    if (!this.has(AcsBit.EGRESS_CONTROL) || target >= this.#targets) return false;
    const word = this.file.read32(this.offset + VECTOR_AT + (target >>> 5) * 4);
    return ((word >>> (target & 31)) & 1) !== 0;
  }

  override reset(): void {
    this.onChange?.();
  }

  protected override wire(): void {
    const { ENABLED } = ACS_CAPABILITY;
    this.file.withholdBits(this.offset + CONTROL_AT, ENABLED.mask & ~(this.supported << ENABLED.shift));
    for (let at = CONTROL_AT; at < this.bytes; at += 4) this.onWrite(at, () => this.onChange?.());
  }
}
