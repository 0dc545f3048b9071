/**
 * Flow-control credits of one direction: for each class so many headers, and so many units of 16 bytes of data.
 *
 * Surface: `canTake` and `take` at the sender, `giveBack` when the receiver releases; `cancel` and `renew` when the link
 * goes down. Nothing is allocated per TLP.
 */
import type { CreditType } from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/**
 * By type; null, or nothing said, is infinite. Infinite headers are as many as a counter of credits has with the largest
 * scale, 12 bits: so what a link and its receiver hold has a bound, whatever comes faster than it leaves.
 */
export type CreditLimits = { readonly [type in CreditType]?: number | null };

const CLASSES = 3;
const MOST_HEADERS = 2 ** 12;

export class Credits {
  readonly #owner: string;
  readonly #headerLimits: Float64Array;
  readonly #dataLimits: Float64Array;
  readonly #headers: Float64Array;
  readonly #data: Float64Array;
  /** What is held by whoever received it before the link went down, and comes back for nothing. */
  readonly #staleHeaders = new Float64Array(CLASSES);
  readonly #staleData = new Float64Array(CLASSES);
  /** 1 for a class in which somebody was refused since all its credits were there. */
  readonly #refused = new Uint8Array(CLASSES);

  /** `owner` is named in errors. */
  constructor(owner: string, limits: CreditLimits) {
    this.#owner = owner;
    const { PH, NPH, CPLH, PD, NPD, CPLD } = limits;
    this.#headerLimits = Float64Array.of(...[PH, NPH, CPLH].map((limit) => this.#checked(limit ?? MOST_HEADERS)));
    this.#dataLimits = Float64Array.of(...[PD, NPD, CPLD].map((limit) => this.#checked(limit)));
    this.#headers = this.#headerLimits.slice();
    this.#data = this.#dataLimits.slice();
  }

  canTake(tlp: Tlp): boolean {
    const { creditClass } = tlp;
    if (this.#headers[creditClass]! >= 1 && this.#data[creditClass]! >= this.unitsOf(tlp)) return true;
    this.#refused[creditClass] = 1;
    return false;
  }

  take(tlp: Tlp): void {
    const { creditClass } = tlp;
    const units = this.unitsOf(tlp);
    if (this.#headers[creditClass]! < 1 || this.#data[creditClass]! < units) {
      throw new Error(`${this.#owner}: send() without a credit; ask canSend first`);
    }
    this.#headers[creditClass]! -= 1;
    this.#data[creditClass]! -= units;
  }

  /** Data credits that the TLP takes: none where they are infinite. */
  unitsOf(tlp: Tlp): number {
    return this.#dataLimits[tlp.creditClass] === Infinity ? 0 : tlp.dataUnits;
  }

  /** One header and `units` of data come back. True when somebody who was refused should ask again. */
  giveBack(creditClass: number, units: number): boolean {
    const staleHeaders = Math.min(this.#staleHeaders[creditClass]!, 1);
    const staleData = Math.min(this.#staleData[creditClass]!, units);
    this.#staleHeaders[creditClass]! -= staleHeaders;
    this.#staleData[creditClass]! -= staleData;
    this.#add(creditClass, 1 - staleHeaders, units - staleData);
    if (this.#refused[creditClass] === 0) return false;
    // Now the largest TLP could go: who is refused again will have asked again.
    if (this.#isWhole(creditClass)) this.#refused[creditClass] = 0;
    return true;
  }

  /** The TLP was sent and never arrives. */
  cancel(tlp: Tlp): void {
    this.#add(tlp.creditClass, 1, this.unitsOf(tlp));
  }

  /** All credits are there again; those of TLPs that are still held do not come back a second time. Nobody is waiting. */
  renew(): void {
    for (let creditClass = 0; creditClass < CLASSES; creditClass++) {
      const data = this.#dataLimits[creditClass]!;
      this.#staleHeaders[creditClass]! += this.#headerLimits[creditClass]! - this.#headers[creditClass]!;
      if (data !== Infinity) this.#staleData[creditClass]! += data - this.#data[creditClass]!;
    }
    this.#fill();
  }

  /** Back to the built state, in which nobody holds anything. */
  reset(): void {
    this.#staleHeaders.fill(0);
    this.#staleData.fill(0);
    this.#fill();
  }

  #fill(): void {
    this.#headers.set(this.#headerLimits);
    this.#data.set(this.#dataLimits);
    this.#refused.fill(0);
  }

  #add(creditClass: number, headers: number, units: number): void {
    this.#headers[creditClass]! += headers;
    this.#data[creditClass]! += units;
    if (
      this.#headers[creditClass]! > this.#headerLimits[creditClass]! ||
      this.#data[creditClass]! > this.#dataLimits[creditClass]!
    ) {
      throw new Error(`${this.#owner}: a credit was released that nobody held`);
    }
  }

  #isWhole(creditClass: number): boolean {
    return (
      this.#headers[creditClass] === this.#headerLimits[creditClass] &&
      this.#data[creditClass] === this.#dataLimits[creditClass]
    );
  }

  #checked(limit: number | null = null): number {
    if (limit === null) return Infinity;
    if (limit >= 1 && Math.floor(limit) === limit) return limit;
    throw new RangeError(`${this.#owner} cannot have ${limit} credits: a whole number, one or more, is accepted`);
  }
}
