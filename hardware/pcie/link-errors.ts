/** What a bad wire does: TLPs arrive damaged, by chance and seed. */
import { Random } from '../sim/index.ts';

export interface LinkErrors {
  /** Probability that a bit arrives wrong; a TLP is damaged when one of its bits is. */
  readonly bitErrorRate?: number;
  /** Probability that a TLP arrives damaged, whatever its size. */
  readonly tlpErrorRate?: number;
  /** Nanoseconds that the link needs to retrain. */
  readonly retrain: number;
  readonly seed: number;
}

const SCALE = 2 ** 53;

export class Damage {
  readonly #spec: LinkErrors;
  readonly #seeded: Random;
  #random: Random;

  /** `where` keeps the wires of one seed apart. */
  constructor(spec: LinkErrors, where: string) {
    for (const rate of [spec.bitErrorRate, spec.tlpErrorRate]) {
      if (!(rate === undefined || (rate >= 0 && rate < 1))) {
        throw new RangeError(`an error rate of ${rate}: a number from 0 to less than 1 is accepted`);
      }
    }
    this.#spec = spec;
    this.#seeded = new Random(spec.seed).fork(where);
    this.#random = this.#seeded.fork('');
  }

  /** True when a TLP of `bytes` bytes on the wire arrives damaged this time. */
  strikes(bytes: number): boolean {
    const { bitErrorRate = 0, tlpErrorRate = 0 } = this.#spec;
    const whole = power(1 - bitErrorRate, bytes * 8) * (1 - tlpErrorRate);
    return this.#random.below(SCALE) >= whole * SCALE;
  }

  reset(): void {
    this.#random = this.#seeded.fork('');
  }
}

/** By multiplications alone, which every engine rounds alike. */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let square = base; exponent > 0; exponent >>>= 1, square *= square) if (exponent & 1) result *= square;
  return result;
}
