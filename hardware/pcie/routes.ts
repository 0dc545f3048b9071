/** Which physical addresses are not memory: ranges claimed on the platform, and what lies behind the ports. */
import type { RootPort } from './root-port.ts';

/** Addresses from `start` up to `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
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
}
