/**
 * The vendor-neutral core: which unit serves which device, groups and who owns them, and mapping as all users of a domain
 * do it.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL } from '../../uapi/index.ts';
import type { PciDevice } from '../pci.ts';
import type { IommuDomain, IommuDriver } from './driver.ts';

/** The smallest set of devices that can be isolated from the rest. Its DMA is blocked while nobody has attached it. */
export class IommuGroup {
  readonly id: number;
  readonly driver: IommuDriver;
  readonly devices: readonly PciDevice[];
  #owner: object | null = null;
  #claims = 0;

  constructor(id: number, driver: IommuDriver, devices: readonly PciDevice[]) {
    this.id = id;
    this.driver = driver;
    this.devices = devices;
  }

  /** Makes the group `owner`'s, one claim per device: -EINVAL unless it has one device, -EBUSY when another owns it. */
  claim(owner: object): number {
    // Groups of several devices come with their own rules; until then such a group is not viable for user space.
    if (this.devices.length !== 1) return -EINVAL;
    if (this.#owner !== null && this.#owner !== owner) return -EBUSY;
    this.#owner = owner;
    this.#claims++;
    return 0;
  }

  release(): void {
    this.#claims--;
    if (this.#claims === 0) this.#owner = null;
  }
}

export interface IommuOptions {
  /** False leaves out the invalidation after an unmap: the driver bug that lets devices use stale translations. */
  readonly invalidateOnUnmap: boolean;
}

export class Iommu {
  readonly groups: IommuGroup[] = [];
  readonly #options: IommuOptions;
  readonly #groupOf = new Map<PciDevice, IommuGroup>();

  constructor(options: IommuOptions) {
    this.#options = options;
  }

  /** Puts devices that cannot be told apart behind `driver` into one group. */
  addGroup(driver: IommuDriver, devices: readonly PciDevice[]): void {
    const group = new IommuGroup(this.groups.length, driver, devices);
    this.groups.push(group);
    for (const device of devices) this.#groupOf.set(device, group);
  }

  /** `undefined` for a device that no unit serves. */
  groupOf(device: PciDevice): IommuGroup | undefined {
    return this.#groupOf.get(device);
  }

  /** Maps consecutive pages from `first` on to any frames. On failure nothing stays mapped. */
  *map(domain: IommuDomain, first: PageNumber, frames: Float64Array, protection: Protection): Script<number> {
    let result = 0;
    for (let i = 0; i < frames.length && result === 0; ) {
      const run = runLength(frames, i);
      result = yield* domain.map(first + i, frames[i]!, run, protection);
      i += run;
    }
    if (result === 0) result = yield* domain.mapped(first, frames.length);
    if (result === 0) return 0;
    const undone = yield* this.#remove(domain, first, frames.length, true);
    return undone < 0 ? undone : result;
  }

  /** Removes whole mappings. When it fails devices may still reach the memory, so its owner must keep it. */
  unmap(domain: IommuDomain, first: PageNumber, pages: number): Script<number> {
    return this.#remove(domain, first, pages, this.#options.invalidateOnUnmap);
  }

  *#remove(domain: IommuDomain, first: PageNumber, pages: number, invalidate: boolean): Script<number> {
    const unmapped = yield* domain.unmap(first, pages);
    const result = invalidate ? yield* domain.flush(unmapped) : 0;
    if (result === 0) domain.reclaim(unmapped);
    return result;
  }
}

/** Number of consecutive frames from index `start` on. */
function runLength(frames: Float64Array, start: number): number {
  let end = start + 1;
  while (end < frames.length && frames[end] === frames[end - 1]! + 1) end++;
  return end - start;
}
