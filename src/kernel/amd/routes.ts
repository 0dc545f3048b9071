/**
 * What leads from a requester to its domain: a device table entry and, for guest tables, a GCR3 table for each device.
 *
 * An entry has one host table for all of a device's requests, and one depth of guest tables: what does not go together is
 * refused. Entries of a device with a GCR3 table carry a domain id of its own, since two devices with the same id must be
 * translated alike (fact sheet 7). A GCR3 table of somebody else lies where the host table translates (GCR3TRPMode), and
 * nothing in it is written here.
 */
import { type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EIO, EOPNOTSUPP } from '../../uapi/index.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import { type DeviceFeatures, NO_FEATURES } from '../iommu/driver.ts';
import { EVERYTHING, type Router } from '../iommu/routed-translation.ts';
import type { IommuServices } from '../iommu/services.ts';
import type { PciDevice } from '../pci/index.ts';
import { takesPageRequests } from './abilities.ts';
import type { Command } from './commands.ts';
import { deviceEntry } from './device-entry.ts';
import { type DeviceTable, DTE_WRITES } from './device-table.ts';
import type { AmdDriver } from './driver.ts';
import { Gcr3Table } from './gcr3-table.ts';
import { GuestRoots } from './guest-roots.ts';
import {
  BLOCKED_DID,
  didOf,
  type GuestsTarget,
  type HostTarget,
  hostOf,
  indexOf,
  isGuest,
  PASID_OF_NONE,
  type Route,
  type Target,
} from './route.ts';

export class Routes implements Router<Target> {
  readonly #driver: AmdDriver;
  readonly #table: DeviceTable;
  readonly #devices = new Map<PciDevice, Route>();
  readonly #features = new Map<PciDevice, DeviceFeatures>();
  readonly #guestRoots: GuestRoots;
  /** Who is routed under a device id. */
  readonly #owners = new Map<number, PciDevice>();
  /** Control.GCR3TRPMode. */
  #rootsAreGuests = false;
  /** One change of the tables at a time. */
  readonly #lock: Semaphore;

  constructor(driver: AmdDriver, services: IommuServices, table: DeviceTable) {
    this.#driver = driver;
    this.#guestRoots = new GuestRoots(driver, services);
    this.#table = table;
    this.#lock = new Semaphore(services.engine, 1, `${driver.name} tables`);
  }

  refusal(device: PciDevice, pasid: number): number {
    if (!this.#table.covers(device.requester)) return -EINVAL;
    if (pasid < 0) return 0;
    const { guest } = this.#driver.features;
    if (guest === null) return -EOPNOTSUPP;
    return pasid === PASID_OF_NONE || pasid >= 2 ** guest.pasidBits || !Number.isInteger(pasid) ? -EINVAL : 0;
  }

  prepare(device: PciDevice, features: DeviceFeatures): number {
    if (this.#devices.has(device)) return -EBUSY;
    if (features.deviceTlb && !this.#driver.features.deviceTlb) return -EOPNOTSUPP;
    const canRequest = takesPageRequests(this.#driver.features) && features.deviceTlb;
    if (features.pageRequests && !canRequest) return -EOPNOTSUPP;
    if (features.hostPermissions === true) return -EOPNOTSUPP;
    this.#features.set(device, features);
    return 0;
  }

  hasDeviceTlb(device: PciDevice): boolean {
    return (this.#features.get(device) ?? NO_FEATURES).deviceTlb;
  }

  /** The device whose requests carry this id; `undefined` while nothing is attached for one. */
  ownerOf(id: number): PciDevice | undefined {
    return this.#owners.get(id);
  }

  /** The domain id of what a device's guest tables leave in the unit's caches. */
  guestDidOf(device: PciDevice): number {
    return this.#devices.get(device)?.gcr3?.did ?? BLOCKED_DID;
  }

  /** Every domain id under which translations of a host table are cached. */
  didsOf({ did, root }: HostTarget): number[] {
    const own = [...this.#devices.values()].filter(({ host, gcr3 }) => gcr3 !== null && host?.root === root);
    return [did, ...own.map(({ gcr3 }) => gcr3!.did)];
  }

  *open(device: PciDevice, pasid: number, target: Target): Script<number> {
    yield this.#lock.acquire();
    try {
      const route = this.#devices.get(device) ?? this.#newRoute(device);
      const refusal = this.#conflict(device, route, pasid, target);
      if (refusal < 0) return refusal;
      const result = yield* this.#enter(device, route, pasid, target);
      if (result < 0 && result !== -EIO) this.#leaveIfEmpty(device, route);
      return result;
    } finally {
      this.#lock.release();
    }
  }

  *close(device: PciDevice, pasid: number, target: Target): Script<number> {
    yield this.#lock.acquire();
    try {
      const route = this.#devices.get(device);
      // A first try has forgotten everything and failed at the last page requests.
      if (route === undefined) return 0;
      // When this is another try the entry says nothing any more of what it said at the first.
      const dids = [didOf(route), isGuest(target) ? route.gcr3!.did : target.did];
      yield* this.#block(device, route, pasid, target);
      const result = yield* this.#forget(device, route, pasid, dids);
      if (result < 0) return result;
      route.targets.delete(indexOf(pasid));
      route.blocked.delete(indexOf(pasid));
      if (this.#features.get(device)?.pageRequests === true) yield* this.#driver.drainPageRequests();
      this.#leaveIfEmpty(device, route);
      return 0;
    } finally {
      this.#lock.release();
    }
  }

  moving(device: PciDevice, body: () => Script<number>): Script<number> {
    return this.#guestRoots.moving(device, body);
  }

  /** Writes the entries over a host table anew, which is tracked or not any more: 0 when hardware knows, or -EIO. */
  *retrack({ root }: HostTarget): Script<number> {
    yield this.#lock.acquire();
    try {
      for (const [device, route] of this.#devices) {
        if (route.host?.root !== root) continue;
        yield* this.#write(device, route);
        // Also where the entry is as it was: its translations may say that pages need not be told of.
        route.stale = true;
        const result = yield* this.#forget(device, route, NO_PASID, [didOf(route)]);
        if (result < 0) return result;
      }
      return 0;
    } finally {
      this.#lock.release();
    }
  }

  #newRoute(device: PciDevice): Route {
    return {
      ids: this.#table.idsOf(device.requester),
      targets: new Map(),
      blocked: new Set(),
      stale: false,
      host: null,
      gcr3: null,
    };
  }

  /** 0 when the target goes together with what is attached already. */
  #conflict(device: PciDevice, route: Route, pasid: number, target: Target): number {
    if (route.ids.some((id) => (this.#owners.get(id) ?? device) !== device)) return -EBUSY;
    // Requests with PASID go through a guest table or nowhere.
    if (pasid >= 0 && !isGuest(target)) return -EOPNOTSUPP;
    // The deeper tables of a GCR3 table would have to be where the guest has its memory.
    if (target.kind === 'nested' && indexOf(pasid) >= Gcr3Table.entriesOfOne) return -EOPNOTSUPP;
    if (this.#needsOtherRoots(target)) return -EBUSY;
    if (route.targets.size > 0 && route.host?.root !== hostOf(target)?.root) return -EOPNOTSUPP;
    return isGuest(target) && (route.gcr3?.levels ?? target.levels) !== target.levels ? -EOPNOTSUPP : 0;
  }

  *#enter(device: PciDevice, route: Route, pasid: number, target: Target): Script<number> {
    const before = didOf(route);
    if (isGuest(target)) {
      const written = this.#enterGuest(device, route, indexOf(pasid), target);
      if (written < 0) return written;
      yield* this.#driver.writeEntries(written);
    }
    yield* this.#readRootsOf(target);
    route.host = hostOf(target);
    route.targets.set(indexOf(pasid), target);
    this.#devices.set(device, route);
    for (const id of route.ids) this.#owners.set(id, device);
    yield* this.#write(device, route);
    const result = yield* this.#forget(device, route, pasid, [before, didOf(route)]);
    // Nobody knows what hardware has read: the way is blocked again.
    if (result < 0) yield* this.#block(device, route, pasid, target);
    return result;
  }

  *#block(device: PciDevice, route: Route, pasid: number, target: Target): Script {
    route.blocked.add(indexOf(pasid));
    const table = isGuest(target) ? route.gcr3!.table : null;
    if (table !== null) yield* this.#driver.writeEntries(table.clear(indexOf(pasid)));
    yield* this.#write(device, route);
  }

  /** The GCR3 entry, with the table that it needs: entries written, -ENOMEM, -ENOSPC. */
  #enterGuest(device: PciDevice, route: Route, index: number, target: GuestsTarget): number {
    if (route.gcr3 === null) {
      const made = this.#guestRoots.take(device, target);
      if (typeof made === 'number') return made;
      route.gcr3 = made;
    }
    return target.kind === 'PASID table' ? 0 : route.gcr3.table!.set(index, target.table);
  }

  /**
   * Whether roots of GCR3 tables are guest addresses is one bit for all devices. It counts where there is a host table,
   * and has to be right before hardware reads the entry of a device.
   */
  *#readRootsOf(target: Target): Script {
    if (!isGuest(target) || hostOf(target) === null) return;
    const areGuests = target.kind === 'PASID table';
    if (areGuests !== this.#rootsAreGuests) yield* this.#driver.setGuestRoots(areGuests);
    this.#rootsAreGuests = areGuests;
  }

  /** True while another device needs roots to be read otherwise than this target does. */
  #needsOtherRoots(target: Target): boolean {
    if (!isGuest(target) || hostOf(target) === null) return false;
    const guests = [...this.#devices.values()].filter(({ host, gcr3 }) => host !== null && gcr3 !== null);
    return guests.some(({ gcr3 }) => (gcr3!.table === null) !== (target.kind === 'PASID table'));
  }

  /** After the last attachment, and after the last guest table: what only they needed goes. */
  #leaveIfEmpty(device: PciDevice, route: Route): void {
    if (route.gcr3 !== null && ![...route.targets.values()].some(isGuest)) {
      this.#guestRoots.giveBack(device, route.gcr3);
      route.gcr3 = null;
    }
    if (route.targets.size > 0) return;
    this.#devices.delete(device);
    for (const id of route.ids) if (this.#owners.get(id) === device) this.#owners.delete(id);
  }

  /** Writes the entries of a device as its route says. */
  *#write(device: PciDevice, route: Route): Script {
    const entry = deviceEntry(route, this.#features.get(device) ?? NO_FEATURES);
    for (const id of route.ids) if (this.#table.set(id, entry)) route.stale = true;
    yield* this.#driver.writeEntries(route.ids.length * DTE_WRITES);
  }

  /** What has to be forgotten when entries have changed (fact sheet 7); `dids` are the domain ids that were in use. */
  *#forget(device: PciDevice, route: Route, pasid: number, dids: readonly number[]): Script<number> {
    const commands: Command[] = [];
    if (route.stale) {
      for (const deviceId of route.ids) commands.push({ kind: 'device entry', deviceId });
      for (const did of new Set(dids)) {
        if (did !== BLOCKED_DID) commands.push({ kind: 'pages', did, pasid: -1, block: EVERYTHING, directories: true });
      }
      commands.push(...this.#wholeDeviceTlb(device, -1));
    }
    if (route.gcr3 !== null && route.gcr3.table !== null) {
      const { did } = route.gcr3;
      commands.push({ kind: 'pages', did, pasid: indexOf(pasid), block: EVERYTHING, directories: true });
      if (pasid >= 0 || !route.stale) commands.push(...this.#wholeDeviceTlb(device, pasid));
    }
    const result = yield* this.#driver.run(commands);
    if (result === 0) route.stale = false;
    return result;
  }

  #wholeDeviceTlb(device: PciDevice, pasid: number): Command[] {
    if (!this.hasDeviceTlb(device)) return [];
    return [{ kind: 'device tlb', deviceId: device.requester, pasid, block: EVERYTHING }];
  }
}
