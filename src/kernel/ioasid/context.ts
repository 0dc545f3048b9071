/**
 * What stands behind one open `/dev/ioasid`: its I/O address spaces and the devices that are bound to it. It lives until the
 * file is closed and the last device is unbound.
 */
import { type Engine, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EBUSY, EINVAL } from '../../uapi/index.ts';
import type { IommuGroup } from '../iommu/iommu.ts';
import type { PciDevice } from '../pci/index.ts';
import { Ioasid, type IoasidServices } from './ioasid.ts';

/** A device that one context controls. */
export interface BoundDevice {
  readonly device: PciDevice;
  readonly group: IommuGroup;
  /** Where its requests without PASID go. */
  ioasid: Ioasid | null;
}

/** Address spaces of one context: as many as there are PASIDs. */
const MOST_IOASIDS = 2 ** 20;

export class IoasidContext {
  /** Held by whoever changes anything here: commands of several tasks follow each other. */
  readonly lock: Semaphore;
  readonly devices = new Set<BoundDevice>();
  readonly #services: IoasidServices;
  readonly #ioasids = new Map<number, Ioasid>();
  #references = 1;
  #last = 0;

  constructor(engine: Engine, services: IoasidServices) {
    this.lock = new Semaphore(engine, 1, 'ioasid context');
    this.#services = services;
  }

  /** Runs something while nobody else changes this context. */
  *locked<T>(body: () => Script<T>): Script<T> {
    yield this.lock.acquire();
    const result = yield* body();
    this.lock.release();
    return result;
  }

  /** A number that this context has not used yet, or -EBUSY. */
  allocate(): number {
    if (this.#ioasids.size >= MOST_IOASIDS) return -EBUSY;
    const id = ++this.#last;
    this.#ioasids.set(id, new Ioasid(id, this.#services));
    return id;
  }

  get(id: number): Ioasid | undefined {
    return this.#ioasids.get(id);
  }

  /** -EINVAL for an unknown number, -EBUSY while a device is attached. */
  free(id: number): number {
    const ioasid = this.#ioasids.get(id);
    if (ioasid === undefined) return -EINVAL;
    if (ioasid.devices.size > 0) return -EBUSY;
    this.#ioasids.delete(id);
    return 0;
  }

  /** Takes control of a device: its group belongs to this context from now on. */
  bind(device: PciDevice, group: IommuGroup): BoundDevice | number {
    const claimed = group.claim(this);
    if (claimed < 0) return claimed;
    const bound: BoundDevice = { device, group, ioasid: null };
    this.devices.add(bound);
    this.#references++;
    return bound;
  }

  /** Detaches the device and lets go of it. */
  *unbind(bound: BoundDevice): Script<number> {
    const { ioasid } = bound;
    const result = ioasid === null ? 0 : yield* this.detach(bound, ioasid.id);
    this.devices.delete(bound);
    bound.group.release();
    this.put();
    return result;
  }

  /** -EINVAL: unknown ioasid, or attached to it already; -EBUSY: attached to another one. */
  *attach(bound: BoundDevice, id: number): Script<number> {
    const ioasid = this.#ioasids.get(id);
    if (ioasid === undefined || bound.ioasid === ioasid) return -EINVAL;
    if (bound.ioasid !== null) return -EBUSY;
    const result = yield* ioasid.attach(bound);
    if (result === 0) bound.ioasid = ioasid;
    return result;
  }

  *detach(bound: BoundDevice, id: number): Script<number> {
    const { ioasid } = bound;
    if (ioasid === null || ioasid.id !== id) return -EINVAL;
    bound.ioasid = null;
    return yield* ioasid.detach(bound);
  }

  /** One user less. What an ioasid holds, it holds for attached devices, so nothing is left when the last one goes. */
  put(): void {
    this.#references--;
    if (this.#references === 0) this.#ioasids.clear();
  }
}
