/**
 * The vendor-neutral core: which unit serves which device, groups and who owns them, and mapping as all users of a domain
 * do it.
 */
import type { PageNumber } from '../../../hardware/bits/index.ts';
import type { Protection } from '../../../hardware/formats/index.ts';
import type { Script } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EIO, ENOMEM } from '../../uapi/index.ts';
import type { FaultPoints } from '../fault-points.ts';
import type { PageRun } from '../page-run.ts';
import type { PciDevice } from '../pci/index.ts';
import { type IommuDomain, type IommuDriver, isPermitted } from './driver.ts';
import type { Unlinking, Unmapped } from './page-table.ts';
import { WHOLE } from './routed-translation.ts';

/** Pages that are mapped one to one. */
export interface DirectRun extends PageRun {
  readonly protection: Protection;
}

/** Memory that firmware goes on using with a device. */
export interface KeptMemory {
  readonly memory: readonly DirectRun[];
  /** Where the device has been since boot, with the memory mapped one to one; `null` when that failed. */
  readonly domain: IommuDomain | null;
}

const NOTHING_KEPT: ReadonlyMap<PciDevice, KeptMemory> = new Map();

/** The smallest set of devices that can be isolated from the rest. Its DMA is blocked while nobody has attached it. */
export class IommuGroup {
  readonly id: number;
  readonly driver: IommuDriver;
  readonly devices: readonly PciDevice[];
  readonly kept: ReadonlyMap<PciDevice, KeptMemory>;
  #owner: object | null = null;
  /** The kernel itself owns it. */
  #isKernels = false;
  /** How often each device is claimed. */
  readonly #claims = new Map<PciDevice, number>();

  constructor(
    id: number,
    driver: IommuDriver,
    devices: readonly PciDevice[],
    kept: ReadonlyMap<PciDevice, KeptMemory>,
  ) {
    this.id = id;
    this.driver = driver;
    this.devices = devices;
    this.kept = kept;
  }

  /** Firmware uses a device together with some memory: the group stays with the kernel. */
  get isFirmware(): boolean {
    return this.kept.size > 0;
  }

  /**
   * Makes the group `owner`'s, one claim per device; those that nobody has claimed may do nothing then: -EBUSY when another owns
   * it; -EINVAL when it is not viable: firmware uses it, or a driver of the kernel another device of it.
   */
  claim(owner: object, device: PciDevice): number {
    if (this.isFirmware) return -EINVAL;
    if (this.#isKernels && !this.#claims.has(device)) return -EINVAL;
    if (this.#owner !== null && this.#owner !== owner) return -EBUSY;
    this.#take(owner, device);
    return 0;
  }

  /** For the kernel's own drivers, which trust each other with all devices of a group: -EBUSY when somebody else has it. */
  claimForKernel(kernel: object, device: PciDevice): number {
    if (this.#owner !== null && this.#owner !== kernel) return -EBUSY;
    this.#take(kernel, device);
    this.#isKernels = true;
    return 0;
  }

  /** Nobody has it. */
  get isFree(): boolean {
    return this.#claims.size === 0 && !this.isFirmware;
  }

  release(device: PciDevice): void {
    const left = this.#claims.get(device)! - 1;
    if (left > 0) this.#claims.set(device, left);
    else this.#claims.delete(device);
    if (this.#claims.size > 0) return;
    this.#owner = null;
    this.#isKernels = false;
  }

  #take(owner: object, device: PciDevice): void {
    this.#owner = owner;
    this.#claims.set(device, (this.#claims.get(device) ?? 0) + 1);
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
  readonly #faultPoints: FaultPoints;
  readonly #groupOf = new Map<PciDevice, IommuGroup>();

  constructor(options: IommuOptions, faultPoints: FaultPoints) {
    this.#options = options;
    this.#faultPoints = faultPoints;
  }

  /** Puts devices that cannot be told apart behind `driver` into one group: 0, or -ENOMEM and they belong to none. */
  addGroup(driver: IommuDriver, devices: readonly PciDevice[], kept = NOTHING_KEPT): number {
    if (this.#faultPoints.refuses('iommu group')) return -ENOMEM;
    const group = new IommuGroup(this.#nextGroup++, driver, devices, kept);
    this.groups.push(group);
    for (const device of devices) this.#groupOf.set(device, group);
    return 0;
  }

  /** A device is gone, and its group with its last one; whoever has it may still let go of it. */
  forget(device: PciDevice): void {
    const group = this.#groupOf.get(device);
    this.#groupOf.delete(device);
    if (group?.devices.every((one) => !this.#groupOf.has(one)) === true)
      this.groups.splice(this.groups.indexOf(group), 1);
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
    const undone = yield* this.#flushed(domain, yield* domain.unmap(first, frames.length));
    return undone < 0 ? undone : result;
  }

  /** Removes whole mappings. When it fails devices may still reach the memory, so its owner must keep it. */
  *unmap(domain: IommuDomain, first: PageNumber, pages: number, unlinking?: Unlinking): Script<number> {
    const unmapped = yield* domain.unmap(first, pages, unlinking);
    if (this.#options.invalidateOnUnmap) return yield* this.#flushed(domain, unmapped);
    domain.reclaim(unmapped);
    return 0;
  }

  /**
   * Clears mappings; hardware may go on using them, and reach the memory, until they are part of a `flush`. Neighbours may be
   * mapped in the meantime, but nothing in the range itself.
   */
  unmapLater(domain: IommuDomain, first: PageNumber, pages: number): Script<Unmapped> {
    return domain.unmap(first, pages, 'covered');
  }

  /** Makes hardware forget everything that was unmapped for later, in one go: 0 or -EIO. */
  *flush(domain: IommuDomain, waiting: readonly Unmapped[]): Script<number> {
    if (waiting.length === 0) return 0;
    return yield* this.#flushed(domain, { ...leftBy(waiting), ...rangeAround(waiting) });
  }

  /** The same by making it forget the whole domain, even if nothing waits. */
  flushAll(domain: IommuDomain, waiting: readonly Unmapped[]): Script<number> {
    return this.#flushed(domain, { ...leftBy(waiting), first: 0, pages: 2 ** WHOLE });
  }

  *#flushed(domain: IommuDomain, unmapped: Unmapped): Script<number> {
    const result = yield* domain.flush(unmapped);
    if (result === 0) domain.reclaim(unmapped);
    return result;
  }
}

/**
 * Maps memory one to one for a device that has to go on using it and attaches the device, for good: the domain,
 * -EINVAL when the memory cannot be mapped there, or what the driver answers. Done before `driver.enable`, it leaves no gap.
 */
export function* attachDirect(
  driver: IommuDriver,
  device: PciDevice,
  memory: readonly DirectRun[],
): Script<IommuDomain | number> {
  const domain = yield* driver.allocateDomain();
  if (typeof domain === 'number') return domain;
  let result = yield* mapDirect(domain, memory);
  if (result === 0) result = yield* domain.attach(device);
  // With -EIO nobody knows what hardware still reads.
  if (result < 0 && result !== -EIO) yield* domain.destroy();
  return result < 0 ? result : domain;
}

/** Maps memory one to one: 0, -EINVAL when it cannot be mapped there, or what the driver answers, and a part may be mapped. */
export function* mapDirect(domain: IommuDomain, memory: readonly DirectRun[]): Script<number> {
  let result = 0;
  for (const { first, pages, protection } of memory) {
    if (result === 0) result = isPermitted(domain.geometry, first, pages) ? 0 : -EINVAL;
    if (result === 0) result = yield* domain.map(first, first, pages, protection);
    if (result === 0) result = yield* domain.mapped(first, pages);
  }
  return result;
}

/** What all of them leave behind. */
function leftBy(waiting: readonly Unmapped[]): Pick<Unmapped, 'mappings' | 'tables' | 'entries'> {
  const entries = waiting.reduce((sum, one) => sum + one.entries, 0);
  const mappings = waiting.flatMap((one) => one.mappings);
  const tables = waiting.flatMap((one) => one.tables);
  return { mappings, tables, entries };
}

/** The smallest range around all of them. */
function rangeAround(waiting: readonly PageRun[]): PageRun {
  const first = Math.min(...waiting.map((one) => one.first));
  const end = Math.max(...waiting.map((one) => one.first + one.pages));
  return { first, pages: end - first };
}

/** Number of consecutive frames from index `start` on. */
function runLength(frames: Float64Array, start: number): number {
  let end = start + 1;
  while (end < frames.length && frames[end] === frames[end - 1]! + 1) end++;
  return end - start;
}
