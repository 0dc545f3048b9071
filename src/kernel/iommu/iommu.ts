/**
 * The vendor-neutral core: which unit serves which device, groups and who owns them, and mapping as all users of a domain
 * do it.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EIO } from '../../uapi/index.ts';
import type { PciDevice } from '../pci/index.ts';
import { type IommuDomain, type IommuDriver, isPermitted } from './driver.ts';
import type { PageRun, Unmapped } from './page-table.ts';

/** Pages that are mapped one to one. */
export interface DirectRun extends PageRun {
  readonly protection: Protection;
}

/** The smallest set of devices that can be isolated from the rest. Its DMA is blocked while nobody has attached it. */
export class IommuGroup {
  readonly id: number;
  readonly driver: IommuDriver;
  readonly devices: readonly PciDevice[];
  /** Firmware uses the device together with some memory: the group stays with the kernel. */
  readonly isFirmware: boolean;
  #owner: object | null = null;
  #claims = 0;

  constructor(id: number, driver: IommuDriver, devices: readonly PciDevice[], isFirmware: boolean) {
    this.id = id;
    this.driver = driver;
    this.devices = devices;
    this.isFirmware = isFirmware;
  }

  /**
   * Makes the group `owner`'s, one claim per device: -EINVAL when it is firmware's or has not one device, -EBUSY when
   * another owns it.
   */
  claim(owner: object): number {
    if (this.isFirmware) return -EINVAL;
    // Groups of several devices come with their own rules; until then such a group is not viable for user space.
    if (this.devices.length !== 1) return -EINVAL;
    if (this.#owner !== null && this.#owner !== owner) return -EBUSY;
    this.#owner = owner;
    this.#claims++;
    return 0;
  }

  /** For the kernel's own drivers, which trust each other with all devices of a group: -EBUSY when somebody else has it. */
  claimForKernel(kernel: object): number {
    if (this.isFirmware || (this.#owner !== null && this.#owner !== kernel)) return -EBUSY;
    this.#owner = kernel;
    this.#claims++;
    return 0;
  }

  /** Nobody has it. */
  get isFree(): boolean {
    return this.#claims === 0 && !this.isFirmware;
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
  #nextGroup = 0;
  readonly #options: IommuOptions;
  readonly #groupOf = new Map<PciDevice, IommuGroup>();

  constructor(options: IommuOptions) {
    this.#options = options;
  }

  /** Puts devices that cannot be told apart behind `driver` into one group. */
  addGroup(driver: IommuDriver, devices: readonly PciDevice[], isFirmware = false): void {
    const group = new IommuGroup(this.#nextGroup++, driver, devices, isFirmware);
    this.groups.push(group);
    for (const device of devices) this.#groupOf.set(device, group);
  }

  /** Its devices are gone. */
  removeGroup(group: IommuGroup): void {
    this.groups.splice(this.groups.indexOf(group), 1);
    for (const device of group.devices) this.#groupOf.delete(device);
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

  /** Clears mappings; hardware may go on using them, and reach the memory, until they are part of a `flush`. */
  unmapLater(domain: IommuDomain, first: PageNumber, pages: number): Script<Unmapped> {
    return domain.unmap(first, pages);
  }

  /** Makes hardware forget everything that was unmapped for later, in one go: 0 or -EIO. */
  *flush(domain: IommuDomain, waiting: readonly Unmapped[]): Script<number> {
    if (waiting.length === 0) return 0;
    const all = together(waiting);
    const result = yield* domain.flush(all);
    if (result === 0) domain.reclaim(all);
    return result;
  }

  *#remove(domain: IommuDomain, first: PageNumber, pages: number, invalidate: boolean): Script<number> {
    const unmapped = yield* domain.unmap(first, pages);
    const result = invalidate ? yield* domain.flush(unmapped) : 0;
    if (result === 0) domain.reclaim(unmapped);
    return result;
  }
}

/**
 * Maps memory one to one for a device that has to go on using it and attaches the device, for good: 0, -EINVAL when the
 * memory cannot be mapped there, or what the driver answers. Done before `driver.enable`, it leaves no gap.
 */
export function* attachDirect(driver: IommuDriver, device: PciDevice, memory: readonly DirectRun[]): Script<number> {
  const domain = yield* driver.allocateDomain();
  if (typeof domain === 'number') return domain;
  let result = 0;
  for (const { first, pages, protection } of memory) {
    if (result === 0) result = isPermitted(domain.geometry, first, pages) ? 0 : -EINVAL;
    if (result === 0) result = yield* domain.map(first, first, pages, protection);
    if (result === 0) result = yield* domain.mapped(first, pages);
  }
  if (result === 0) result = yield* domain.attach(device);
  // With -EIO nobody knows what hardware still reads.
  if (result < 0 && result !== -EIO) yield* domain.destroy();
  return result;
}

/** The smallest range around all of them, and what they leave behind. */
function together(waiting: readonly Unmapped[]): Unmapped {
  const first = Math.min(...waiting.map((one) => one.first));
  const end = Math.max(...waiting.map((one) => one.first + one.pages));
  const entries = waiting.reduce((sum, one) => sum + one.entries, 0);
  const mappings = waiting.flatMap((one) => one.mappings);
  const tables = waiting.flatMap((one) => one.tables);
  return { first, pages: end - first, mappings, tables, entries };
}

/** Number of consecutive frames from index `start` on. */
function runLength(frames: Float64Array, start: number): number {
  let end = start + 1;
  while (end < frames.length && frames[end] === frames[end - 1]! + 1) end++;
  return end - start;
}
