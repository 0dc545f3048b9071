/**
 * Leads requests to the spaces that devices are attached to: one route for each requester id and PASID. Devices that share a
 * requester id share their routes; the innermost space that any of them is attached to translates for all.
 *
 * On its way from one space to another a request is blocked, and never goes where the kernel's own requests go.
 */
import type { Script } from '../../../hardware/sim/index.ts';
import { EIO } from '../../uapi/index.ts';
import { type AttachmentHandlers, keyOf, NO_PASID } from '../iommu/attachments.ts';
import type { Translation } from '../iommu/driver.ts';
import type { PciDevice } from '../pci/index.ts';
import type { BoundDevice } from './bound-device.ts';
import type { Ioasid } from './ioasid.ts';

/** The device that a route's faults are told of: another that shares the requester id may take over. */
export interface Namesake {
  bound: BoundDevice;
}

interface Route {
  readonly device: PciDevice;
  readonly translation: Translation;
  readonly handlers: AttachmentHandlers;
  readonly namesake: Namesake;
}

/** Who is told of faults in a space. */
export type Listen = (ioasid: Ioasid, namesake: Readonly<Namesake>) => AttachmentHandlers;

export class Routes {
  readonly #devices: ReadonlySet<BoundDevice>;
  readonly #listen: Listen;
  readonly #routes = new Map<number, Route>();

  constructor(devices: ReadonlySet<BoundDevice>, listen: Listen) {
    this.#devices = devices;
    this.#listen = listen;
  }

  /**
   * Leads a device's requests to where its slots say: 0, or what the driver answers. Then they go where they went before, or
   * `away`: nowhere; with -EIO nobody knows.
   */
  *update(bound: BoundDevice, pasid: number, otherwise: 'back' | 'away' = 'back'): Script<number> {
    const route = this.#routes.get(keyOf(bound.device.requester, pasid));
    const next = this.#next(bound, pasid);
    if (next === undefined) return route === undefined ? 0 : yield* this.#close(route, pasid);
    if (route === undefined) return yield* this.#open(next, pasid);
    if (route.translation === next.translation) {
      route.namesake.bound = next.namesake.bound;
      return 0;
    }
    return yield* route.translation.driver.moving(route.device, () => this.#move(route, next, pasid, otherwise));
  }

  *#move(route: Route, next: Route, pasid: number, otherwise: 'back' | 'away'): Script<number> {
    const closed = yield* this.#close(route, pasid);
    if (closed < 0) return closed;
    const result = yield* this.#open(next, pasid);
    if (result === 0 || result === -EIO) return result;
    if (otherwise === 'away') return 0;
    const back = yield* this.#open(route, pasid);
    return back === -EIO ? back : result;
  }

  *#open(route: Route, pasid: number): Script<number> {
    const { device, translation, handlers } = route;
    const result = yield* translation.attach(device, pasid === NO_PASID ? handlers : { pasid, ...handlers });
    // With -EIO nobody knows what hardware reads: it counts as led there until a detach succeeds.
    if (result === 0 || result === -EIO) this.#routes.set(keyOf(device.requester, pasid), route);
    return result;
  }

  *#close({ device, translation }: Route, pasid: number): Script<number> {
    const result = yield* translation.detach(device, ...(pasid === NO_PASID ? [] : [pasid]));
    // Nobody knows what hardware still uses: the route stays, and is tried again.
    if (result === 0) this.#routes.delete(keyOf(device.requester, pasid));
    return result;
  }

  #next(bound: BoundDevice, pasid: number): Route | undefined {
    const target = this.#target(bound, pasid);
    const translation = target?.ioasid.table.translation ?? null;
    if (target === undefined || translation === null) return undefined;
    const device = this.#speakerOf(target.bound.device);
    const namesake = { bound: target.bound };
    return { device, translation, handlers: this.#listen(target.ioasid, namesake), namesake };
  }

  /** Drivers keep their tables by device: of those that share a requester id one speaks for all, in every slot. */
  #speakerOf(device: PciDevice): PciDevice {
    const known = [...this.#routes.values()].find((route) => route.device.requester === device.requester);
    return known?.device ?? device;
  }

  /** The innermost space among those of all devices with this one's requester id: each goes a part of one way. */
  #target(bound: BoundDevice, pasid: number): { readonly ioasid: Ioasid; readonly bound: BoundDevice } | undefined {
    const sharing = [...this.#devices].filter(({ device }) => device.requester === bound.device.requester);
    let found: { readonly ioasid: Ioasid; readonly bound: BoundDevice; readonly depth: number } | undefined;
    for (const one of sharing) {
      const ioasid = pasid !== NO_PASID && one.pasidTable !== undefined ? undefined : one.translating(pasid);
      const depth = one.slots.get(pasid)?.length ?? 0;
      if (ioasid !== undefined && depth > (found?.depth ?? 0)) found = { ioasid, bound: one, depth };
    }
    return found;
  }
}
