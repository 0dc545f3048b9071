/** The MSI capability: up to 32 vectors that differ in the low bits of one message's data. */
import { CapabilityId, MASKABLE_MSI_CAPABILITY, MSI_CAPABILITY } from '../spec/index.ts';
import { Capability } from './capability.ts';
import type { MessageSource } from './message-source.ts';

export interface MsiSpec {
  /** Vectors that the function can use: a power of two up to 32. */
  readonly vectors: number;
  /** Each can be masked. */
  readonly masking: boolean;
  readonly preferred?: number;
}

const MOST_VECTORS_LOG2 = 5;
const CONTROL_AT = 0x00;
const MASK_AT = 0x10;

export class MsiCapability extends Capability<typeof MSI_CAPABILITY> implements MessageSource {
  onUnmask: ((vector: number) => void) | null = null;
  readonly #spec: MsiSpec;

  constructor(spec: MsiSpec) {
    const log2 = 31 - Math.clz32(spec.vectors);
    if (1 << log2 !== spec.vectors || log2 > MOST_VECTORS_LOG2) {
      throw new RangeError(`${spec.vectors} MSI vectors are not a power of two up to 32`);
    }
    super({
      extended: false,
      id: CapabilityId.MSI,
      layout: spec.masking ? MASKABLE_MSI_CAPABILITY : MSI_CAPABILITY,
      initial: { MULTIPLE_MESSAGE_CAPABLE: log2, ADDRESS_64: 1, PER_VECTOR_MASKING: spec.masking ? 1 : 0 },
      ...(spec.preferred === undefined ? {} : { preferred: spec.preferred }),
    });
    this.#spec = spec;
  }

  get enabled(): boolean {
    return this.isSet(MSI_CAPABILITY.ENABLE);
  }

  /** Vectors that software allows, whether or not MSI is enabled. */
  get vectors(): number {
    return Math.min(1 << this.get(MSI_CAPABILITY.MULTIPLE_MESSAGE_ENABLE), this.#spec.vectors);
  }

  hold(vector: number): boolean {
    if (!this.#spec.masking) return false;
    const { MASK_BITS, PENDING_BITS } = MASKABLE_MSI_CAPABILITY;
    if (((this.get(MASK_BITS) >>> vector) & 1) === 0) return false;
    this.set(PENDING_BITS, (this.get(PENDING_BITS) | (1 << vector)) >>> 0);
    return true;
  }

  addressHi(_vector: number): number {
    return this.get(MSI_CAPABILITY.ADDRESS_HIGH) | 0;
  }

  addressLo(_vector: number): number {
    return (this.get(MSI_CAPABILITY.ADDRESS) << 2) | 0;
  }

  data(vector: number): number {
    return (this.get(MSI_CAPABILITY.DATA) & ~(this.vectors - 1)) | vector;
  }

  protected override wire(): void {
    if (!this.#spec.masking) return;
    const absent = this.#spec.vectors === 32 ? 0 : -1 << this.#spec.vectors;
    this.file.withholdBits(this.offset + MASK_AT, absent);
    for (const offset of [CONTROL_AT, MASK_AT]) this.onWrite(offset, () => this.#deliver());
  }

  /** Sends what is pending and may be sent. */
  #deliver(): void {
    const { MASK_BITS, PENDING_BITS } = MASKABLE_MSI_CAPABILITY;
    if (!this.enabled) return;
    const due = this.get(PENDING_BITS) & ~this.get(MASK_BITS);
    this.set(PENDING_BITS, (this.get(PENDING_BITS) & ~due) >>> 0);
    for (let vector = 0; vector < this.#spec.vectors; vector++) {
      if (((due >>> vector) & 1) !== 0) this.onUnmask?.(vector);
    }
  }
}
