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

interface Route {
  readonly device: PciDevice;
  readonly translation: Translation;
}

/** Who is told of faults of a device in a space. */
export type Listen = (ioasid: Ioasid, bound: BoundDevice) => AttachmentHandlers;

export class Routes {
  readonly #devices: ReadonlySet<BoundDevice>;
  readonly #listen: Listen;
  readonly #routes = new Map<number, Route>();

  constructor(devices: ReadonlySet<BoundDevice>, listen: Listen) {
    this.#devices = devices;
    this.#listen = listen;
  }

  /** Leads a device's requests to where its slots say: 0, or what the driver answers; on failure they are blocked. */
  *update(bound: BoundDevice, pasid: number): Script<number> {
    const key = keyOf(bound.device.requester, pasid);
    const route = this.#routes.get(key);
    const target = this.#target(bound, pasid);
    const translation = target?.ioasid.table.translation ?? undefined;
    if (route?.translation === translation) return 0;
    if (route !== undefined) {
      const closed = yield* route.translation.detach(route.device, ...(pasid === NO_PASID ? [] : [pasid]));
      // Nobody knows what hardware still uses: the route stays, and is tried again.
      if (closed < 0) return closed;
      this.#routes.delete(key);
    }
    if (target === undefined || translation === undefined) return 0;
    const { device } = target.bound;
    const handlers = this.#listen(target.ioasid, target.bound);
    const result = yield* translation.attach(device, pasid === NO_PASID ? handlers : { pasid, ...handlers });
    // With -EIO nobody knows what hardware reads: it counts as led there until a detach succeeds.
    if (result === 0 || result === -EIO) this.#routes.set(key, { device, translation });
    return result;
  }

  /** The innermost space among those of all devices with this one's requester id. */
  #target(bound: BoundDevice, pasid: number): { readonly ioasid: Ioasid; readonly bound: BoundDevice } | undefined {
    const sharing = [...this.#devices].filter(({ device }) => device.requester === bound.device.requester);
    let found: { readonly ioasid: Ioasid; readonly bound: BoundDevice } | undefined;
    for (const one of sharing) {
      const ioasid = pasid !== NO_PASID && one.pasidTable !== undefined ? undefined : one.translating(pasid);
      if (ioasid !== undefined && (found === undefined || ioasid.parent === found.ioasid))
        found = { ioasid, bound: one };
    }
    return found;
  }
}
