/** The ATS capability: whether the function may cache translations, and in what units. */
import { ATS_CAPABILITY, ExtendedCapabilityId } from '../spec/index.ts';
import { Capability } from './capability.ts';
import type { PasidCapability } from './pasid.ts';

export interface AtsSpec {
  /** Invalidate requests that the function can hold: 1 to 32. */
  readonly queueDepth: number;
  /** Its translation requests are for addresses aligned to 4 KiB. */
  readonly pageAligned?: boolean;
  /** It understands invalidations under every PASID at once. */
  readonly globalInvalidate?: boolean;
  readonly relaxedOrdering?: boolean;
}

const MOST_HELD = 32;
const CONTROL_AT = 0x04;

export class AtsCapability extends Capability<typeof ATS_CAPABILITY> {
  /** Told when Enable changes. A function that is no longer enabled forgets its translations. */
  onEnable: ((enabled: boolean) => void) | null = null;
  readonly queueDepth: number;
  readonly pageAligned: boolean;
  readonly globalInvalidate: boolean;
  readonly #physical: AtsCapability | null;
  readonly #pasid: PasidCapability | null;
  #enabled = false;
  #unit = 0;

  /** `physical` is the capability of a virtual function's physical one, `pasid` that of the same function. */
  constructor(spec: AtsSpec, physical: AtsCapability | null, pasid: PasidCapability | null) {
    const { pageAligned = false, globalInvalidate = false, relaxedOrdering = false } = spec;
    const queueDepth = physical?.queueDepth ?? spec.queueDepth;
    if (queueDepth < 1 || queueDepth > MOST_HELD) {
      throw new RangeError(`${queueDepth} invalidate requests are not between 1 and ${MOST_HELD}`);
    }
    super({
      extended: true,
      id: ExtendedCapabilityId.ADDRESS_TRANSLATION_SERVICES,
      layout: ATS_CAPABILITY,
      initial: {
        // Virtual functions share the queue of their physical function, and say 0.
        INVALIDATE_QUEUE_DEPTH: physical === null ? queueDepth % MOST_HELD : 0,
        PAGE_ALIGNED_REQUEST: pageAligned ? 1 : 0,
        GLOBAL_INVALIDATE_SUPPORTED: globalInvalidate ? 1 : 0,
        RELAXED_ORDERING_SUPPORTED: relaxedOrdering ? 1 : 0,
      },
    });
    this.queueDepth = queueDepth;
    this.pageAligned = pageAligned;
    this.globalInvalidate = globalInvalidate;
    this.#physical = physical;
    this.#pasid = pasid;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** log2 of the smallest translation in units of 4 KiB. */
  get stu(): number {
    return this.#physical?.stu ?? this.#unit;
  }

  override reset(): void {
    this.#unit = 0;
    this.#enable(false);
  }

  protected override wire(): void {
    if (this.#physical !== null) this.withhold(ATS_CAPABILITY.SMALLEST_TRANSLATION_UNIT);
    this.onWrite(CONTROL_AT, () => {
      // What is cached was asked for in the old unit, so it stays while Enable was 1.
      if (this.#enabled) this.set(ATS_CAPABILITY.SMALLEST_TRANSLATION_UNIT, this.#unit);
      this.#unit = this.get(ATS_CAPABILITY.SMALLEST_TRANSLATION_UNIT);
      this.#enable(this.isSet(ATS_CAPABILITY.ENABLE));
    });
  }

  #enable(enabled: boolean): void {
    const changed = enabled !== this.#enabled;
    this.#enabled = enabled;
    this.#pasid?.lock(enabled);
    if (changed) this.onEnable?.(enabled);
  }
}
