/**
 * What stands behind one open `/dev/ioasid` or `/dev/iommu`: its I/O address spaces and the devices that are bound to it. It
 * lives until the file is closed and the last device is unbound.
 */
import { type Engine, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL, EIO, ENOMEM } from '../../uapi/index.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import { NO_FEATURES } from '../iommu/driver.ts';
import type { IommuGroup } from '../iommu/iommu.ts';
import type { PciDevice } from '../pci/index.ts';
import { BoundDevice } from './bound-device.ts';
import { FaultQueue } from './fault-queue.ts';
import { Ioasid, type IoasidShape } from './ioasid.ts';
import { PasidTable } from './pasid-table.ts';
import { RegisteredMemory } from './registered-memory.ts';
import { Routes } from './routes.ts';
import type { SoftwareUser } from './software-access.ts';
import { SoftwareDevice } from './software-device.ts';
import type { IoasidServices, IoTable } from './table.ts';

export class IoasidContext {
  /** Held by whoever changes anything here: commands of several tasks follow each other. */
  readonly lock: Semaphore;
  /** Those whose requests a unit routes. */
  readonly devices = new Set<BoundDevice>();
  readonly #engine: Engine;
  readonly #software = new Set<SoftwareDevice>();
  readonly services: IoasidServices;
  /** What the program is told of its devices' faults. */
  readonly faults: FaultQueue;
  readonly registered: RegisteredMemory;
  readonly #ioasids = new Map<number, Ioasid>();
  readonly #routes: Routes;
  #references = 1;
  #last = 0;

  constructor(engine: Engine, services: IoasidServices) {
    this.lock = new Semaphore(engine, 1, 'ioasid context');
    this.services = services;
    this.#engine = engine;
    this.registered = new RegisteredMemory(services);
    this.faults = new FaultQueue(engine, services.faultPoints);
    this.#routes = new Routes(this.devices, (ioasid, namesake) =>
      this.faults.listen(() => ({
        ioasid: ioasid.id,
        cookie: namesake.bound.cookie,
        mayAsk: services.trustDevices,
        isPasidTable: ioasid.table instanceof PasidTable,
        tracked: (pasid) => namesake.bound.translating(pasid)?.id,
      })),
    );
  }

  /** Runs something while nobody else changes this context. */
  *locked<T>(body: () => Script<T>): Script<T> {
    yield this.lock.acquire();
    const result = yield* body();
    this.lock.release();
    return result;
  }

  /** A number that this context has not used yet, or -EBUSY when it has as many spaces as it may have, -ENOMEM. */
  allocate(shape: (name: string) => IoasidShape): number {
    if (this.#ioasids.size >= this.services.spaceLimit) return -EBUSY;
    if (this.services.faultPoints.refuses('ioasid')) return -ENOMEM;
    const id = ++this.#last;
    this.#ioasids.set(id, new Ioasid(id, shape(`ioasid ${id}`)));
    return id;
  }

  get(id: number): Ioasid | undefined {
    return this.#ioasids.get(id);
  }

  /** -EINVAL for an unknown number, -EBUSY while a device is attached or another space is nested on it. */
  *free(id: number): Script<number> {
    const ioasid = this.#ioasids.get(id);
    if (ioasid === undefined) return -EINVAL;
    if (!ioasid.isFree) return -EBUSY;
    this.#ioasids.delete(id);
    yield* ioasid.destroy();
    return 0;
  }

  /** A device by what the program calls it, whatever it is. */
  deviceOf(cookie: bigint): BoundDevice | SoftwareDevice | undefined {
    return [...this.devices, ...this.#software].find((device) => device.cookie === cookie);
  }

  /** Takes control of a device: its group belongs to this context from now on. */
  bind(device: PciDevice, group: IommuGroup, cookie: bigint): BoundDevice | number {
    if (this.services.faultPoints.refuses('bound device')) return -ENOMEM;
    const claimed = group.claim(this, device);
    if (claimed < 0) return claimed;
    const bound = new BoundDevice(device, group, cookie);
    this.devices.add(bound);
    this.#references++;
    return bound;
  }

  /** Makes a device that is software one of this context, or gives -ENOMEM. */
  bindSoftware(user: SoftwareUser, cookie: bigint): SoftwareDevice | number {
    const { faultPoints } = this.services;
    if (faultPoints.refuses('bound device')) return -ENOMEM;
    const device = new SoftwareDevice({ engine: this.#engine, cookie, faults: this.faults, user, faultPoints });
    this.#software.add(device);
    this.#references++;
    return device;
  }

  /** Nothing uses what it was attached to any more. */
  *unbindSoftware(device: SoftwareDevice): Script {
    yield* device.detachAll();
    this.#software.delete(device);
    yield* this.put();
  }

  /** Detaches the device from everything and lets go of it. */
  *unbind(bound: BoundDevice): Script<number> {
    let result = 0;
    const attached: { readonly ioasid: Ioasid; readonly closed: number }[] = [];
    for (const [pasid, stack] of [...bound.slots]) {
      bound.slots.delete(pasid);
      const closed = yield* this.#routes.update(bound, pasid, 'away');
      if (closed < 0) result = closed;
      for (const ioasid of stack) attached.push({ ioasid, closed });
    }
    // What is nested on a space, under whatever PASID, has a higher number: it goes before its parent's pages do.
    for (const { ioasid, closed } of attached.sort((a, b) => b.ioasid.id - a.ioasid.id)) {
      yield* ioasid.leave(bound, closed === 0);
    }
    this.devices.delete(bound);
    // Whoever has the device next trusts it with nothing that this program had.
    bound.group.driver.prepare(bound.device, NO_FEATURES);
    bound.group.release(bound.device);
    yield* this.put();
    return result;
  }

  /**
   * Leads a device's requests to a space: those with a PASID or those without, and to a PASID table all of them. -EINVAL: unknown
   * ioasid, attached to it already, not attached to what it is nested on, others of its group go elsewhere, or a PASID that the
   * device's PASID table does not reach; -EBUSY: they go to another space; and what drivers answer.
   */
  *attach(bound: BoundDevice, id: number, pasid: number): Script<number> {
    const ioasid = this.#ioasids.get(id);
    if (ioasid === undefined) return -EINVAL;
    const stack = bound.slots.get(pasid) ?? [];
    const refusal = ioasid.refusal(bound, stack.at(-1));
    if (refusal < 0) return refusal;
    if (!this.#agrees(bound, pasid, [...stack, ioasid])) return -EINVAL;
    const refused = refusalOfPasid(bound, ioasid, pasid);
    if (refused < 0) return refused;
    if (this.services.faultPoints.refuses('attachment')) return -ENOMEM;
    const entered = yield* ioasid.enter({ bound, pasid });
    if (entered < 0) return entered;
    bound.slots.set(pasid, [...stack, ioasid]);
    const result = yield* this.#routes.update(bound, pasid);
    if (result === 0) return 0;
    this.#pop(bound, pasid);
    yield* ioasid.leave(bound, result !== -EIO);
    return result;
  }

  /**
   * -EINVAL when it is not attached there; -EBUSY while it is attached to a space that is nested on this one, or to one by a PASID
   * of this table.
   */
  *detach(bound: BoundDevice, id: number): Script<number> {
    for (const [pasid, stack] of bound.slots) {
      const ioasid = stack.find((one) => one.id === id);
      if (ioasid === undefined) continue;
      const isParent = [...ioasid.children].some((child) => bound.isAttached(child));
      const isInUse = isParent || (ioasid.table === bound.pasidTable && bound.hasPasids);
      return isInUse ? -EBUSY : yield* this.#detach(bound, ioasid, pasid);
    }
    return -EINVAL;
  }

  /**
   * Gives a space another table, and leads the devices that are attached to it there: 0, or what the tables answer, and then
   * the old one stays.
   */
  *replaceTable(ioasid: Ioasid, table: IoTable): Script<number> {
    const { table: old, attachments } = ioasid;
    let held = 0;
    let result = 0;
    for (const { bound } of attachments) {
      if (result === 0) result = yield* table.hold(bound.group.driver);
      if (result === 0) held++;
    }
    if (result === 0) {
      ioasid.table = table;
      result = yield* this.#lead(ioasid);
    }
    if (result < 0) {
      ioasid.table = old;
      // After -EIO nobody knows what hardware uses: both tables stay.
      const back = result === -EIO ? result : yield* this.#lead(ioasid, 'away');
      for (; held > 0; held--) yield* table.drop(back === 0);
      yield* table.destroy();
      return result;
    }
    for (; held > 0; held--) yield* old.drop(true);
    yield* old.destroy();
    return 0;
  }

  /** Leads everything that is attached to a space to its table. */
  *#lead({ attachments }: Ioasid, otherwise?: 'away'): Script<number> {
    for (const { bound, pasid } of attachments) {
      const result = yield* this.#routes.update(bound, pasid, otherwise);
      if (result < 0) return result;
    }
    return 0;
  }

  /** One user less; with the last one everything goes. */
  *put(): Script {
    this.#references--;
    if (this.#references > 0) return;
    // Those that are nested were made after what they are nested on.
    for (const ioasid of [...this.#ioasids.values()].reverse()) yield* ioasid.destroy();
    this.#ioasids.clear();
    yield* this.registered.clear();
  }

  *#detach(bound: BoundDevice, ioasid: Ioasid, pasid: number): Script<number> {
    const stack = bound.slots.get(pasid)!;
    this.#pop(bound, pasid);
    const result = yield* this.#routes.update(bound, pasid);
    // They go where they went.
    if (result < 0 && result !== -EIO) bound.slots.set(pasid, stack);
    else yield* ioasid.leave(bound, result === 0);
    return result;
  }

  #pop(bound: BoundDevice, pasid: number): void {
    const stack = bound.slots.get(pasid)!.slice(0, -1);
    if (stack.length > 0) bound.slots.set(pasid, stack);
    else bound.slots.delete(pasid);
  }

  /** The devices of a group cannot be told apart: their requests go to one space, or to it and one that is nested on it. */
  #agrees(bound: BoundDevice, pasid: number, stack: readonly Ioasid[]): boolean {
    return [...this.devices]
      .filter((other) => other !== bound && other.group === bound.group)
      .map((other) => other.slots.get(pasid) ?? [])
      .every((other) => other.slice(0, stack.length).every((ioasid, i) => ioasid === stack[i]));
  }
}

/** 0 when a PASID table, or a space beside one, can be attached so. */
function refusalOfPasid(bound: BoundDevice, { table }: Ioasid, pasid: number): number {
  if (pasid !== NO_PASID) {
    const isReached = bound.pasidTable?.reaches(pasid) ?? true;
    return table instanceof PasidTable || !isReached ? -EINVAL : 0;
  }
  return table instanceof PasidTable && bound.hasPasids ? -EBUSY : 0;
}
