/** The TLB of a device: holds completions of translation requests until the unit tells it to drop them. */
import { floorTo, PAGE } from './radix.ts';

export interface DevicePlace {
  /** -1 without. */
  readonly pasid: number;
  readonly privileged: boolean;
  readonly address: number;
}

export interface DeviceEntry {
  /** 1 read, 2 write. */
  readonly rights: number;
  /** Bytes that it translates, and the host address of the first. */
  readonly size: number;
  readonly frame: number;
}

interface Held extends DeviceEntry, DevicePlace {}

/** What an ATS Invalidate Request names. */
export interface DeviceRange {
  /** -1 for entries without PASID; `null` for those of every PASID. */
  readonly pasid: number | null;
  readonly base: number;
  readonly size: number;
}

const ENTRIES = 16;

export class DeviceTlb {
  /** Requests to drop something so far: what was asked for before one of them is not held when it comes. */
  invalidations = 0;
  #held: Held[] = [];

  find(place: DevicePlace, wanted: number): DeviceEntry | null {
    return this.#held.find((one) => isSame(one, place) && (one.rights & wanted) === wanted) ?? null;
  }

  insert(place: DevicePlace, entry: DeviceEntry): void {
    const others = this.#held.filter((one) => !isSame(one, place));
    this.#held = [...others.slice(1 - ENTRIES), { ...entry, ...place, address: floorTo(place.address, entry.size) }];
  }

  invalidate({ pasid, base, size }: DeviceRange): void {
    this.invalidations++;
    this.#held = this.#held.filter((one) => {
      const isOf = pasid === null ? one.pasid >= 0 : one.pasid === pasid;
      const larger = Math.max(size, one.size);
      return !(isOf && floorTo(one.address, larger) === floorTo(base, larger));
    });
  }
}

function isSame(one: Held, { pasid, privileged, address }: DevicePlace): boolean {
  return one.pasid === pasid && one.privileged === privileged && floorTo(address, one.size) === one.address;
}

/** The range of an address and S: where S is set, the lowest 0 bit of the page number gives the size. */
export function rangeOf(address: bigint, isRange: boolean): { readonly base: number; readonly size: number } {
  let size = BigInt(PAGE);
  if (isRange) {
    while ((address & size) !== 0n) size *= 2n;
    size *= 2n;
  }
  return { base: Number(address - (address % size)), size: Number(size) };
}
