/** Which physical addresses are not memory: ranges claimed on the platform, and what lies behind the ports. */
import { highHalf, lowHalf, numberOf, PHYSICAL_BITS } from '../bits/index.ts';
import { RootPort } from './root-port.ts';
import type { Tlp } from './tlp.ts';

/** Beyond, sums are not exact, and nothing physical is. */
const FARTHEST = 2 ** (PHYSICAL_BITS - 32);

/** Addresses from `start` up to `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** How far the address of a request lies above `start`; negative when it lies below or 2^52 and more above. */
export function offsetIn({ addressHi, addressLo }: Tlp, start: number): number {
  const upper = (addressHi >>> 0) - (highHalf(start) >>> 0);
  if (upper === 0) return (addressLo >>> 0) - (lowHalf(start) >>> 0);
  return upper > 0 && upper < FARTHEST ? upper * 2 ** 32 + (addressLo >>> 0) - (lowHalf(start) >>> 0) : -1;
}

/** True when all of a request lies in the `size` bytes from `start` on. */
export function isWithin(tlp: Tlp, start: number, size: number): boolean {
  const first = offsetIn(tlp, start);
  return first >= 0 && first + Math.max(tlp.length, 1) <= size;
}

/** A range of registers on the platform, an IOMMU's for instance. `size` is 1, 2, 4 or 8 bytes. */
export interface MmioTarget {
  read(offset: number, size: number): bigint;
  write(offset: number, size: number, value: bigint): void;
}

/** Where the addresses of a range lead. */
export interface Route extends Range {
  readonly to: MmioTarget | RootPort;
}

export class Routes {
  readonly #claimed: Route[] = [];
  #all: Route[] = [];
  #lowest = Infinity;
  #highest = 0;

  /** For good; `rebuild` makes it take effect. */
  claim(start: number, length: number, target: MmioTarget): void {
    this.#claimed.push({ start, end: start + length, to: target });
  }

  /** Recomputes everything from what the ports decode now. */
  rebuild(ports: readonly RootPort[]): void {
    const decoded = ports.flatMap((port) => port.below.ranges.map(({ start, end }) => ({ start, end, to: port })));
    this.#all = [...this.#claimed, ...decoded];
    this.#lowest = this.#all.reduce((lowest, { start }) => Math.min(lowest, start), Infinity);
    this.#highest = this.#all.reduce((highest, { end }) => Math.max(highest, end), 0);
  }

  /** Where a byte of [address, address + length) leads, or `null` when all are left to memory. Platform ranges come first. */
  find(address: number, length: number): Route | null {
    if (address + length <= this.#lowest || address >= this.#highest) return null;
    return this.#all.find(({ start, end }) => address < end && address + length > start) ?? null;
  }

  /** The port of the device that has all of these bytes, `null` when they are memory's, `undefined` when they are nobody's. */
  destination(hi: number, lo: number, length: number): RootPort | null | undefined {
    if (hi >>> (PHYSICAL_BITS - 32) !== 0) return undefined;
    const address = numberOf(hi, lo);
    const route = this.find(address, length);
    if (route === null) return null;
    const isWithin = address >= route.start && address + length <= route.end;
    return isWithin && route.to instanceof RootPort ? route.to : undefined;
  }
}
